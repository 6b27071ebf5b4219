"""What the losses of a step are divided by: counted over all its micro-batches, and all processes.

So that rows make the same update however they are cut into micro-batches. Trainer's own division (by the
number of micro-batches) is switched off, since it takes means of means of unequal sizes for a mean.
Does not cover: the losses (`rltf.objectives.losses`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rltf.rewards.rltf import Reduction


@dataclass(frozen=True, slots=True)
class Normalizers:
    """Of the micro-batches of one optimiser step."""

    supervised: float
    """Sums over supervised rows are divided by it."""
    rl: float
    """Sums over RL rows are."""
    micro_batches: int


def normalizers(
    batches: Sequence[Mapping[str, Any]],
    *,
    supervised: Reduction,
    rl: Reduction,
    mean: Callable[[Sequence[float]], Sequence[float]] = lambda values: values,
) -> Normalizers:
    """Rows (`sum`) or target tokens (`mean`) of each kind in all of `batches`.

    A kind that is not in every micro-batch (`mixing=alternate`) weighs as many of them as it is in: two
    micro-batches, one of each kind, make half of each loss, as in the released code.

    Args:
        batches: As `rltf.data.batch.collate` makes them.
        supervised: Reduction of the supervised loss.
        rl: Reduction of the RL losses.
        mean: Of each number over the processes, whose gradients are averaged.
    """
    rows = [(each["supervised"], len(each["labels"]) - each["supervised"]) for each in batches]
    counts: list[float] = []
    for kind, reduction in enumerate((supervised, rl)):
        items = [each[kind] for each in rows]
        if reduction == "mean":
            items = [each["targets"][kind] for each in batches]
        counts += [sum(items), sum(each[kind] > 0 for each in rows) / len(batches)]
    first, first_share, second, second_share = mean(counts)
    return Normalizers(
        first / first_share if first else 1.0,
        second / second_share if second else 1.0,
        len(batches),
    )
