"""The comparison of an `assert f(x) == y`: Python's own, on plain data, in every profile.

The assert is MBPP's specification, so `2.0 == 2` and `True == 1` hold, a tuple is no list, and there is
no tolerance. Differs from running the assert: an object that is not plain data equals nothing, a
subclass is what it is a subclass of (a `Counter` is its dict), and a NaN inside a list equals no NaN
(in one process the same NaN object would).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

LONGEST_INT_BITS = 1 << 16
"""Ints beyond this equal no Decimal. Turning one of a million digits into a Decimal takes minutes."""
_SIMPLE = frozenset({int, float, bool, str, type(None)})
"""Types whose comparison is neither long nor raises; most values have one."""


def assert_matches(value: object, expected: object) -> bool:
    """Whether `value == expected` holds; False where the comparison itself raises."""
    if type(value) in _SIMPLE and type(expected) in _SIMPLE:
        return value == expected
    try:
        if _takes_minutes(value, expected):
            return False
        return bool(value == expected)
    except Exception:  # signalling NaNs, nesting beyond the recursion limit: the assert raises as well
        return False


def _takes_minutes(value: object, expected: object) -> bool:
    """Whether one side holds a Decimal and the other an int too long to become one."""
    # What is expected is looked at first: it is short, and the value may not be.
    return (any(map(_is_decimal, _leaves(expected))) and any(map(_is_giant, _leaves(value)))) or (
        any(map(_is_giant, _leaves(expected))) and any(map(_is_decimal, _leaves(value)))
    )


def _is_decimal(leaf: object) -> bool:
    return isinstance(leaf, Decimal)


def _is_giant(leaf: object) -> bool:
    numbers = (leaf.numerator, leaf.denominator) if isinstance(leaf, int | Fraction) else ()
    return any(number.bit_length() > LONGEST_INT_BITS for number in numbers)


def _leaves(value: object) -> Iterator[object]:
    """Every value that is not a container, at any depth."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset | deque):
            pending.extend(item)
        else:
            yield item
