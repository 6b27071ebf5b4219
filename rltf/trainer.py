"""`RLTFTrainer`: online reinforcement learning from unit test feedback, on transformers' Trainer.

What is ours, from top to bottom: the data stream, the loss, the log, the checkpoint. Everything else
(accumulation, precision, schedulers, distribution, PEFT, reports) is Trainer's, and none of it is copied.
A step is: micro-batches from the stream, logits, the terms of the loss, Trainer's backward and optimiser.
New programs come in between steps (`rltf.monitoring.callbacks.Refresh`).
Does not cover: loading models and problems, or evaluation (`rltf.train`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, set_seed

from harness.types import PromptFormat
from rltf.config import RLTFConfig
from rltf.data.microbatches import Stream
from rltf.lr_schedules import warmup_log
from rltf.monitoring.callbacks import MetricsFile, Refresh, Seconds
from rltf.monitoring.finite import Finite
from rltf.monitoring.metrics import Meter
from rltf.objectives.accumulation import Normalizers, normalizers
from rltf.objectives.losses import entropy, policy_gradient_terms, supervised_loss
from rltf.rollout.schedule import Source
from rltf.run import checkpoints


class RLTFTrainer(Trainer):
    """Trains a causal or a seq2seq model on the stream's rows; a source refreshes the stream's buffer."""

    args: RLTFConfig
    loss_is_scaled_for_ga = True
    """Each micro-batch gives its part of the step's loss (`rltf.objectives.accumulation`); Trainer divides
    nothing."""

    def __init__(
        self,
        model: nn.Module,
        args: RLTFConfig,
        *,
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
            ours.insert(2, Refresh(args, stream.buffer, source, meter))
        super().__init__(
            model=model, args=args, processing_class=processing_class, callbacks=[*ours, *callbacks]
        )
        self.prompt_format = prompt_format
        self._stream = stream
        self.meter = meter
        self._source = source
        self._causal = not self.accelerator.unwrap_model(model).config.is_encoder_decoder

    # --- data ------------------------------------------------------------------------------------

    def get_train_dataloader(self) -> Stream:  # type: ignore[override]  # iterable is all it has to be
        """The stream itself: each process draws its own rows, one micro-batch at a time."""
        return self._stream

    def get_batch_samples(
        self, epoch_iterator: Iterator[Mapping[str, Any]], num_batches: int, device: Any
    ) -> tuple[list[Any], Any]:
        """A step's micro-batches, and what their losses are divided by."""
        batches = [next(epoch_iterator) for _ in range(num_batches)]
        return batches, self._normalizers(batches, mean=self._mean_over_processes)

    def _normalizers(self, batches: Sequence[Mapping[str, Any]], **options: Any) -> Normalizers:
        rl = self.args.rewards.reduction
        return normalizers(batches, supervised=rl if self._online else "mean", rl=rl, **options)

    def _mean_over_processes(self, values: Sequence[float]) -> Sequence[float]:
        if self.accelerator.num_processes == 1:
            return values
        given = torch.tensor(values, dtype=torch.float32, device=self.args.device)
        found: list[float] = self.accelerator.reduce(given, "mean").tolist()
        return found

    @property
    def _online(self) -> bool:
        return self.args.method == "rltf"

    # --- loss ------------------------------------------------------------------------------------

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """L = L_sl + L_coarse + L_fine + L_adaptive (the paper's eq. 6): a micro-batch's part of it, logged.

        Args:
            model: Perhaps wrapped.
            inputs: As `rltf.data.batch.collate` makes them.
            return_outputs: Give the model's outputs too.
            num_items_in_batch: `Normalizers` of the step; `None` where the micro-batch is all of it.
        """
        over: Normalizers = num_items_in_batch or self._normalizers([inputs])
        outputs = self._predict(model, inputs)
        terms = self._terms(outputs.logits, inputs, over)
        seen = {name: term.detach() for name, term in terms.items()}
        self._finite.saw(seen)
        for name, term in seen.items():
            self.meter.mean(
                f"loss/{name}", term * over.micro_batches
            )  # so that their mean is the step's loss
        if self._is_logged:
            self.meter.mean("entropy", entropy(outputs.logits, inputs["labels"], causal=self._causal))
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

    def _predict(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> Any:
        given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        if not self._causal:
            shift = self.accelerator.unwrap_model(model).prepare_decoder_input_ids_from_labels
            given["decoder_input_ids"] = shift(labels=inputs["labels"])
        return model(**given)

    def _terms(self, logits: Tensor, inputs: Mapping[str, Any], over: Normalizers) -> dict[str, Tensor]:
        """The loss of each kind of row that there is; supervised rows come first."""
        rewards, labels, supervised = self.args.rewards, inputs["labels"], inputs["supervised"]
        terms: dict[str, Tensor] = {}
        if supervised:
            terms["supervised"] = (self.args.sl_weight if self._online else 1.0) * supervised_loss(
                logits[:supervised], labels[:supervised], causal=self._causal, normalizer=over.supervised
            )
        if supervised < len(labels):
            terms |= policy_gradient_terms(
                logits[supervised:],
                labels[supervised:],
                {name: inputs[name][supervised:] for name in ("coarse", "fine", "adaptive")},
                inputs["spans"][supervised:],
                causal=self._causal,
                alpha=rewards.fine_alpha,
                normalizer=over.rl,
            )
        return terms

    # --- schedule --------------------------------------------------------------------------------

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
            self._restore(checkpoints.read_state(Path(resume_from_checkpoint), self.args.process_index))
            if checkpoints.steps_of(Path(resume_from_checkpoint)) >= self.args.max_steps:
                # Trainer would make another step before it looks at their number.
                return self._load_from_checkpoint(resume_from_checkpoint)
        else:
            set_seed(self.args.seed)  # what was drawn since the trainer was made decides nothing
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **options)

    def settle(self) -> None:
        """Wait until no programs are being made."""
        if self._source is not None:
            self._source.settle()

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
            self.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)

    def _state(self) -> dict[str, Any]:
        source = {} if self._source is None else {"source": self._source.state()}
        return {"processes": self.args.world_size, "stream": self._stream.state(), **source}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._stream.restore(state["stream"])
        if self._source is not None:
            self._source.restore(state["source"])
