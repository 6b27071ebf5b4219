"""What a critic's logits mean: token values, pooled classes, losses. Pure functions of tensors.

B programs, T positions, C classes. Worked numbers are in `tests/rltf/test_critic_values.py`.
Does not cover: the model that makes the logits (`rltf.critic.model`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


def token_values(logits: Tensor, classes: Tensor) -> Tensor:
    """q: the probability of each program's true class at each position by itself; `[B, T]`, float32.

    (CodeRL: datasets/apps_dataset.py, 363; the paper's eq. 10.)

    Args:
        logits: `[B, T, C]`.
        classes: `[B]`, the true class.
    """
    chosen = classes[:, None, None].expand(-1, logits.shape[1], 1)
    full = logits if logits.dtype == torch.float64 else logits.float()
    found: Tensor = torch.softmax(full, dim=-1).gather(2, chosen).squeeze(2)
    return found


def pooled(logits: Tensor, kept: Tensor) -> Tensor:
    """Of each class the largest logit over the positions that count; `[B, C]`.

    Args:
        logits: `[B, T, C]`.
        kept: `[B, T]` bool; at least one of each program.
    """
    return logits.masked_fill(~kept[:, :, None], -torch.inf).amax(dim=1)


def class_loss(pooled_logits: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy of the pooled logits `[B, C]` with the true classes `[B]`; the mean, a scalar."""
    return functional.cross_entropy(pooled_logits.float(), classes)


@dataclass(frozen=True, slots=True)
class ClassReport:
    """How often a critic is right."""

    accuracy: float
    constant_guess: float
    """Accuracy of always saying the commonest class."""
    per_class: dict[int, float]
    """Share of each class's programs that are recognised; only of classes that occur."""
    counts: dict[int, int]
    """Programs of each class that occurs."""


def class_report(predicted: list[int], true: list[int]) -> ClassReport:
    """Compare predictions with the true classes.

    Raises:
        ValueError: If there are none: their accuracy is undefined.
    """
    if not true:
        raise ValueError("the accuracy over no programs is undefined")
    counts = {each: true.count(each) for each in sorted(set(true))}
    pairs = list(zip(predicted, true, strict=True))
    right = {each: sum(one == other == each for one, other in pairs) for each in counts}
    return ClassReport(
        sum(right.values()) / len(true),
        max(counts.values()) / len(true),
        {each: right[each] / count for each, count in counts.items()},
        counts,
    )
