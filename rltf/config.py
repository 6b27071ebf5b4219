"""`RLTFConfig`: the options of a training run on top of transformers' `TrainingArguments`.

Where the paper (arXiv:2307.04349) and the released code differ, the option's text says which value is whose;
`rltf.presets` has both sets. Everything else (precision, accumulation, checkpoints, schedulers, reports,
DeepSpeed, FSDP) is Trainer's and keeps Trainer's names.
Does not cover: options of one method alone, which are the `Options` of its class (`rltf.objectives`); model,
benchmark and run folder, which are arguments of `rltf train`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_origin, get_type_hints

from transformers import TrainingArguments
from transformers.trainer_utils import SchedulerType

from harness.compare import PROFILES
from harness.errors import InputError
from rltf.bounds import bounds_of, option
from rltf.objectives import find_objective
from rltf.objectives.base import ROLLOUTS, Objective
from rltf.rewards.critic_options import without_critic
from rltf.rewards.rltf import PAPER, RewardConfig
from rltf.rollout.replay_buffer import RULES
from rltf.validation import check_choice

WARMUP_LOG = "warmup_log"
"""What `lr_scheduler_type` can be beside Trainer's."""

_DECIDING = (
    "learning_rate", "per_device_train_batch_size", "gradient_accumulation_steps", "seed", "weight_decay",
    "warmup_steps", "lr_scheduler_type", "optim", "max_grad_norm", "bf16", "fp16", "max_steps",
)  # fmt: skip
"""Options of Trainer's that decide what weights training ends with."""


