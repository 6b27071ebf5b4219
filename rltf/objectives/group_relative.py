"""What GRPO, RLOO, Dr. GRPO, DAPO and GSPO have in common: rewards compared in a group, a clipped ratio.

The loss is -min(r A, clip(r) A) for the ratio r of a token's or a sequence's probability to that under the
policy that sampled it and the advantage A of its program; β times the divergence from the policy that
training began with is added. Each method is a file beside this one: its defaults, and its advantage.

Rules, for all of them:
- A program that the grader itself failed on (an infrastructure error) is no part of its group: it is counted,
  gets no advantage, and the others are compared without it. One that is left alone has an advantage of 0.
- Problems without tests are left out before training (`rltf.rollout.problem_filter`); one that gets here by
  another way ends training with an error. None is ever given a reward.
- Equal programs in a group stay, and each counts: they are samples of the policy, and its gradient would be
  another without them. Their share is logged (`sampled/duplicates`).
- Groups whose rewards are all equal (degenerate ones) are logged (`sampled/degenerate_groups`). Their
  programs have no gradient; `keep_zero_advantage=false` leaves them out, `resample=N` has others drawn in
  their place.
- A reward term with spans is added to the advantage of their tokens after the group has been compared: the
  group's mean would cancel it.
- Truncated programs count in their group; `mask_truncated` takes their tokens out of the loss.

Does not cover: the Soft Overlong Punishment of DAPO, entropy bonuses, or a correction between a sampler's and
the trainer's precision: with `bf16=true` the ratio is 1 only up to rounding (`policy/ratio` in the log).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from rltf.bounds import option
from rltf.objectives.advantages import is_degenerate
from rltf.objectives.base import (
    REFERENCE,
    Objective,
    RolloutBatch,
    TrainingOptions,
    check_own_probabilities,
)
from rltf.objectives.surrogate import (
    Aggregation,
    Estimator,
    RatioLevel,
    aggregated,
    clipped_gain,
    divergence,
    log_ratio,
)
from rltf.rewards.rltf import Reduction
from rltf.rewards.terms import TermValue, make_terms, names_with_spans, whole_value
from rltf.rollout.records import MASKED, Credit, Group, Rollout, TokenCredit

if TYPE_CHECKING:
    from torch import Tensor

_ADVANTAGE = "advantage"


@dataclass(frozen=True, slots=True)
class GroupRelativeOptions:
    """Options that all methods of the family have; each has defaults of its own."""

    clip_low: float = option(0.2, at_least=0, at_most=1)
    """How far below 1 the ratio still counts (PPO, GRPO: 0.2)."""
    clip_high: float = option(0.2, at_least=0)
    """How far above 1 (PPO, GRPO: 0.2)."""
    delta: float | None = option(None, above=1)
    """Bound of the ratio where the advantage is negative (two-sided clipping); `none` for no bound."""
    ratio: RatioLevel = "token"
    """Of each token (GRPO), or of the sequence: the mean of its tokens' log-ratios (GSPO) or their sum
    (RLOO)."""
    aggregation: Aggregation = "sequence_mean"
    """The mean over all tokens of a step (DAPO), over sequences of the mean (GRPO) or the sum over their
    tokens, or the sum of all tokens over sequences times `max_new_tokens` (Dr. GRPO)."""
    beta: float = option(0.0, at_least=0)
    """Weight of the divergence from the start; above 0 a second model is kept (with LoRA, the adapter is
    switched off instead)."""
    kl_estimator: Estimator = "k3"
    """Of the divergence at a token, for d = log(reference / policy): -d, d²/2, or exp(d) - d - 1."""
    kl_times_ratio: bool = False
    """Multiply the divergence at a token by the ratio, so that its gradient is unbiased for programs of an
    older policy (TRL 1.16: `use_bias_correction_kl`, on)."""
    mask_truncated: bool = False
    """Take programs that reached `max_new_tokens` out of the loss; their rewards still count in their group
    (TRL: off)."""
    resample: int = option(0, at_least=0, at_most=100)
    """How many times as many prompts again, at most, are drawn in a refresh in place of those whose programs
    all have zero credit (DAPO's dynamic sampling); those left then are left out. Training waits for the
    grader then."""


class GroupRelative(Objective):
    """Base of the family. Rewards are the chosen terms; `pass_rate` where none is."""

    def __init__(self, options: Any, training: TrainingOptions) -> None:
        """
        Raises:
            InputError: If there is no group to compare within, or tokens are not sampled from what the ratio
                is of.
        """
        super().__init__(options, training)
        self.terms = self.terms or make_terms({"pass_rate": 1.0})
        name = type(self).__name__
        if training.samples_per_problem < 2:
            raise InputError(f"{name} needs samples_per_problem of at least 2: advantages are within a group")
        check_own_probabilities(name, training)
        if options.delta is not None and options.delta < 1 + options.clip_high:
            raise InputError(
                f"delta must be at least 1 + clip_high ({1 + options.clip_high:g}), got {options.delta:g},"
                " which would clip in its place"
            )

    @property
    def needs(self) -> frozenset[str]:
        """The reference only where the loss holds it."""
        return self.needs_always | ({REFERENCE} if self.options.beta else set())

    @property
    def resampling_rounds(self) -> int:
        """As `resample` says."""
        return int(self.options.resample)

    # --- credit ----------------------------------------------------------------------------------

    def advantages(self, rewards: Sequence[Sequence[float]]) -> list[list[float]]:
        """What each program is worth beside the others of its group, from the rewards of all new groups."""
        raise NotImplementedError

    def adjusted(self, rewards: list[list[float]], groups: Sequence[Group]) -> list[list[float]]:
        """The rewards that are compared, from those that the terms give."""
        return rewards

    def is_masked(self, rollout: Rollout) -> bool:
        """Whether the rollout's tokens take no part in the loss."""
        return self.options.mask_truncated and rollout.truncated

    def credit(self, group: Group) -> list[Credit]:
        """That of one group by itself."""
        return self.credit_groups([group])[0]

    def credit_groups(self, groups: Sequence[Group]) -> list[list[Credit]]:
        """The advantage for all tokens, and for their own tokens the terms that name spans."""
        rewards = self.adjusted([self._rewards_of(group) for group in groups], groups)
        found = self.advantages(rewards)
        return [self._credit(group, each) for group, each in zip(groups, found, strict=True)]

    def prepare(self, groups: Sequence[Group]) -> Mapping[str, float]:
        """Shares of degenerate groups, and of programs that their group has already."""
        graded = [group for group in groups if group.rollouts]
        programs = sum(len(group.rollouts) for group in graded)
        distinct = sum(len({each.code for each in group.rollouts}) for group in graded)
        equal = sum(is_degenerate(self._rewards_of(group)) for group in graded)
        return {
            "sampled/degenerate_groups": equal / len(graded) if graded else 0.0,
            "sampled/duplicates": (programs - distinct) / programs if programs else 0.0,
        }

    def _rewards_of(self, group: Group) -> list[float]:
        return [whole_value(row) for row in group.values_of(self.terms)]

    def _credit(self, group: Group, advantages: Sequence[float]) -> list[Credit]:
        values = group.values_of(self.terms)
        spans = names_with_spans(values)
        return [
            {name: TokenCredit(0.0, MASKED) for name in (_ADVANTAGE, *spans)}
            if self.is_masked(rollout)
            else {
                _ADVANTAGE: TokenCredit(advantage),
                **{name: _on_spans(rollout, row[name]) for name in spans},
            }
            for rollout, row, advantage in zip(group.rollouts, values, advantages, strict=True)
        ]

    # --- loss ------------------------------------------------------------------------------------

    @property
    def reduction(self) -> Reduction:
        """Tokens, or sequences."""
        return "mean" if self.options.aggregation == "token_mean" else "sum"

    def policy_loss(self, log_probs: Tensor, batch: RolloutBatch) -> dict[str, Tensor]:
        """`policy`, and `kl` where the loss holds the reference."""
        options = self.options
        mask = (
            batch.targets & batch.weights[_ADVANTAGE].bool() if _ADVANTAGE in batch.weights else batch.targets
        )
        advantage: Any = sum(batch.credit(name) for name in batch.values)
        ratio = log_ratio(log_probs, batch.old_log_probs, mask, level=options.ratio).exp()
        gain = clipped_gain(
            ratio, advantage, low=options.clip_low, high=options.clip_high, delta=options.delta
        )
        count = mask.sum().clamp(min=1)
        batch.notes["ratio"] = (ratio * mask).sum() / count
        batch.notes["clipped"] = ((gain < ratio * advantage) & mask).sum() / count
        terms = {"policy": -self._aggregated(gain, mask, batch)}
        if REFERENCE in self.needs and batch.reference_log_probs is not None:
            apart = divergence(batch.reference_log_probs - log_probs, options.kl_estimator)
            batch.notes["kl"] = (apart * mask).sum() / count
            if options.kl_times_ratio:
                apart = apart * ratio
            terms["kl"] = options.beta * self._aggregated(apart, mask, batch)
        return terms

    def _aggregated(self, values: Tensor, mask: Tensor, batch: RolloutBatch) -> Tensor:
        return aggregated(
            values,
            mask,
            how=self.options.aggregation,
            normalizer=batch.normalizer,
            max_tokens=self.training.max_new_tokens,
        )


def _on_spans(rollout: Rollout, value: TermValue) -> TokenCredit:
    return TokenCredit(value.value, rollout.tokens_of(() if value.spans is None else value.spans))
