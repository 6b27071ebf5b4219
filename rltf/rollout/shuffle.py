"""Orders: random ones as functions of a text (a checkpoint then holds a count, no state), and by length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random


def shuffled(size: int, key: str) -> list[int]:
    """The numbers below `size` in an order that depends on `size` and `key` alone."""
    order = list(range(size))
    Random(key).shuffle(order)  # noqa: S311 - no secret
    return order


def batches_by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Places of `lengths`, up to `size` at a time, short ones first: like lengths need little padding."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for first in range(0, len(order), size):
        yield order[first : first + size]
