"""What counts as right in a HumanEval test that is no plain assert; called in the grader worker.

`ValueTest.expected` says what to do with the value: `("near", c, t, "<")` for `abs(value - c) < t`; or
`("pairs", "==", …)`, the comparison of each assert that ran in the program's process, for a value of
`[number of the assert, left side, right side]`, one for each time that an assert was reached.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from benchmarks.humaneval.check_body import HOLDS
from harness.compare import assert_matches
from harness.types import Checker, Test, ValueTest

CHECKER = Checker("benchmarks.humaneval.checker:check", "1")

_NUMBERS = (int, float, complex, Fraction)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def check(output: Any, test: Test, profile: str, /) -> bool:
    """Whether the value of a test is right; a `harness.compare.Check`. The same under every profile."""
    del profile
    if not isinstance(test, ValueTest):
        return False
    kind, *rest = ast.literal_eval(test.expected)
    return _near(output, *rest) if kind == "near" else _all_hold(output, rest)


def _near(value: Any, expected: float, tolerance: float, order: str) -> bool:
    try:
        return isinstance(value, _NUMBERS) and _ORDERS[order](abs(value - expected), tolerance)
    except ArithmeticError:  # an integer too long for a float: the assert raises as well
        return False


def _all_hold(pairs: Any, comparisons: Sequence[str]) -> bool:
    # An empty list is no proof: every check of the data meets an assert.
    return isinstance(pairs, list) and bool(pairs) and all(_holds(each, comparisons) for each in pairs)


def _holds(pair: Any, comparisons: Sequence[str]) -> bool:
    match pair:
        case [int() as number, left, right] if 0 <= number < len(comparisons):
            comparison = comparisons[number]
            if comparison in ("==", HOLDS):
                return assert_matches(left, right)
            real = all(isinstance(side, int | float | Fraction) for side in (left, right))
            return real and _ORDERS[comparison](left, right)
    return False
