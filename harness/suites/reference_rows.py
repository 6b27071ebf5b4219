"""EvalPlus' rows as they are: inputs, and a reference solution in place of expected values.

The reference runs beside the program, in its process: such tests are marked `ran_inside`, and a program that
means to could find out what is expected. Benchmarks `humaneval-plus` and `mbpp-plus` run the reference
beforehand instead.

Does not cover: EvalPlus' own rules for single problems, nor the types of MBPP+'s inputs, which JSON lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.compare.closeness import is_near
from harness.errors import InputError
from harness.suites.encodings import check_size
from harness.types import Checker, Test, TestKind, TestSuite, ValueTest

CHECKER = Checker("harness.suites.reference_rows:check", "1")
_PAIR = "_rltf_pair"
_SETUP = """\
def _rltf_pair(program, arguments):
    import copy
    names = {{}}
    exec({source!r}, names)
    expected = names[{name!r}](*copy.deepcopy(arguments))
    return [program(*arguments), expected]
"""


def reference_suite(row: Mapping[str, Any]) -> TestSuite:
    """One test for each of a row's inputs.

    Raises:
        InputError: If a field is missing, or of another type.
    """
    name, solution = row.get("entry_point"), row.get("canonical_solution")
    if not isinstance(name, str) or not name.isidentifier() or not isinstance(solution, str):
        raise InputError("a row with base_input needs entry_point and canonical_solution as text")
    base, plus = row["base_input"], row.get("plus_input") or []
    if not isinstance(base, list) or not isinstance(plus, list):
        raise InputError("base_input and plus_input must be lists of argument lists")
    check_size(count=len(base) + len(plus))
    tests = []
    for number, arguments in enumerate([*base, *plus]):
        if not isinstance(arguments, list | tuple):
            raise InputError(f"input {number} must be a list of arguments, got {type(arguments).__name__}")
        tests.append(
            ValueTest(f"{_PAIR}({name}, {list(arguments)!r})", repr(float(row.get("atol") or 0)), True)
        )
    setup = _SETUP.format(source=f"{row.get('prompt') or ''}{solution}", name=name)
    return TestSuite.pack(TestKind.ASSERTS, tests, entry_point=name, setup=setup, checker=CHECKER)


def check(output: Any, test: Test, profile: str, /) -> bool:
    """Whether what program and reference returned is the same; a `harness.compare.Check`."""
    del profile
    match output:
        case [value, expected] if isinstance(test, ValueTest):
            return _same(value, expected, float(test.expected))
    return False


def _same(value: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(expected, float) and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return is_near(value, expected) or abs(value - expected) <= tolerance or value == expected
        except OverflowError:
            return False
    if isinstance(expected, list | tuple) and type(value) is type(expected) and len(value) == len(expected):
        return all(map(_same, value, expected, [tolerance] * len(expected)))
    return bool(value == expected)
