"""Random orders as functions of a text: a checkpoint then holds a count instead of a generator's state."""

from __future__ import annotations

from random import Random


def shuffled(size: int, key: str) -> list[int]:
    """The numbers below `size` in an order that depends on `size` and `key` alone."""
    order = list(range(size))
    Random(key).shuffle(order)  # noqa: S311 - no secret
    return order
