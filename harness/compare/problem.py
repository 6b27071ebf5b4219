"""What the expected values of a whole problem tell about each of them."""

from __future__ import annotations

from collections.abc import Iterable


def is_wrapped(expected: Iterable[object]) -> bool:
    """Whether every expected value of a call-based problem is a one-element list.

    Codewars problems in APPS wrap the return value so; one LeetCode-style value tells them apart.
    False without values.
    """
    values = list(expected)
    return bool(values) and all(isinstance(value, list) and len(value) == 1 for value in values)
