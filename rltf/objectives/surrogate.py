"""The clipped surrogate of policy-gradient methods, its ratio, and the divergence from a reference policy.

Pure functions of tensors: B sequences, T positions; `mask` is `[B, T]` bool, the tokens that take part.
Log-probabilities are 0 where there is no target. Equal to TRL 1.16.0 (`tests/rltf/test_group_relative.py`).
Does not cover: advantages (`rltf.objectives.advantages`), or what sums are divided by in a step of several
micro-batches (`rltf.objectives.accumulation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

RatioLevel = Literal["token", "sequence_mean", "sequence_sum"]
Aggregation = Literal["token_mean", "sequence_mean", "sequence_sum", "constant"]
Estimator = Literal["k1", "k2", "k3"]

_LARGEST_LOG_RATIO = 20.0
"""exp(20) is beyond every clip; without a bound the ratio of a whole sequence overflows, and its gradient is
0 times infinity. verl has the same bound."""


def log_ratio(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor, *, level: RatioLevel) -> Tensor:
    """Log of the ratio r of the policy to the policy that sampled; `[B, T]`, or `[B, 1]` of a sequence.

    Args:
        log_probs: `[B, T]`.
        old_log_probs: `[B, T]`.
        mask: `[B, T]`.
        level: `token`: of each token (GRPO); `sequence_mean`: the mean over the sequence's tokens (GSPO);
            `sequence_sum`: their sum, the ratio of whole sequences (RLOO).
    """
    difference = log_probs - old_log_probs
    if level != "token":
        difference = (difference * mask).sum(dim=1, keepdim=True)
    if level == "sequence_mean":
        difference = difference / mask.sum(dim=1, keepdim=True).clamp(min=1)
    return difference.clamp(-_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO)


def clipped_gain(
    ratio: Tensor, advantage: Tensor, *, low: float, high: float, delta: float | None = None
) -> Tensor:
    """min(r A, clip(r, 1 - low, 1 + high) A), the loss being its negative; the shape that both have together.

    Args:
        ratio: `[B, T]` or `[B, 1]`.
        advantage: `[B, T]`.
        low: How far below 1 the ratio still counts.
        high: How far above.
        delta: Bound of r in the first branch too (two-sided clipping: without it a negative advantage counts
            with any ratio above 1); `None` for no bound.
    """
    clipped = ratio.clamp(1 - low, 1 + high)
    bounded = ratio if delta is None else ratio.clamp(max=delta)
    return (bounded * advantage).minimum(clipped * advantage)


def divergence(difference: Tensor, estimator: Estimator) -> Tensor:
    """Per token, of d = log(reference / policy): -d (k1), d²/2 (k2) or exp(d) - d - 1 (k3)."""
    if estimator == "k1":
        return -difference
    if estimator == "k2":
        return difference.square() / 2
    return difference.exp() - difference - 1


def aggregated(
    values: Tensor, mask: Tensor, *, how: Aggregation, normalizer: float, max_tokens: int
) -> Tensor:
    """`[B, T]` to a scalar, this micro-batch's part of the step's.

    Args:
        values: Of each token.
        mask: `[B, T]`.
        how: `token_mean`: over all tokens (DAPO); `sequence_mean`: over sequences, of the mean over their
            tokens (GRPO); `sequence_sum`: over sequences, of the sum over their tokens; `constant`: the sum
            over sequences times `max_tokens` (Dr. GRPO).
        normalizer: Of the step: its tokens with `token_mean`, else its sequences.
        max_tokens: That a completion can have.
    """
    values = values * mask
    if how == "sequence_mean":
        values = values / mask.sum(dim=1, keepdim=True).clamp(min=1)
    over = normalizer * max_tokens if how == "constant" else normalizer
    return values.sum() / over
