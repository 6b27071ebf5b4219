"""What a training objective is: the base class of all methods, and the batch that its loss sees.

An objective decides once, when a group of rollouts is new, what each of their tokens earns (`credit`), and
in each step what that is as a loss (`policy_loss`), in named terms that the trainer sums and logs. It has
options (a dataclass, set by name with `--set`) and a state of its own, and may bring models of its own.
Does not cover: how rollouts are made (`rltf.rollout`), or a step of training (`rltf.trainer`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from harness.errors import InputError
from rltf.objectives.memory import OwnModels, PolicySize
from rltf.rewards.rltf import Reduction
from rltf.rewards.terms import TermValue, make_terms
from rltf.rollout.records import Credit, Group, Rollout, TokenCredit

if TYPE_CHECKING:
    from torch import Tensor, nn

ROLLOUTS = "rollouts"
"""Need: programs sampled from the policy. Every objective but supervised training has it."""
GREEDY = "greedy"
"""Need: a greedy rollout in each group."""
REFERENCE = "reference"
"""Need: log-probabilities under the policy as it was when training began."""
HIDDEN = "hidden"
"""Need: the policy's last hidden states, for a head of the objective's own."""
SCORES = "scores"
"""Need: `Objective.score` of each new rollout, from what the policy makes of it when it enters the buffer."""
ROLLOUT_REFERENCE = "rollout_reference"
"""Need: log-probabilities of new rollouts under the reference, by `Objective.reference_log_probs` or, with
`SCORES`, in the batches that are scored; none in the loss."""


Example = tuple[Sequence[int], Sequence[int]]
"""A prompt and what is to follow it, as token ids."""


@dataclass(frozen=True)
class NoOptions:
    """Of an objective that has none."""


class TrainingOptions(Protocol):
    """What objectives read of `rltf.config.RLTFConfig`, beside their own options."""

    sl_weight: float
    samples_per_problem: int
    temperatures: tuple[float, ...]
    top_p: float
    top_k: int
    max_new_tokens: int
    per_device_train_batch_size: int
    lora_rank: int
    sampler: str
    seed: int
    terms: dict[str, float]
    term_options: dict[str, dict[str, Any]]

    @property
    def freezes_narrow(self) -> bool:
        """Models that are kept and never trained are in bfloat16."""

    @property
    def world_size(self) -> int:
        """Processes of the launch."""


@dataclass(frozen=True, slots=True)
class RolloutBatch:
    """The RL rows of a micro-batch: B rows, T positions, aligned with the log-probabilities."""

    targets: Tensor
    """`[B, T]` bool: tokens of the completion, its end token included."""
    old_log_probs: Tensor
    """`[B, T]` under the policy that wrote them; 0 where there is no target."""
    values: Mapping[str, Tensor]
    """By term of the credit: `[B]`."""
    weights: Mapping[str, Tensor]
    """By term: `[B, T]`; a term that weighs all tokens alike may be missing."""
    normalizer: float
    """What sums over rows or tokens are divided by, so that a step's micro-batches sum up to the step's mean:
    rows, or tokens, of the step, as the objective's `reduction` says."""
    reference_log_probs: Tensor | None = None
    """`[B, T]`, for objectives that need `REFERENCE` (in a loss) or `ROLLOUT_REFERENCE` (in `score`)."""
    hidden: Tensor | None = None
    """`[B, T, D]`: the state that each target was predicted from, for objectives that need `HIDDEN`."""
    notes: dict[str, Tensor] = field(default_factory=dict)
    """Scalars that the loss leaves for the log, by name; means over micro-batches."""

    def credit(self, name: str) -> Tensor:
        """`[B, T]`: what term `name` gives each target, 0 elsewhere."""
        value = self.values[name][:, None]
        weights = self.weights.get(name)
        return (value * self.targets) if weights is None else value * weights * self.targets


