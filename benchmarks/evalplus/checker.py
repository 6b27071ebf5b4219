"""What counts as right in HumanEval+ and MBPP+; called in the grader worker.

Equal by Python's `==`, or close: of the same type, of the same length where it is a list or tuple, and
`numpy.allclose` at a relative 1e-7 and the input's absolute tolerance, if that is not 0. The special oracles
come before that, as in EvalPlus.

Differs from EvalPlus, whose comparison runs among a program's objects: what is no plain data is equal to
nothing, so an object whose `==` always holds fails; a numpy number is a Python number, an array no data.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from benchmarks.evalplus.cases import Case
from harness.compare import assert_matches
from harness.suites import value_of
from harness.types import Test, ValueTest

STICKY = ("evalplus", "evalplus-base")
"""Profiles under which a tolerance stays for the inputs after it; under any other it does not."""
_RELATIVE = 1e-7
_MOST_PAIRS = 10_000_000
"""Numbers to compare: numpy repeats the shorter of two arrays, and a hostile answer could make that large."""


@lru_cache(maxsize=4096)
def read_case(expected: str) -> tuple[Case, Any, Any]:
    """A case, its expected value and what else its oracle wants; they are shared, so never to be changed."""
    oracle, base, sticky, fixed, value, other = json.loads(ast.literal_eval(expected))
    case = Case(oracle, base, tuple(sticky), tuple(fixed), value, other)
    return case, value_of(value), value_of(other)


def is_base(test: Test) -> bool:
    """Whether a test is one of the base inputs'."""
    return not isinstance(test, ValueTest) or read_case(test.expected)[0].base


def check(output: Any, test: Test, profile: str, /) -> bool:
    """Whether a call's value is right; a `harness.compare.Check`."""
    if not isinstance(test, ValueTest):
        return False
    case, expected, other = read_case(test.expected)
    before, after = case.sticky if profile in STICKY else case.fixed
    try:
        if case.oracle == "root":
            return _is_root(output, other, before)
        exact = ORACLES[case.oracle](output, expected, other, before)
        return exact or (after != 0 and _close(output, expected, after))
    except Exception:  # what raises fails the input in EvalPlus as well
        return False


def _is_root(output: Any, coefficients: list[Any], tolerance: float) -> bool:
    """HumanEval/32: whether a polynomial is near 0 there."""
    value = sum(factor * math.pow(output, power) for power, factor in enumerate(coefficients))
    return bool(abs(value) <= tolerance)


def _close(output: Any, expected: Any, tolerance: float) -> bool:
    if type(output) is not type(expected):
        return False
    if isinstance(expected, list | tuple) and len(output) != len(expected):
        return False
    if isinstance(expected, float):
        # As `numpy.allclose` has it, without numpy.
        near = abs(output - expected) <= tolerance + _RELATIVE * abs(expected)
        return math.isfinite(expected) and math.isfinite(output) and near
    return _allclose(output, expected, tolerance)


def _allclose(output: Any, expected: Any, tolerance: float) -> bool:
    import numpy as np  # noqa: PLC0415 - a tenth of a second, and most comparisons end before it

    given, wanted = np.asarray(output), np.asarray(expected)
    if math.prod(np.broadcast_shapes(given.shape, wanted.shape)) > _MOST_PAIRS:
        return False
    with np.errstate(all="ignore"):
        return bool(np.allclose(given, wanted, rtol=_RELATIVE, atol=tolerance))


def _equal(output: Any, expected: Any, other: Any, tolerance: float) -> bool:
    return assert_matches(output, expected)


def _as_set(output: Any, expected: Any, other: Any, tolerance: float) -> bool:
    """`set(output) == set(expected)`, with no set made of what a program could have chosen by its hashes."""
    wanted, met = set(expected), set()
    for item in output:
        if item not in wanted:
            return False
        met.add(item)
    return len(met) == len(wanted)


def _not_none(output: Any, expected: Any, other: Any, tolerance: float) -> bool:
    return bool(expected == (output if isinstance(output, bool) else output is not None))


ORACLES: dict[str, Callable[[Any, Any, Any, float], bool]] = {
    "equal": _equal,
    "any": lambda output, expected, other, tolerance: True,
    "or_zero": lambda output, expected, other, tolerance: (
        assert_matches(output, expected) or assert_matches(output, 0)
    ),
    "other": lambda output, expected, other, tolerance: (
        assert_matches(output, expected) or assert_matches(output, other)
    ),
    "near_other": lambda output, expected, other, tolerance: (
        assert_matches(output, expected) or abs(output - other) <= tolerance
    ),
    "as_set": _as_set,
    "not_none": _not_none,
}
"""What is right before any tolerance, by an oracle's name: of output, expected value, the second right
answer, and the tolerance before this input."""
