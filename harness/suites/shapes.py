"""`read`: any of the shapes in which data sets keep a problem's tests, as a `TestSuite`.

- APPS, TACO, PRIME, verl: `{"inputs", "outputs"[, "fn_name"]}`, alone or under `input_output`;
- verl: `{…, "assert_case": [assert, …]}`;
- LiveCodeBench, DeepCoder: `[{"input", "output", "testtype"[, "metadata": {"func_name"}]}, …]`, or rows with
  `public_test_cases` and `private_test_cases`;
- PrimeIntellect: `{"language", "test_cases": [{"type", "fn_name", "input", "output"}, …]}`, alone or under
  `verification_info`;
- ScaleBox: `{"type", "fn_name", "input": […], "output": […][, "json_input"]}`, alone or under `test_cases`;
- CodeContests: `{"input": […], "output": […]}`, or rows with `public_tests`, `private_tests`, …;
- open-instruct, MBPP: a list of asserts; `test_list` with `test_setup_code` or `test_imports`;
- HumanEval, EvalPlus: `test` with `entry_point`; `base_input` and `plus_input` with `canonical_solution`;
- code-r1, KodCode: `{"functional": program}`, or the text of a pytest module.

Each as data, JSON, a Python literal, or base64 of zlib of JSON or of a pickled text (`encodings.py`).
What is not here is refused, with the keys that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import InputError
from harness.suites.cases import make_suite
from harness.suites.encodings import MOST_PYTHON, unpack
from harness.suites.python_tests import asserts_suite, check_suite, is_python_tests, module_suite
from harness.suites.reference_rows import reference_suite
from harness.types import TestSuite

_WRAPPERS = (
    "reward_model", "ground_truth", "verification_info", "input_output", "test_cases", "tests", "functional",
)  # fmt: skip
"""Keys that hold nothing but the ground truth, the outer ones first."""
_OTHERS = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError)
"""What data of any shape may raise: a word where a number is due, what holds itself too deeply."""
_CONTESTS = ("public_tests", "private_tests", "generated_tests")
_DEEPEST = 6
"""Wrappers within wrappers."""


@dataclass(frozen=True, slots=True)
class _Hints:
    """What is known beside a value."""

    fn_name: str | None
    starter_code: Any
    """Not enough to make calls of tests: problems on standard input have some as well."""


def read(value: Any, *, fn_name: str | None = None, starter_code: str | None = None) -> TestSuite:
    """The tests in a "ground truth".

    Args:
        value: One of the shapes above, or a whole row that has one; text, bytes, list or dictionary.
        fn_name: The function to call, where the value does not say.
        starter_code: Code that programs begin with. Where a row of LiveCodeBench's shape names no function,
            the last one that is defined in it is called.

    Raises:
        InputError: If it is none of the shapes, damaged, too large, or has no test.
    """
    try:
        suite = _read(value, _Hints(fn_name, starter_code), _DEEPEST)
    except _OTHERS as error:
        raise InputError(f"tests that can't be read: {type(error).__name__} {error}"[:300]) from None
    if not suite.count:
        raise InputError("no tests in it; leave the problem out")
    return suite


def _read(value: Any, hints: _Hints, depth: int) -> TestSuite:
    if depth < 0:
        raise InputError("tests wrapped into one another too deeply; give the innermost value")
    if isinstance(value, str | bytes):
        return _read_text(value, hints, depth)
    if isinstance(value, Mapping):
        return _read_mapping(value, hints, depth)
    if isinstance(value, list | tuple):
        return _read_list(list(value), hints)
    raise InputError(f"tests must be text, a list or a dictionary, got {type(value).__name__}")


def _read_text(value: str | bytes, hints: _Hints, depth: int) -> TestSuite:
    data = unpack(value)
    if not isinstance(data, str):
        return _read(data, hints, depth - 1)
    if len(data) <= MOST_PYTHON and is_python_tests(data):
        return module_suite(data, hints.fn_name)
    raise InputError(
        f"tests that are neither JSON, base64 of zlib nor Python with asserts of at most {MOST_PYTHON >> 20}"
        f" MiB: {data[:60]!r}; see harness.suites for the shapes that are read"
    )


def _read_mapping(row: Mapping[str, Any], hints: _Hints, depth: int) -> TestSuite:
    hints = replace(
        hints,
        fn_name=_named(row) or hints.fn_name,
        starter_code=row.get("starter_code") or hints.starter_code,
    )
    for fits, read_shape in _SHAPES:
        if fits(row):
            return read_shape(row, hints)
    for key in _WRAPPERS:
        if row.get(key):
            return _read(row[key], hints, depth - 1)
    keys = ", ".join(sorted(map(str, row))) or "no keys"
    raise InputError(f"unknown shape of tests, with {keys:.200}; see harness.suites for those that are read")


def _named(row: Mapping[str, Any]) -> str | None:
    """The function that a row names, if it does."""
    metadata = row.get("metadata")
    if isinstance(metadata, str):
        metadata = unpack(metadata)
    inner = metadata.get("func_name") if isinstance(metadata, Mapping) else None
    found = row.get("fn_name") or row.get("func_name") or row.get("entry_point") or inner
    if found is not None and not isinstance(found, str):
        raise InputError(f"the function's name must be text, got {found!r:.60}")
    return found or None


def _read_test_list(row: Mapping[str, Any], _: _Hints) -> TestSuite:
    setup = row.get("test_setup_code") or row.get("test_imports") or ""
    setup = setup if isinstance(setup, str) else "\n".join(_strings(setup, "test_imports"))
    asserts = unpack(row["test_list"]) if isinstance(row["test_list"], str) else row["test_list"]
    return asserts_suite(_strings(asserts, "test_list"), setup=setup)


def _read_test(row: Mapping[str, Any], hints: _Hints) -> TestSuite:
    """Python text: a `check(candidate)` where a function is named, else a module of tests."""
    test, fn_name = row["test"], hints.fn_name
    if fn_name is not None and "def check(" in test:
        return check_suite(test, fn_name)
    return module_suite(test, fn_name)


def _read_list(items: list[Any], hints: _Hints) -> TestSuite:
    if not items:
        raise InputError("no tests: the list is empty; leave the problem out")
    if all(isinstance(item, str) for item in items):
        return asserts_suite(items)
    if not all(isinstance(item, Mapping) and "input" in item and "output" in item for item in items):
        keys = sorted({str(key) for item in items if isinstance(item, Mapping) for key in item})
        raise InputError(
            "a list of tests must hold asserts, or objects with input and output; these have"
            f" {', '.join(keys) or 'no keys'}"
        )
    names = {_named(item) for item in items} - {None}
    kinds = {str(item.get("testtype") or item.get("type") or "") for item in items}
    if len(names) > 1 or len(kinds) > 1:
        raise InputError(
            f"tests of several kinds or functions in one list: {sorted(map(str, kinds | names))}"
        )
    kind = kinds.pop()
    hints = replace(hints, fn_name=next(iter(names), None) or hints.fn_name)
    inputs, outputs = [item["input"] for item in items], [item["output"] for item in items]
    return make_suite(inputs, outputs, _function(kind, hints))


def _function(kind: str, hints: _Hints) -> str | None:
    """The function that tests of a kind call; `None` for those on standard input."""
    if kind in ("stdin", "stdin_stdout", "stdio"):
        return None
    if kind in ("functional", "function_call"):
        name = hints.fn_name or _defined_last(hints.starter_code)
        if name is None:
            raise InputError(f"{kind} tests that name no function; give fn_name")
        return name
    if kind:
        raise InputError(
            f"unknown kind of tests {kind!r}; known: stdin, functional, stdin_stdout, function_call"
        )
    return hints.fn_name


def _read_livecodebench(row: Mapping[str, Any], hints: _Hints) -> TestSuite:
    """Public tests, then private ones, as its grader runs them."""
    items: list[Any] = []
    for key in ("public_test_cases", "private_test_cases"):
        part = row.get(key) or []
        part = unpack(part) if isinstance(part, str | bytes) else part
        if not isinstance(part, list):
            raise InputError(f"{key} must be a list of tests, got {type(part).__name__}")
        items += part
    return _read_list(items, hints)


def _read_contests(row: Mapping[str, Any], _: _Hints) -> TestSuite:
    inputs: list[Any] = []
    outputs: list[Any] = []
    for part in (row.get(key) or {} for key in _CONTESTS):
        if not isinstance(part, Mapping) or not all(
            isinstance(part.get(k, []), list) for k in ("input", "output")
        ):
            raise InputError(f"{', '.join(_CONTESTS)} must each have lists input and output")
        inputs += part.get("input", [])
        outputs += part.get("output", [])
    return make_suite(inputs, outputs)


def _read_batch(row: Mapping[str, Any], hints: _Hints) -> TestSuite:
    """All inputs in one list, and all outputs in another."""
    if row.get("type") == "assert":
        return asserts_suite(_strings(row["input"], "input"))
    inputs, outputs = row["input"], row["output"]
    if isinstance(inputs, str) and isinstance(outputs, str):
        inputs, outputs = [inputs], [outputs]
    name = _function(str(row.get("type") or ""), hints)
    return make_suite(inputs, outputs, name, json_input=bool(row.get("json_input")))


def _strings(value: Any, key: str) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{key} must be a list of texts, got {type(value).__name__}")
    return list(value)


def _defined_last(starter_code: Any) -> str | None:
    """The function that starter code ends with."""
    if not isinstance(starter_code, str):
        return None
    lines = (line.strip() for line in starter_code.split("\n"))
    names = [line[4:].partition("(")[0].strip() for line in lines if line.startswith("def ")]
    return names[-1] if names and names[-1].isidentifier() else None


_Fits = Callable[[Mapping[str, Any]], bool]
_Reader = Callable[[Mapping[str, Any], _Hints], TestSuite]
_SHAPES: tuple[tuple[_Fits, _Reader], ...] = (
    (
        lambda row: bool(row.get("assert_case")),
        lambda row, _: asserts_suite(_strings(row["assert_case"], "assert_case")),
    ),
    (
        lambda row: "inputs" in row and "outputs" in row,
        lambda row, hints: make_suite(row["inputs"], row["outputs"], hints.fn_name),
    ),
    (
        lambda row: "base_input" in row and "canonical_solution" in row,
        lambda row, _: reference_suite(row),
    ),
    (lambda row: isinstance(row.get("test"), str), _read_test),
    (lambda row: "test_list" in row, _read_test_list),
    (lambda row: "private_test_cases" in row or "public_test_cases" in row, _read_livecodebench),
    (lambda row: any(isinstance(row.get(key), Mapping) for key in _CONTESTS), _read_contests),
    (lambda row: "input" in row and "output" in row, _read_batch),
)
"""Whether a dictionary has a shape, and what reads it: the first that fits."""
