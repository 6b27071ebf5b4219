"""`RLTFTrainer`: online reinforcement learning from unit test feedback, on transformers' Trainer.

What is ours, from top to bottom: the data stream, the loss, the log, the checkpoint. Everything else
(accumulation, precision, schedulers, distribution, PEFT, reports) is Trainer's, and none of it is copied.
A step is: micro-batches from the stream, logits, the terms of the loss, Trainer's backward and optimiser.
New programs come in between steps (`rltf.callbacks.Refresh`).
Does not cover: loading models and problems, or evaluation (`rltf.train`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, set_seed

from rltf import checkpoints
from rltf.callbacks import MetricsFile, Refresh, Seconds
from rltf.config import RLTFConfig
from rltf.losses import entropy, policy_gradient_terms, supervised_loss
from rltf.meter import Meter
from rltf.schedules import warmup_log
from rltf.source import Source
from rltf.stream import Stream


class RLTFTrainer(Trainer):
    """Trains a causal or a seq2seq model on the stream's rows; a source refreshes the stream's buffer."""

    args: RLTFConfig
    loss_is_scaled_for_ga = False
    """Each micro-batch gives a mean; Trainer divides by the number of them."""

    def __init__(
        self,
        model: nn.Module,
        args: RLTFConfig,
        *,
        stream: Stream,
        meter: Meter,
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
            source: Of new programs; `None` for supervised training.
            processing_class: The tokenizer, saved with each checkpoint.
            callbacks: Run after ours.
        """
        ours: list[TrainerCallback] = [Seconds(meter), MetricsFile()]
        if source is not None:
            ours.insert(1, Refresh(args, stream.buffer, source, meter))
        super().__init__(
            model=model, args=args, processing_class=processing_class, callbacks=[*ours, *callbacks]
        )
        self._stream = stream
        self.meter = meter
        self._source = source
        self._causal = not self.accelerator.unwrap_model(model).config.is_encoder_decoder

    # --- data ------------------------------------------------------------------------------------

    def get_train_dataloader(self) -> Stream:  # type: ignore[override]  # iterable is all it has to be
        """The stream itself: each process draws its own rows, one micro-batch at a time."""
        return self._stream

    # --- loss ------------------------------------------------------------------------------------

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """L = L_sl + L_coarse + L_fine + L_adaptive (the paper's eq. 6) of one micro-batch; each is logged.

        Args:
            model: Perhaps wrapped.
            inputs: As `rltf.data.collate` makes them.
            return_outputs: Give the model's outputs too.
            num_items_in_batch: Not used; see `loss_is_scaled_for_ga`.
        """
        outputs = self._predict(model, inputs)
        terms = self._terms(outputs.logits, inputs)
        for name, term in terms.items():
            self.meter.mean(f"loss/{name}", term.detach())
        self.meter.mean("entropy", entropy(outputs.logits, inputs["labels"], causal=self._causal))
        loss = sum(terms.values())
        return (loss, outputs) if return_outputs else loss

    def _predict(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> Any:
        given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        if not self._causal:
            shift = self.accelerator.unwrap_model(model).prepare_decoder_input_ids_from_labels
            given["decoder_input_ids"] = shift(labels=inputs["labels"])
        return model(**given)

    def _terms(self, logits: Tensor, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The loss of each kind of row that there is; supervised rows come first."""
        rewards, labels, rl = self.args.rewards, inputs["labels"], inputs["is_rl"]
        supervised = int((~rl).sum())
        online = self.args.method == "rltf"
        terms: dict[str, Tensor] = {}
        if supervised:
            terms["supervised"] = (self.args.sl_weight if online else 1.0) * supervised_loss(
                logits[:supervised],
                labels[:supervised],
                causal=self._causal,
                reduction=rewards.reduction if online else "mean",
            )
        if supervised < len(labels):
            terms |= policy_gradient_terms(
                logits[supervised:],
                labels[supervised:],
                {name: inputs[name][supervised:] for name in ("coarse", "fine", "adaptive")},
                inputs["spans"][supervised:],
                causal=self._causal,
                alpha=rewards.fine_alpha,
                reduction=rewards.reduction,
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
        with checkpoints.saving(folder):
            checkpoints.write_state(folder, self._state(), self.args.process_index)
            self.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)

    def _state(self) -> dict[str, Any]:
        source = {} if self._source is None else {"source": self._source.state()}
        return {"processes": self.args.world_size, "stream": self._stream.state(), **source}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._stream.restore(state["stream"])
        if self._source is not None:
            self._source.restore(state["source"])
