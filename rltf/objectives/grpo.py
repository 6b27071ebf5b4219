"""GRPO (arXiv:2402.03300) and Dr. GRPO (arXiv:2503.20783): advantages within a group, a clipped ratio.

A program's advantage is its reward less the mean of its group's, over their standard deviation (GRPO) or not
(Dr. GRPO, `scale=none`). Reward terms with lines of their own are added to the advantage of those tokens
behind that. The loss is -min(r A, clip(r) A) for the ratio r of each token's probability to that under the
policy that sampled it, and β times the divergence from the policy that training began with.
Held to TRL 1.16.0's numbers in `tests/rltf/test_grpo.py`. Does not cover: ratios of whole sequences (GSPO),
or truncated completions left out of the loss.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.errors import InputError
from rltf.bounds import option
from rltf.objectives.base import REFERENCE, Objective, RolloutBatch, TrainingOptions
from rltf.rewards.rltf import Reduction
from rltf.rewards.terms import TermValue, make_terms
from rltf.rollout.records import Credit, Group, TokenCredit

if TYPE_CHECKING:
    from torch import Tensor

_ADVANTAGE = "advantage"
_SMALLEST_DEVIATION = 1e-4
"""Added to the standard deviation; as TRL has it."""


@dataclass(frozen=True, slots=True)
class GRPOOptions:
    """Options of `--method grpo`."""

    clip_low: float = option(0.2, at_least=0, at_most=1)
    """How far below 1 the ratio still counts (GRPO, PPO: 0.2)."""
    clip_high: float = option(0.2, at_least=0)
    """How far above 1 (GRPO, PPO: 0.2; DAPO, arXiv:2503.14476: 0.28)."""
    beta: float = option(0.0, at_least=0)
    """Weight of the divergence from the start; above 0 a second model is kept (GRPO: 0.04; TRL today: 0)."""
    kl_estimator: Literal["k1", "k2", "k3"] = "k3"
    """Of the divergence at a token, for d = log(reference / policy): -d, d²/2, or exp(d) - d - 1 (GRPO)."""
    scale: Literal["std", "none"] = "std"
    """Divide advantages by the group's standard deviation (GRPO), or not (Dr. GRPO)."""
    aggregation: Literal["token_mean", "sequence_mean", "constant"] = "token_mean"
    """The mean over all tokens of a step (DAPO), over sequences of the mean over their tokens (GRPO), or the
    sum of all tokens over sequences times `max_new_tokens` (Dr. GRPO)."""


class GRPO(Objective):
    """Rewards are the chosen terms; `pass_rate` where none is."""

    Options: ClassVar[type[Any]] = GRPOOptions

    def __init__(self, options: GRPOOptions, training: TrainingOptions) -> None:
        """
        Raises:
            InputError: If there is no group to compare within, or tokens are not sampled from what the ratio
                is of.
        """
        super().__init__(options, training)
        self.terms = self.terms or make_terms({"pass_rate": 1.0})
        if training.samples_per_problem < 2:
            raise InputError("grpo needs samples_per_problem of at least 2: advantages are within a group")
        if training.top_p != 1 or training.top_k != 0 or set(training.temperatures) != {1.0}:
            raise InputError(
                "the ratio of grpo is of the model's own probabilities, which are those of sampling only with"
                f" top_p=1 top_k=0 temperatures=1 (they are {training.top_p:g}, {training.top_k},"
                f" {','.join(f'{each:g}' for each in training.temperatures)})"
            )

    @property
    def needs(self) -> frozenset[str]:
        """The reference only where the loss holds it."""
        return self.needs_always | ({REFERENCE} if self.options.beta else set())

    # --- credit ----------------------------------------------------------------------------------

    def credit(self, group: Group) -> list[Credit]:
        """The advantage for all tokens, and for their own tokens the terms that name lines."""
        values = group.values_of(self.terms)
        rewards = [sum(each.value for each in row.values() if each.spans is None) for row in values]
        spread = {name for row in values for name, each in row.items() if each.spans is not None}
        return [
            {
                _ADVANTAGE: TokenCredit(advantage),
                **{name: _on_lines(rollout.tokens_of, row[name]) for name in sorted(spread)},
            }
            for rollout, row, advantage in zip(
                group.rollouts, values, advantages(rewards, scale=self.options.scale), strict=True
            )
        ]

    # --- loss ------------------------------------------------------------------------------------

    @property
    def reduction(self) -> Reduction:
        """Tokens, or sequences."""
        return "mean" if self.options.aggregation == "token_mean" else "sum"

    def policy_loss(self, log_probs: Tensor, batch: RolloutBatch) -> dict[str, Tensor]:
        """`policy`, and `kl` where β is above 0."""
        options = self.options
        advantage = sum(batch.credit(name) for name in batch.values)
        ratio = (log_probs - batch.old_log_probs).exp()
        clipped = ratio.clamp(1 - options.clip_low, 1 + options.clip_high)
        gain = (ratio * advantage).minimum(clipped * advantage)
        count = batch.targets.sum()
        batch.notes["ratio"] = (ratio * batch.targets).sum() / count
        batch.notes["clipped"] = (gain < ratio * advantage).sum() / count
        terms = {"policy": -self._aggregated(gain, batch)}
        if options.beta and batch.reference_log_probs is not None:
            apart = divergence(batch.reference_log_probs - log_probs, options.kl_estimator)
            terms["kl"] = options.beta * self._aggregated(apart, batch)
            batch.notes["kl"] = (apart * batch.targets).sum() / count
        return terms

    def _aggregated(self, values: Tensor, batch: RolloutBatch) -> Tensor:
        """`[B, T]` to a scalar, this micro-batch's part of the step's."""
        values = values * batch.targets
        if self.options.aggregation == "sequence_mean":
            values = values / batch.targets.sum(dim=1, keepdim=True).clamp(min=1)
        over = batch.normalizer
        if self.options.aggregation == "constant":
            over = over * self.training.max_new_tokens
        return values.sum() / over


def advantages(rewards: Sequence[float], *, scale: str = "std") -> list[float]:
    """What each reward is above the mean of its group; 0 in a group of one, and where all are equal."""
    if len(rewards) < 2:
        return [0.0] * len(rewards)
    mean = sum(rewards) / len(rewards)
    over = statistics.stdev(rewards) + _SMALLEST_DEVIATION if scale == "std" else 1.0
    return [(each - mean) / over for each in rewards]


def divergence(difference: Tensor, estimator: str) -> Tensor:
    """Per token, of d = log(reference / policy): -d, d²/2 or exp(d) - d - 1."""
    if estimator == "k1":
        return -difference
    if estimator == "k2":
        return difference.square() / 2
    return difference.exp() - difference - 1


def _on_lines(tokens_of: Any, value: TermValue) -> TokenCredit:
    spans = () if value.spans is None else value.spans
    return TokenCredit(value.value, tokens_of(spans))
