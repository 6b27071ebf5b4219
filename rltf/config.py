"""`RLTFConfig`: the options of RLTF on top of transformers' `TrainingArguments`.

Where the paper (arXiv:2307.04349) and the released code differ, the option's text says which value is whose;
`rltf.presets` has both sets. Everything else (precision, accumulation, checkpoints, schedulers, reports,
DeepSpeed, FSDP) is Trainer's and keeps Trainer's names.
Does not cover: model, benchmark and run folder, which are arguments of `rltf train`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from transformers import TrainingArguments

from harness.errors import InputError
from rltf.buffer import RULES
from rltf.rewards import PAPER, RewardConfig

CHOICES: dict[str, tuple[str, ...]] = {
    "method": ("rltf", "sft"),
    "mixing": ("together", "alternate"),
    "buffer_rule": RULES,
    "sampler": ("inline", "overlapped", "process"),
}
"""Allowed values by option."""


_DECIDING = (
    "learning_rate", "per_device_train_batch_size", "gradient_accumulation_steps", "seed", "weight_decay",
    "warmup_steps", "lr_scheduler_type", "optim", "max_grad_norm", "bf16", "fp16", "max_steps",
)  # fmt: skip
"""Options of Trainer's that decide what weights training ends with."""


@dataclass
class RLTFConfig(TrainingArguments):
    """Options of one training run; those not listed here are `TrainingArguments`'."""

    method: str = "rltf"
    """`sft`: supervised on the benchmark's own solutions; `rltf`: that and online RL."""

    rewards: RewardConfig = PAPER
    """Rewards, baseline and losses; `rltf.rewards.RewardConfig` says of each value whose it is."""
    profile: str = "strict"
    """Comparison of outputs by which a test counts as passed (released: `apps`)."""

    # --- model -----------------------------------------------------------------------------------
    dtype: str = "float32"
    """Of the weights; mixed precision is `bf16=true` or `fp16=true` (Trainer's), not this."""
    lora_rank: int = 0
    """Train LoRA adapters of this rank on all linear layers instead of the weights; 0 trains the weights."""
    lora_alpha: int = 32
    """Scale of the adapters, times their rank."""

    # --- what a step is made of ------------------------------------------------------------------
    train_problems: int | None = None
    """The first so many problems; `None` for all that are selected."""
    mixing: str = "together"
    """`together`: each micro-batch holds supervised and RL rows and both losses are summed (paper);
    `alternate`: even micro-batches are supervised and odd ones RL (released)."""
    rl_share: float = 0.5
    """Share of RL rows in a micro-batch, with `together`."""
    sl_weight: float = 1.0
    """Of the supervised term beside those of RL (both: 1)."""
    sl_prompt_format: str | None = None
    """Prompt format of supervised rows; `None` takes the one for sampling. Released: `training`."""
    prompt_format: str | None = None
    """Prompt format of sampling and of RL rows; `None` takes the benchmark's default."""
    max_prompt_tokens: int = 800
    """Longer prompts lose the end of their statement (released: 800)."""
    sl_problems: int | None = None
    """Supervised rows are of the first so many problems, programs are sampled for all; `None`: all (both)."""
    solutions_per_problem: int | None = None
    """Supervised rows use up to so many of a problem's solutions; `None` uses all (both)."""

    # --- sampling --------------------------------------------------------------------------------
    samples_per_problem: int = 20
    """Programs for a prompt each time it is drawn (released: 20 for CodeT5)."""
    temperatures: tuple[float, ...] = (1.0,)
    """Of the programs in turn (paper: 1.0, the best in Table 7; released: 0.6)."""
    top_p: float = 0.95
    """Both: 0.95."""
    top_k: int = 0
    """0 for no limit; released: 50, transformers' default, which nothing there overrides."""
    max_new_tokens: int = 512
    """Both: 512. A program that reaches it is truncated: its whole text is blamed."""
    sample_batch_size: int = 64
    """Programs generated at once."""
    sampler_device: str | None = None
    """With `sampler=process`, where it samples (`cuda:1`); `None` for where the model is trained."""
    sampler: str = "inline"
    """`inline`: training waits while programs are sampled and graded. `overlapped`: it waits for sampling
    alone. `process`: for neither, a process beside it samples. With the latter two a refresh brings programs
    of the weights one refresh before."""

    # --- buffer ----------------------------------------------------------------------------------
    buffer_size: int = 6400
    """Programs that it holds (both)."""
    buffer_fill: int = 6400
    """Programs made before the first step (both)."""
    buffer_rule: str = "queue"
    """`queue` (paper) or `released`; see `rltf.buffer`."""
    keep_neutral: bool = True
    """Keep programs whose rewards are all nought (both), though they have no gradient. `false` (ours, for
    `group_mean`) spends the steps on the others."""
    refresh_every: int = 50
    """Optimiser steps between refreshes (both)."""
    refresh_size: int | None = None
    """New programs at a refresh. `None`: as many as the steps in between draw, at most the buffer's size.
    (Both take what their samplers have made by then.)"""

    # --- grading ---------------------------------------------------------------------------------
    graders: int | None = None
    """Programs graded at a time; `None` for one on each processor."""
    cpu_seconds: float = 4.0
    """Limit of each test (both)."""
    cut_failing: bool = True
    """Whether a program that has failed gets only a few more tests of those that use half a limit (ours; both
    run them all). No reward is higher for it: tests that are not run count as not passed."""

    # --- Trainer's, with other defaults ----------------------------------------------------------
    report_to: str | list[str] = "none"
    logging_steps: float = 1
    remove_unused_columns: bool = False
    ignore_data_skip: bool = True
    """The stream's own place is in the checkpoint; there is nothing to skip."""
    ddp_find_unused_parameters: bool | None = False
    """Every weight is used in every step; looking for others costs a pass over the graph."""
    logging_nan_inf_filter: bool = False
    """A loss that is not finite ends training (`rltf.finite`); the filter waits for the device to hide it."""
    restore_callback_states_from_checkpoint: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: If an option has no such value or two of them contradict each other.
        """
        self.temperatures = tuple(self.temperatures)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"unknown {name} {getattr(self, name)!r}; available: {', '.join(allowed)}")
        self._check_numbers()
        super().__post_init__()  # type: ignore[no-untyped-call]

    def _check_numbers(self) -> None:
        for name in (
            "samples_per_problem",
            "refresh_every",
            "buffer_size",
            "max_new_tokens",
            "max_prompt_tokens",
        ):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.temperatures or min(self.temperatures) <= 0:
            raise InputError(f"temperatures must be positive numbers, got {list(self.temperatures)}")
        if not 0 < self.buffer_fill <= self.buffer_size and self.method == "rltf":
            raise InputError(
                f"buffer_fill must be between 1 and buffer_size ({self.buffer_size}), got {self.buffer_fill}"
            )
        if self.max_steps < 1:
            raise InputError("training has no end of its own: programs never run out; give --steps N")
        if self.method == "rltf" and self.mixing == "together" and 0 < self.rl_share < 1:
            self._check_share()

    def _check_share(self) -> None:
        rows = self.per_device_train_batch_size
        if not 0 < self.rl_rows < rows:
            raise InputError(
                f"a micro-batch of {rows} cannot hold both kinds of rows with rl_share {self.rl_share};"
                " raise the batch size, or pass --mixing alternate"
            )

    @property
    def rl_rows(self) -> int:
        """RL rows in a micro-batch that holds both kinds."""
        return round(self.per_device_train_batch_size * self.rl_share)

    @property
    def rl_rows_between_refreshes(self) -> int:
        """Programs that one process draws from its buffer between two refreshes."""
        micro_batches = self.refresh_every * self.gradient_accumulation_steps
        if self.mixing == "together":
            return micro_batches * self.rl_rows
        return micro_batches * self.per_device_train_batch_size // 2

    @property
    def programs_per_refresh(self) -> int:
        """New programs that one process makes at a refresh."""
        return self.refresh_size or max(1, min(self.rl_rows_between_refreshes, self.buffer_size))

    @property
    def cuts_weights(self) -> bool:
        """Whether no process has all weights (FSDP, ZeRO-3), so that none can sample by itself."""
        plugin = self.deepspeed_plugin
        return bool(self.fsdp) or (plugin is not None and int(plugin.zero_stage) == 3)

    def identity(self) -> dict[str, Any]:
        """What a resumed run must have as before: all options of ours, and those of Trainer's that decide."""
        own = {each.name for each in fields(RLTFConfig)} - {each.name for each in fields(TrainingArguments)}
        plain = self.to_dict()
        return {name: plain[name] for name in sorted({*own, *_DECIDING})}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the reports that Trainer feeds."""
        plain: dict[str, Any] = super().to_dict()  # type: ignore[no-untyped-call]
        return plain | {"rewards": asdict(self.rewards)}