@dataclass(frozen=True, slots=True)
class Batch:
    """A micro-batch as an objective's loss sees it; supervised rows come first."""

    supervised: int
    """Number of supervised rows."""
    supervised_normalizer: float
    rollouts: RolloutBatch | None
    """The rows behind them; `None` if there are none."""


class Objective:
    """Base class of all methods: cross-entropy for supervised rows; derived classes add that for rollouts."""

    Options: ClassVar[type[Any]] = NoOptions
    """A dataclass; its fields are options of `--set`, with bounds by `rltf.bounds.option`."""
    options_field: ClassVar[str] = "objective"
    """The field of `RLTFConfig` that holds them."""
    needs_always: ClassVar[frozenset[str]] = frozenset({ROLLOUTS})

    def __init__(self, options: Any, training: TrainingOptions) -> None:
        """
        Args:
            options: An instance of `Options`.
            training: The other options of the run.

        Raises:
            InputError: If the options contradict each other; asked before any model is loaded.
        """
        self.options = options
        self.training = training
        self.terms = make_terms(training.terms, training.term_options)
        self.models: dict[str, nn.Module] = {}
        """Of the objective's own, by name, made in `set_up`. All of them are in checkpoints; what of them
        requires a gradient is trained by the policy's optimiser (`max_grad_norm` is for the policy alone)."""
        self.solutions: Callable[[int], list[Example]] = lambda count: []
        """Up to so many of the solutions that supervised rows are made of, always the same ones."""
        self.reference_log_probs: Callable[[Sequence[Rollout]], list[Tensor]] = lambda rollouts: []
        """Of each rollout's tokens, under the policy that training began with; float32, on the CPU. The
        trainer's, for objectives that need `ROLLOUT_REFERENCE`; may be asked where `prepare` runs."""

    # --- what it needs ---------------------------------------------------------------------------

    @property
    def needs(self) -> frozenset[str]:
        """Of the names above (`ROLLOUTS`, `REFERENCE`, …); may depend on the options."""
        return self.needs_always

    def set_up(self, model: Any, tokenizer: Any) -> None:
        """Make models of the objective's own, on the policy's device; called once, before training.

        Args:
            model: The policy as it is when training begins, not wrapped.
            tokenizer: The policy's.
        """

    def own_checkpoints(self) -> Sequence[str]:
        """Hub ids or folders that `set_up` will load; asked before anything is done."""
        return ()

    def own_memory(self, policy: PolicySize) -> OwnModels:
        """What the models that `set_up` makes take, and their training; asked before they are made.

        Args:
            policy: What is to be trained.
        """
        return {}

    # --- credit ----------------------------------------------------------------------------------

    def prepare(self, groups: Sequence[Group]) -> Mapping[str, float]:
        """See all groups that are new before `credit` is asked for each of them; numbers for the log.

        Where a model is to judge them all in batches, or to be trained on them. Runs where `credit` does.
        """
        return {}

    def credit(self, group: Group) -> list[Credit]:
        """What each token of each rollout earns, by named term; decided once, when the group is new.

        May run in a thread beside training, never twice at a time. Programs whose credit is zero may be left
        out of the buffer.
        """
        raise NotImplementedError(f"{type(self).__name__} needs rollouts and gives them no credit")

    def credit_groups(self, groups: Sequence[Group]) -> list[list[Credit]]:
        """The credit of all groups that are new; for methods that compare groups with each other."""
        return [self.credit(group) for group in groups]

    @property
    def resampling_rounds(self) -> int:
        """How many times as many prompts, at most, are drawn in place of groups whose credit is all zero."""
        return 0

    def rewards(self, group: Group) -> list[Mapping[str, float]]:
        """Named rewards of each rollout before anything is subtracted from them, for the log."""
        values = group.values_of(self.terms)
        return [{name: each.value for name, each in row.items()} for row in values]

    def score(self, batches: Iterable[RolloutBatch]) -> Iterator[Mapping[str, Tensor]]:
        """Weights of tokens that need a model: `[B, T]` for each batch, by term of the credit.

        Called between steps, once for each refresh, with the policy as it is then, without dropout and
        without gradients; what it yields replaces the weights of the credit, and is kept with the rollouts.

        Args:
            batches: All new rollouts; each batch is computed when it is asked for.
        """
        raise NotImplementedError(f"{type(self).__name__} needs scores and gives none")

    def term_credit(self, rollout: Rollout, values: Mapping[str, TermValue]) -> Credit:
        """The chosen terms, each by itself, for all of a rollout's tokens or for those that it names."""
        return {
            name: TokenCredit(found.value, None if found.spans is None else rollout.tokens_of(found.spans))
            for name, found in values.items()
        }

    def refuse_terms(self, names: Collection[str], method: str) -> None:
        """Hold that no chosen term has the name of one that the method has itself.

        Raises:
            InputError: If one does.
        """
        for each in self.terms:
            if each.name in names:
                raise InputError(f"terms: method {method} has a {each.name} term of its own; leave it out")

    # --- loss ------------------------------------------------------------------------------------

    def prepare_step(self, batches: Sequence[Mapping[str, Any]]) -> None:
        """See all micro-batches of a step before their losses, and change their `weights` in place.

        For statistics of the step, which must not depend on how rows are cut into micro-batches.

        Args:
            batches: As `rltf.data.batch.collate` makes them.
        """

    @property
    def reduction(self) -> Reduction:
        """What the RL terms of a step are divided by: its rows (`sum`) or its target tokens (`mean`)."""
        return "sum"

    @property
    def supervised_reduction(self) -> Reduction:
        """The same of the supervised term."""
        return "mean"

    @property
    def supervised_weight(self) -> float:
        """Of the supervised term beside the others."""
        return self.training.sl_weight

    def loss(self, log_probs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The terms of a micro-batch's loss, which the trainer sums; each is logged as `loss/NAME`.

        Args:
            log_probs: `[B, T]` of the targets under the policy, 0 where there is none.
            batch: What belongs to them.
        """
        terms: dict[str, Tensor] = {}
        if batch.supervised:
            given = log_probs[: batch.supervised]
            terms["supervised"] = self.supervised_weight * (-given.sum() / batch.supervised_normalizer)
        if batch.rollouts is not None:
            terms |= self.policy_loss(log_probs[batch.supervised :], batch.rollouts)
        return terms

    def policy_loss(self, log_probs: Tensor, batch: RolloutBatch) -> dict[str, Tensor]:
        """The terms of the RL rows.

        Args:
            log_probs: `[B, T]` of the rollouts' tokens under the policy, 0 where there is none.
            batch: What belongs to them.
        """
        raise NotImplementedError(f"{type(self).__name__} needs rollouts and has no loss for them")

    def term_losses(self, log_probs: Tensor, batch: RolloutBatch) -> dict[str, Tensor]:
        """-credit * log p of each chosen term, where `term_credit` gave it one."""
        return {
            each.name: -(batch.credit(each.name) * log_probs).sum() / batch.normalizer for each in self.terms
        }

    # --- checkpoints -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on, as plain JSON values; without `models`."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become the objective whose `state_dict` this is."""


def check_own_probabilities(method: str, training: TrainingOptions) -> None:
    """Hold that programs are sampled from the distribution that a ratio of probabilities is of.

    Raises:
        InputError: If top-p, top-k or the temperature make another of it.
    """
    if training.top_p != 1 or training.top_k != 0 or set(training.temperatures) != {1.0}:
        raise InputError(
            f"the ratio of {method} is of the model's own probabilities, which are those of sampling only"
            f" with top_p=1 top_k=0 temperatures=1 (they are {training.top_p:g}, {training.top_k},"
            f" {','.join(f'{each:g}' for each in training.temperatures)})"
        )
