"""`RLTFTrainer`: online reinforcement learning from unit test feedback, on transformers' Trainer.

What is ours, from top to bottom: the data stream, the loss, the log, the checkpoint. Everything else
(accumulation, precision, schedulers, distribution, PEFT, reports) is Trainer's, and none of it is copied.
A step is: micro-batches from the stream, log-probabilities of their targets, the terms that the objective
makes of them (`rltf.objectives`), Trainer's backward and optimiser.
New programs come in between steps (`rltf.monitoring.callbacks.Refresh`).
Does not cover: loading models and problems, or evaluation (`rltf.train`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Trainer, TrainerCallback, set_seed

from harness.models.positions import inner_model
from harness.types import PromptFormat
from rltf.config import RLTFConfig
from rltf.data.loss_batch import loss_batch, rollout_rows, with_scores
from rltf.data.microbatches import Stream
from rltf.lr_schedules import warmup_log
from rltf.monitoring.callbacks import MetricsFile, Refresh, Seconds
from rltf.monitoring.finite import Finite
from rltf.monitoring.metrics import Meter
from rltf.objectives.accumulation import Normalizers, normalizers
from rltf.objectives.base import (
    HIDDEN,
    REFERENCE,
    ROLLOUT_REFERENCE,
    SCORES,
    Batch,
    Objective,
    RolloutBatch,
)
from rltf.objectives.losses import entropy, is_target, token_log_probs
from rltf.objectives.second_models import (
    ReferencePolicy,
    check_processes,
    load_models,
    save_models,
    trained_parameters,
    without_dropout,
)
from rltf.rollout.records import Rollout
from rltf.rollout.schedule import Source
from rltf.rollout.shuffle import batches_by_length
from rltf.run import checkpoints


class RLTFTrainer(Trainer):
    """Trains a causal or a seq2seq model on the stream's rows; a source refreshes the stream's buffer."""

    args: RLTFConfig
    objective: Objective
    loss_is_scaled_for_ga = True
    """Each micro-batch gives its part of the step's loss (`rltf.objectives.accumulation`); Trainer divides
    nothing."""

    def __init__(
        self,
        model: nn.Module,
        args: RLTFConfig,
        *,
        objective: Objective,
        stream: Stream,
        meter: Meter,
        prompt_format: PromptFormat | None = None,
        source: Source | None = None,
        processing_class: Any = None,
        callbacks: Iterable[TrainerCallback] = (),
    ) -> None:
        """
        Args:
            model: With a language-modelling head.
            args: All options.
            objective: Of `args.method`.
            stream: Of micro-batches.
            meter: Collects what is logged.
            prompt_format: What the policy is asked with, to be noted beside the model.
            source: Of new programs; `None` for supervised training.
            processing_class: The tokenizer, saved with each checkpoint.
            callbacks: Run after ours.
        """
        self._finite = Finite()
        ours: list[TrainerCallback] = [self._finite, Seconds(meter), MetricsFile()]
        if source is not None:
            score = self._scored if SCORES in objective.needs else list
            ours.insert(2, Refresh(args, stream.buffer, source, meter, score))
        super().__init__(
            model=model, args=args, processing_class=processing_class, callbacks=[*ours, *callbacks]
        )
        self.objective = objective
        self.prompt_format = prompt_format
        self._stream = stream
        self.meter = meter
        self._source = source
        self._entropy_of = -1
        """The step whose entropy was taken last."""
        policy = self.accelerator.unwrap_model(model)
        self._causal = not policy.config.is_encoder_decoder
        accepted = inspect.signature(inner_model(policy).forward).parameters
        self._keeps_logits = self._causal and "logits_to_keep" in accepted
        set_seed(args.seed)  # for what the objective makes
        objective.set_up(policy, processing_class)
        wrapped = bool(args.deepspeed or args.fsdp)
        check_processes(trained_parameters(objective.models), args.world_size, wrapped=wrapped)
        self._reference = None
        if objective.needs & {REFERENCE, ROLLOUT_REFERENCE}:
            self._reference = ReferencePolicy(policy, narrow=args.freezes_narrow)
            objective.reference_log_probs = self._reference_log_probs

    # --- data ------------------------------------------------------------------------------------

    def get_train_dataloader(self) -> Stream:  # type: ignore[override]  # iterable is all it has to be
        """The stream itself: each process draws its own rows, one micro-batch at a time."""
        return self._stream

    def get_batch_samples(
        self, epoch_iterator: Iterator[Mapping[str, Any]], num_batches: int, device: Any
    ) -> tuple[list[Any], Any]:
        """A step's micro-batches, and what their losses are divided by."""
        for each in trained_parameters(self.objective.models):
            each.grad = None  # Trainer does this for the policy alone
        batches: list[Any] = self._stream.step(num_batches)  # the iterator is this stream's, one at a time
        self.objective.prepare_step(batches)
        return batches, self._normalizers(batches, mean=self._mean_over_processes)

    def _normalizers(self, batches: Sequence[Mapping[str, Any]], **options: Any) -> Normalizers:
        supervised, rl = self.objective.supervised_reduction, self.objective.reduction
        return normalizers(batches, supervised=supervised, rl=rl, **options)

    def _mean_over_processes(self, values: Sequence[float]) -> Sequence[float]:
        if self.accelerator.num_processes == 1:
            return values
        given = torch.tensor(values, dtype=torch.float32, device=self.args.device)
        found: list[float] = self.accelerator.reduce(given, "mean").tolist()
        return found

    def _prepare_input(self, data: Any) -> Any:
        """Trainer's, but numbers stay float32: with DeepSpeed it casts them to the model's 16 bits.

        None of them goes into the model, and the ratio of a log-probability rounded to 16 bits is off by
        per cents.
        """
        if torch.is_tensor(data):
            return data.to(self.args.device)
        return super()._prepare_input(data)

    # --- loss ------------------------------------------------------------------------------------

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The sum of the objective's terms: a micro-batch's part of the step's loss; each term is logged.

        Args:
            model: Perhaps wrapped.
            inputs: As `rltf.data.batch.collate` makes them.
            return_outputs: Give the model's outputs too.
            num_items_in_batch: `Normalizers` of the step; `None` where the micro-batch is all of it.
        """
        over: Normalizers = num_items_in_batch or self._normalizers([inputs])
        outputs = self._predict(model, inputs)
        log_probs = self._log_probs(outputs.logits, inputs["labels"])
        batch = self._batch(inputs, over, outputs, with_reference=REFERENCE in self.objective.needs)
        terms = self.objective.loss(log_probs, batch)
        seen = {name: term.detach() for name, term in terms.items()}
        self._finite.saw(seen)
        for name, term in seen.items():
            self.meter.mean(
                f"loss/{name}", term * over.micro_batches
            )  # so that their mean is the step's loss
        for name, note in (batch.rollouts.notes if batch.rollouts else {}).items():
            self.meter.mean(f"policy/{name}", note.detach())
        if self._is_logged and self._entropy_of != self.state.global_step:
            # Of the step's first micro-batch: it costs a softmax over the vocabulary at each position.
            self._entropy_of = self.state.global_step
            labels = inputs["labels"][:, -outputs.logits.shape[1] :]
            self.meter.mean("entropy", entropy(outputs.logits, labels, causal=self._causal))
        loss = sum(terms.values())
        return (loss, outputs) if return_outputs else loss

    @property
    def _is_logged(self) -> bool:
        """Whether the step under way ends with a line of the log."""
        if self.args.logging_strategy != "steps":
            return False
        every = self.args.logging_steps if self.args.logging_steps >= 1 else self.state.logging_steps
        step = self.state.global_step + 1
        return step % max(1, int(every)) == 0 or (self.args.logging_first_step and step == 1)

    def _predict(self, model: nn.Module, inputs: Mapping[str, Any]) -> Any:
        given: dict[str, Any] = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        if not self._causal:
            shift = self.accelerator.unwrap_model(model).prepare_decoder_input_ids_from_labels
            given["decoder_input_ids"] = shift(labels=inputs["labels"])
        if HIDDEN in self.objective.needs:
            given["output_hidden_states"] = True
        if self._keeps_logits:
            # None of the prompt, where nothing is predicted: the head is a fifth of a small model.
            given["logits_to_keep"] = inputs["labels"].shape[1] - max(0, inputs["first"] - 1)
        return model(**given)

    def _log_probs(self, logits: Tensor, labels: Tensor) -> Tensor:
        """`[B, T]`, or `[B, T-1]` if causal, from the logits of the last positions; 0 before them."""
        kept = logits.shape[1]
        found = token_log_probs(logits, labels[:, -kept:], causal=self._causal)
        return functional.pad(found, (labels.shape[1] - kept, 0))

    def _batch(
        self, inputs: Mapping[str, Any], over: Normalizers, outputs: Any, *, with_reference: bool
    ) -> Batch:
        """What the objective's loss sees beside the log-probabilities."""
        reference, hidden = None, None
        if with_reference and self._reference and inputs["supervised"] < len(inputs["labels"]):
            reference = self._under_reference(self._reference, rollout_rows(inputs))
        if HIDDEN in self.objective.needs:
            hidden = (outputs.hidden_states if self._causal else outputs.decoder_hidden_states)[-1]
        return loss_batch(inputs, over, causal=self._causal, reference_log_probs=reference, hidden=hidden)

    def _under_reference(self, reference: ReferencePolicy, rows: Mapping[str, Any]) -> Tensor:
        """`[B, T]`: log-probabilities of the rows' targets."""
        logits = reference(lambda model: self._predict(model, rows).logits)
        return self._log_probs(logits, rows["labels"])

    # --- scores ----------------------------------------------------------------------------------

    def _reference_log_probs(self, rollouts: Sequence[Rollout]) -> list[Tensor]:
        """As `Objective.reference_log_probs`."""
        assert self._reference is not None  # noqa: S101 - only given where there is one
        lengths = [len(each.prompt_ids) + len(each.token_ids) for each in rollouts]
        found: list[Tensor] = [torch.empty(0)] * len(rollouts)
        for places in batches_by_length(lengths, self.args.per_device_train_batch_size):
            ((_, inputs),) = self._stream.chunks([rollouts[place] for place in places])
            rows = self._prepare_inputs(inputs)
            with torch.no_grad():
                log_probs = self._under_reference(self._reference, rows)
            targets = is_target(rows["labels"], causal=self._causal)
            for place, row, own in zip(places, log_probs, targets, strict=True):
                found[place] = row[own].to("cpu", torch.float32)
        return found

    def _scored(self, rollouts: list[Rollout]) -> list[Rollout]:
        """New rollouts with the objective's scores, of the policy as it is now."""
        chunks = self._stream.chunks(rollouts)
        policy = self.accelerator.unwrap_model(self.model)
        with self.meter.seconds("scoring"), without_dropout(policy), torch.no_grad():
            found = self.objective.score(self._score_batch(policy, inputs) for _, inputs in chunks)
            return with_scores(chunks, found, causal=self._causal)

    def _score_batch(self, policy: nn.Module, given: Mapping[str, Any]) -> RolloutBatch:
        inputs = self._prepare_inputs(dict(given))
        with self.compute_loss_context_manager():
            outputs = self._predict(policy, inputs)
            reference = ROLLOUT_REFERENCE in self.objective.needs
            batch = self._batch(inputs, self._normalizers([inputs]), outputs, with_reference=reference)
        assert batch.rollouts is not None  # noqa: S101 - there are no other rows
        return batch.rollouts

    # --- optimiser and schedule ------------------------------------------------------------------

    def create_optimizer(self, *args: Any, **options: Any) -> Any:
        """Trainer's, and in it what the objective trains of its own."""
        made = self.optimizer is not None
        optimizer = super().create_optimizer(*args, **options)
        own = trained_parameters(self.objective.models)
        if own and not made:
            optimizer.add_param_group({"params": own, "weight_decay": 0.0})
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Trainer's, or the rise of the released code."""
        if self.args.warmup_log and self.lr_scheduler is None:
            steps = self.args.get_warmup_steps(num_training_steps)
            optimizer = self.optimizer if optimizer is None else optimizer
            self.lr_scheduler = warmup_log(optimizer, steps)
        return super().create_scheduler(num_training_steps, optimizer)

    # --- log -------------------------------------------------------------------------------------

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Trainer's numbers and ours since the last line: means over micro-batches, seconds in sum."""
        super().log(logs | self.meter.take() if "loss" in logs else logs, start_time)

    # --- checkpoint ------------------------------------------------------------------------------

    def train(self, resume_from_checkpoint: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Train; with a checkpoint's folder, go on where it was written, bit for bit on a CPU."""
        if resume_from_checkpoint is not None:
            folder = Path(resume_from_checkpoint)
            self._restore(checkpoints.read_state(folder, self.args.process_index))
            load_models(self.objective.models, folder)
            if checkpoints.steps_of(Path(resume_from_checkpoint)) >= self.args.max_steps:
                # Trainer would make another step before it looks at their number.
                return self._load_from_checkpoint(resume_from_checkpoint)
        else:
            set_seed(self.args.seed)  # what was drawn since the trainer was made decides nothing
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **options)

    def wait_idle(self) -> None:
        """Wait until no programs are being made."""
        if self._source is not None:
            self._source.wait_idle()

    def close(self) -> None:
        """End what was started beside training."""
        if self._source is not None:
            self._source.close()

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        # Our state first: Trainer ends a checkpoint with its own, and then deletes older checkpoints.
        folder = Path(str(self.args.output_dir), f"checkpoint-{self.state.global_step}")
        state = self._state()  # waits for what is under way, whose errors are its own
        with checkpoints.saving(folder):
            checkpoints.write_state(folder, state, self.args.process_index)
            if self.args.should_save:
                save_models(self.objective.models, folder)
            self.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)

    def _state(self) -> dict[str, Any]:
        # The source first: it waits for what is under way, which the objective takes part in.
        source = {} if self._source is None else {"source": self._source.state()}
        return {
            "processes": self.args.world_size,
            "stream": self._stream.state(),
            "objective": self.objective.state_dict(),
            **source,
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._stream.restore(state["stream"])
        self.objective.load_state_dict(state["objective"])
        if self._source is not None:
            self._source.restore(state["source"])
