"""The problem that a trainer's ground truth stands for: a task id of a benchmark, or tests that it brings.

Covers: our own form, `{"kind", "tests"[, "entry_point", "setup"]}`, and whatever `read` reads; with arrays of
numpy in place of lists, as pandas reads nested columns of Parquet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.errors import InputError
from harness.suites import read
from harness.suites.encodings import check_size
from harness.types import AssertTest, CallTest, Problem, StdinTest, Test, TestKind, TestSuite

_TASK_ID = re.compile(r"\d{1,9}|[A-Za-z][\w-]{0,40}(/[\w.-]{1,40}){1,3}")
"""What is meant as a name of a problem, and can be no tests."""


def problem_of(
    ground_truth: object, problems: Mapping[str, Problem], *, entry_point: str | None = None
) -> Problem:
    """The problem of a ground truth.

    Args:
        ground_truth: A task id, or tests in one of the forms above.
        problems: By task id.
        entry_point: Of tests that call a function and do not name it.

    Raises:
        InputError: If it is nothing of the kind; says what was seen.
    """
    if isinstance(ground_truth, str) and ground_truth in problems:
        return problems[ground_truth]
    if isinstance(ground_truth, Mapping) and set(ground_truth) == {"task_id"}:
        task_id = ground_truth["task_id"]
        if not isinstance(task_id, str) or task_id not in problems:
            raise InputError(f"no problem {task_id!r:.100} here; load its benchmark, or send its tests")
        return problems[task_id]
    if isinstance(ground_truth, str) and _TASK_ID.fullmatch(ground_truth):
        where = f"those here are like {next(iter(problems))!r:.60}" if problems else "no benchmark is named"
        raise InputError(f"no problem {ground_truth!r}: {where}; name the benchmark and split, or give tests")
    try:
        plain = _plain(ground_truth)
    except RecursionError:
        raise InputError("tests within one another too deeply; give the innermost value") from None
    suite = read_tests(plain, entry_point=entry_point)
    return Problem("tests", "", load_suite=lambda: suite)


def read_tests(value: object, *, entry_point: str | None = None) -> TestSuite:
    """The tests that a value holds.

    Raises:
        InputError: If it is nothing of the kind.
    """
    if not (isinstance(value, Mapping) and "kind" in value):
        return read(value, fn_name=entry_point)
    try:
        return _native(value)
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise InputError(
            f"tests of kind {value['kind']!r:.40}: {type(error).__name__} {error}"[:300]
        ) from None


def _plain(value: object) -> object:
    """The same with lists for arrays; nothing is copied that holds none."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    listed = getattr(value, "tolist", None)
    if listed is None:
        return value
    values = listed()
    return [_plain(each) for each in values] if isinstance(values, list) else values


def _native(value: Mapping[str, Any]) -> TestSuite:
    kind = TestKind(value["kind"])
    tests: list[Test] = [_native_test(kind, row) for row in value["tests"]]
    setup, name = str(value.get("setup") or ""), value.get("entry_point")
    check_size(
        count=len(tests),
        python=len(setup) + sum(len(test.source) for test in tests if isinstance(test, AssertTest)),
    )
    if name is not None and not isinstance(name, str):
        raise TypeError(f"entry_point must be text, got {name!r:.60}")
    return TestSuite.pack(kind, tests, entry_point=name, setup=setup)


def _native_test(kind: TestKind, row: Any) -> Test:
    if kind is TestKind.STDIN:
        return StdinTest(str(row["input"]), str(row["output"]))
    if kind is TestKind.CALL:
        return CallTest(list(row["args"]), row["expected"])
    return AssertTest(str(row))
