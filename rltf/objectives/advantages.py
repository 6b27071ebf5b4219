"""Advantages of the programs of a group: their rewards, less what the others got. Plain numbers, no tensors.

A group is the programs sampled for one prompt; those that the grader failed on are not in it, so groups may
differ in size. A group of one has nobody to be compared with, and one of equal rewards is degenerate: both
have advantages of 0. Does not cover: where rewards come from, or the loss (`rltf.objectives.surrogate`).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

Scale = Literal["group", "batch", "none"]
Groups = Sequence[Sequence[float]]
"""Rewards, or advantages, of groups."""

SMALLEST_DEVIATION = 1e-4
"""Added to a standard deviation before dividing by it; as TRL has it."""
_ROUNDING = 1e-9


def group_advantages(groups: Groups, *, scale: Scale = "group") -> list[list[float]]:
    """Rewards less their group's mean (GRPO, arXiv:2402.03300).

    Args:
        groups: Rewards.
        scale: What they are divided by: the standard deviation of the group's rewards (GRPO), of the rewards
            of all `groups` (`batch`), both with n - 1, or nothing (Dr. GRPO).
    """
    above = [[each - mean for each in group] for group, mean in zip(groups, map(_mean, groups), strict=True)]
    if scale == "none":
        over = [1.0] * len(groups)
    elif scale == "batch":
        over = [_deviation([each for group in groups for each in group])] * len(groups)
    else:
        over = [_deviation(group) for group in groups]
    return [
        [each / divisor for each in group] if len(group) > 1 else [0.0] * len(group)
        for group, divisor in zip(above, over, strict=True)
    ]


def leave_one_out(groups: Groups) -> list[list[float]]:
    """Rewards less the mean of the others of their group (RLOO, arXiv:2402.14740)."""
    return [
        [each - (sum(group) - each) / (len(group) - 1) for each in group]
        if len(group) > 1
        else [0.0] * len(group)
        for group in groups
    ]


def standardised(groups: Groups) -> list[list[float]]:
    """Advantages of all groups to a mean of 0 and a standard deviation of 1; groups of one take no part."""
    taken = [each for group in groups if len(group) > 1 for each in group]
    mean, deviation = _mean(taken), _deviation(taken)
    return [
        [(each - mean) / deviation for each in group] if len(group) > 1 else list(group) for group in groups
    ]


def is_degenerate(rewards: Sequence[float]) -> bool:
    """Whether all rewards of a group are equal, so that none is better than another; a group of one is."""
    return not rewards or max(rewards) - min(rewards) < _ROUNDING


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _deviation(values: Sequence[float]) -> float:
    return (statistics.stdev(values) if len(values) > 1 else 0.0) + SMALLEST_DEVIATION