@dataclass
class RLTFConfig(TrainingArguments):
    """Options of one training run; those not listed here are `TrainingArguments`'."""

    method: str = "rltf"
    """What is learned: a name of `rltf.objectives.OBJECTIVES`, or `module:class` of an `Objective` of your
    own. `sft`: supervised on the benchmark's own solutions; the others: that and online RL."""
    objective: Any = None
    """Options of the method, an instance of its class's `Options`; `None` for its defaults. Those of `rltf`
    are `rewards`."""
    terms: dict[str, float] = field(default_factory=dict)
    """Reward terms with their weights, names of `rltf.rewards.terms.TERMS`: `{"pass_rate": 1, "fine": 0.5}`.
    What the reward is made of, or with `rltf` what is added to its own; `{}` for the method's default."""
    term_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Options of terms, by the term's name; `--set fine.penalty=-0.1` puts one here."""

    rewards: RewardConfig = PAPER
    """Rewards, baseline and losses of `rltf`; `rltf.rewards.rltf.RewardConfig` says of each value whose it
    is. `feedback` is for all methods."""
    profile: str = option("strict", choices=PROFILES)
    """Comparison of outputs by which a test counts as passed (both: `apps`)."""

    # --- model -----------------------------------------------------------------------------------
    dtype: str = option("float32", choices=("float32", "bfloat16", "float16", "auto"))
    """Of the weights; mixed precision is `bf16=true` or `fp16=true` (Trainer's), not this."""
    frozen_dtype: str = option("policy", choices=("policy", "bfloat16"))
    """Of models that are kept and never trained: the reference, and a critic that `rltf critic` trained.
    `policy`: as the policy's weights. `bfloat16`: half of float32's memory; log-probabilities are then
    rounded (docs/methods.md says by how much), so the divergence does not start at 0."""
    lora_rank: int = option(0, at_least=0)
    """Train LoRA adapters of this rank on all linear layers instead of the weights; 0 trains the weights."""
    lora_alpha: int = option(32, at_least=1)
    """Scale of the adapters, times their rank."""

    # --- what a step is made of ------------------------------------------------------------------
    train_problems: int | None = option(None, at_least=1)
    """The first so many problems; `None` for all that are selected."""
    mixing: str = option("together", choices=("together", "alternate"))
    """`together`: each micro-batch holds supervised and RL rows and both losses are summed (paper);
    `alternate`: even micro-batches are supervised and odd ones RL (released)."""
    rl_share: float = option(0.5, at_least=0, at_most=1)
    """Share of RL rows in a micro-batch, with `together`."""
    sl_weight: float = option(1.0, at_least=0)
    """Of the supervised term beside those of RL (both: 1)."""
    sl_prompt_format: str | None = None
    """Prompt format of supervised rows; `None` takes the one for sampling. Released: `training`."""
    prompt_format: str | None = None
    """Prompt format of sampling and of RL rows; `None` takes the benchmark's default."""
    max_prompt_tokens: int = option(800, at_least=1)
    """Longer prompts lose the end of their statement (released: 800)."""
    sl_problems: int | None = option(None, at_least=1)
    """Supervised rows are of the first so many problems, programs are sampled for all; `None`: all (both)."""
    solutions_per_problem: int | None = option(None, at_least=1)
    """Supervised rows use up to so many of a problem's solutions; `None` uses all (both)."""

    # --- sampling --------------------------------------------------------------------------------
    samples_per_problem: int = option(20, at_least=1)
    """Programs for a prompt each time it is drawn (released: 20 for CodeT5)."""
    temperatures: tuple[float, ...] = option((1.0,), above=0)
    """Of the programs in turn (paper: 1.0, the best in Table 7; released: 0.6)."""
    top_p: float = option(0.95, above=0, at_most=1)
    """Both: 0.95."""
    top_k: int = option(0, at_least=0)
    """0 for no limit; released: 50, transformers' default, which nothing there overrides."""
    max_new_tokens: int = option(512, at_least=1)
    """Both: 512. A program that reaches it is truncated: its whole text is blamed."""
    sample_batch_size: int = option(64, at_least=1)
    """Programs generated at once."""
    sampler_device: str | None = None
    """With `sampler=process`, where it samples (`cuda:1`); `None` for where the model is trained."""
    sampler: str = option("inline", choices=("inline", "overlapped", "process", "ray"))
    """`inline`: training waits while programs are sampled and graded. `overlapped`: it waits for sampling
    alone. `process`: for neither, a process beside it samples. `ray`: for neither, samplers on a Ray cluster
    do. With the latter three a refresh brings programs of the weights one refresh before; where
    `max_staleness` does not allow for that, training waits for `process` and `ray`."""
    ray: str | None = None
    """A Ray cluster's address, `HOST:PORT` or `auto`; `--ray` sets it."""
    grade_on: str | None = option(None, choices=("here", "ray"))
    """Where programs are graded: `ray` is every node of the cluster, `graders` at a time on each. `None`:
    there if `ray` is given and samplers are not there, which would want the same processors."""
    samplers: int | None = option(None, at_least=1)
    """With `sampler=ray`, how many, for all processes of the launch together; `None` for one on each node, or
    for each GPU."""
    sampler_cpus: float = option(1.0, above=0)
    """Processors that each of them reserves, and its threads."""
    sampler_gpus: float | None = option(None, at_least=0)
    """GPUs that each of them reserves; `None` for 1 if the model is trained on one, otherwise 0."""

    # --- buffer ----------------------------------------------------------------------------------
    buffer_size: int = option(6400, at_least=1)
    """Programs that it holds (both)."""
    buffer_fill: int = option(6400, at_least=1)
    """Programs made before the first step (both)."""
    buffer_rule: str = option("queue", choices=RULES)
    """`queue` (paper) or `released`; see `rltf.rollout.replay_buffer`."""
    keep_zero_advantage: bool = True
    """Keep programs whose credit is zero (both), though they have no gradient. `false` (ours, for
    `group_mean`) spends the steps on the others."""
    max_staleness: int | None = option(None, at_least=0)
    """Drop programs of a policy more than so many optimiser steps ago; `None` (both) for no limit."""
    refresh_every: int | None = option(50, at_least=1)
    """Optimiser steps between refreshes (both: 50). `None`: never, all learn from the programs of the start
    (CodeRL)."""
    refresh_size: int | None = option(None, at_least=1)
    """New programs at a refresh. `None`: as many as the steps in between draw, at most the buffer's size.
    (Both take what their samplers have made by then.)"""

    # --- grading ---------------------------------------------------------------------------------
    graders: int | None = option(None, at_least=1)
    """Programs graded at a time on this machine, by all processes of the launch together; `None` for one on
    each processor."""
    cpu_seconds: float = option(4.0, above=0, at_most=86_400)
    """Limit of each test (both)."""
    cut_failing: bool = True
    """Whether a program that has failed gets only a few more tests of those that use half a limit (ours; both
    run them all). No reward is higher for it: tests that are not run count as not passed."""

    # --- reward hacking --------------------------------------------------------------------------
    held_back: float = option(0.0, at_least=0, at_most=0.5)
    """Share of each problem's tests, its last ones, that are run and decide no reward, where there are at
    least 4 (ours; both reward by all); a program that passes the others alone is counted
    (`hacks/only_visible`)."""
    unsolvable: int = option(2, at_least=0)
    """New programs that pass, graded once more in each refresh on problems that cannot be solved
    (`rltf.rollout.unsolvable`); one that passes there has tricked the grader."""

    # --- schedule --------------------------------------------------------------------------------
    warmup_log: bool = False
    """Whether the rise of `constant_with_warmup` goes by the logarithm of the step (`rltf.lr_schedules`), as
    in the released code; `lr_scheduler_type=warmup_log` is both at once. Linear otherwise."""

    # --- Trainer's, with other defaults ----------------------------------------------------------
    report_to: str | list[str] = "none"
    logging_steps: float = 1
    remove_unused_columns: bool = False
    ignore_data_skip: bool = True
    """The stream's own place is in the checkpoint; there is nothing to skip."""
    ddp_find_unused_parameters: bool | None = False
    """Every weight is used in every step; looking for others costs a pass over the graph."""
    logging_nan_inf_filter: bool = False
    """A loss that is not finite ends training (`rltf.monitoring.finite`); the filter waits for the device to
    hide it."""
    restore_callback_states_from_checkpoint: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: If an option has no such value or two of them contradict each other.
        """
        self.temperatures = tuple(self.temperatures)
        for each in fields(self):
            bounds_of(each).check(each.name, getattr(self, each.name))
        if self.lr_scheduler_type == WARMUP_LOG:
            self.lr_scheduler_type, self.warmup_log = "constant_with_warmup", True
        self._check_method()
        self._check_together()
        super().__post_init__()  # type: ignore[no-untyped-call]

    def _check_method(self) -> None:
        """The method exists, and its options are its own."""
        kind = find_objective(self.method)
        if self.objective is None and kind.options_field == "objective" and fields(kind.Options):
            self.objective = kind.Options()
        if self.objective is not None and not isinstance(self.objective, kind.Options):
            raise InputError(
                f"objective is {type(self.objective).__name__}, method {self.method} takes"
                f" {kind.Options.__name__}"
            )
        hints = get_type_hints(kind.Options)
        for each in () if self.objective is None else fields(self.objective):
            value = getattr(self.objective, each.name)
            bounds_of(each).check(each.name, value)
            if get_origin(hints[each.name]) is Literal:
                check_choice(each.name, value, hints[each.name])

    def _check_together(self) -> None:
        """Options that are well by themselves and not together."""
        if not self.temperatures:
            raise InputError("temperatures must be positive numbers, got none")
        if not 0 < self.buffer_fill <= self.buffer_size and self.online:
            raise InputError(
                f"buffer_fill must be between 1 and buffer_size ({self.buffer_size}), got {self.buffer_fill}"
            )
        if self.warmup_log and self.lr_scheduler_type != "constant_with_warmup":
            raise InputError(
                f"warmup_log is the rise to a constant rate, not that of {self.lr_scheduler_type}"
            )
        self._check_sampler()
        if self.online and self.max_staleness is not None:
            self._check_staleness(self.max_staleness)
        self.make_objective()  # refuses options that its method cannot work with
        if self.max_steps < 1:
            raise InputError("training has no end of its own: programs never run out; give --steps N")
        if self.online and self.mixing == "together" and 0 < self.rl_share < 1:
            self._check_share()

    def _check_sampler(self) -> None:
        """Options of `sampler=ray` are of it alone."""
        if self.sampler == "ray":
            if self.sampler_device is not None:
                raise InputError("sampler_device is for sampler=process; with sampler=ray pass sampler_gpus")
            return
        for name in ("samplers", "sampler_gpus"):
            if getattr(self, name) is not None:
                raise InputError(f"{name} is for sampler=ray, and sampler is {self.sampler}; leave it out")

    def _check_staleness(self, allowed: int) -> None:
        """Programs must last until the next refresh."""
        oldest = self._oldest(1 if self.sampler != "overlapped" else 2)
        if allowed < oldest:
            raise InputError(
                f"max_staleness={allowed} leaves nothing to learn from: programs get {oldest} steps old"
                f" before others come (refresh_every={self.refresh_every}, sampler={self.sampler}); raise it"
                f" to {oldest}, or lower refresh_every"
            )

    def _oldest(self, refreshes: int) -> int:
        """Steps after which programs are replaced that come `refreshes` after their weights were taken."""
        # Where none come, the programs of the start are learned from to the end.
        return self.max_steps - 1 if self.refresh_every is None else refreshes * self.refresh_every - 1

    def _check_share(self) -> None:
        rows = self.per_device_train_batch_size
        if not 0 < self.rl_rows < rows:
            raise InputError(
                f"a micro-batch of {rows} cannot hold both kinds of rows with rl_share {self.rl_share};"
                " raise the batch size, or pass --mixing alternate"
            )

    @property
    def online(self) -> bool:
        """Whether programs are sampled and learned from."""
        return ROLLOUTS in find_objective(self.method).needs_always

    @property
    def waits_for_samples(self) -> bool:
        """Whether training waits while programs are sampled, since later they would be too old.

        What is sampled beside training comes one refresh after its weights were taken.
        """
        if self.sampler in ("process", "ray"):
            return self.max_staleness is not None and self.max_staleness < self._oldest(2)
        return True

    def make_objective(self) -> Objective:
        """The objective of this run; it has no models yet."""
        kind = find_objective(self.method)
        return kind(getattr(self, kind.options_field), self)

    @property
    def freezes_narrow(self) -> bool:
        """Whether models that are kept and never trained are in bfloat16."""
        return self.frozen_dtype == "bfloat16"

    @property
    def rl_rows(self) -> int:
        """RL rows in a micro-batch that holds both kinds."""
        return round(self.per_device_train_batch_size * self.rl_share)

    @property
    def rl_rows_between_refreshes(self) -> int:
        """Programs that one process draws from its buffer between two refreshes."""
        micro_batches = (self.refresh_every or self.max_steps) * self.gradient_accumulation_steps
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

    @staticmethod
    def schedules() -> Any:
        """What `lr_scheduler_type` can be, as a `Literal`."""
        return Literal[(*(each.value for each in SchedulerType), WARMUP_LOG)]

    def identity(self) -> dict[str, Any]:
        """What a resumed run must have as before: all options of ours, and those of Trainer's that decide."""
        own = {each.name for each in fields(RLTFConfig)} - {each.name for each in fields(TrainingArguments)}
        plain = self.to_dict()
        # So that what does not use them has the identity that it had before there were any.
        plain["rewards"] = without_critic(plain["rewards"])
        unused = {name for name in ("objective", "terms", "term_options") if not plain[name]}
        unused |= {"max_staleness"} if self.max_staleness is None else set()
        unused |= set() if self.freezes_narrow else {"frozen_dtype"}
        unused |= set() if self.held_back else {"held_back"}
        unused |= {
            "unsolvable",
            "ray",
            "grade_on",
            "samplers",
            "sampler_cpus",
            "sampler_gpus",
        }  # decide no weight
        return {name: plain[name] for name in sorted({*own, *_DECIDING} - unused)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the reports that Trainer feeds."""
        plain: dict[str, Any] = super().to_dict()  # type: ignore[no-untyped-call]
        chosen = None if self.objective is None else asdict(self.objective)
        return plain | {"rewards": asdict(self.rewards), "objective": chosen}
