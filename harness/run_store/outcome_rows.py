"""Check that a row of a file is an outcome: files may have been damaged or edited.

Covers: types, known statuses, times that are finite and not negative. Does not cover: whether the verdict is
right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.types import Status

_STATUSES = frozenset(Status)
_NONE = type(None)


def check_outcome_row(row: Any) -> None:
    """Check that `harness.run_store.records.outcome_from_row` can read this row, and that its values make
    sense.

    Raises:
        ValueError: If not; names the field.
    """
    _expect(isinstance(row, dict), "a row")
    _expect(isinstance(row.get("task_id"), str), "task_id")
    _expect(isinstance(row.get("sample_id"), int | str), "sample_id")
    _expect(isinstance(row.get("infrastructure_error", 0), str | _NONE), "infrastructure_error")
    _expect(isinstance(row.get("unusable_tests", False), bool), "unusable_tests")
    _expect(isinstance(row.get("cached"), bool), "cached")
    verdicts, tests = row.get("verdicts"), row.get("tests")
    _expect(isinstance(verdicts, dict) and bool(verdicts), "verdicts")
    _expect(all(verdict in _STATUSES for verdict in verdicts.values()), "verdicts")
    _expect(isinstance(tests, list), "tests")
    _check_measured(row, "cpu_seconds", "peak_memory_mib")
    _check_error(row)
    for test in tests:
        _expect(isinstance(test, dict), "tests")
        _expect(all(test.get(profile) in _STATUSES for profile in verdicts), "tests")
        _expect(isinstance(test.get("ran_inside"), bool), "ran_inside")
        _check_measured(test, "cpu_seconds")
        _check_error(test)
        errors = test.get("errors", {})
        _expect(isinstance(errors, dict), "errors")
        for each in errors.values():
            _check_error({"error": each})


def _check_measured(row: Mapping[str, Any], *names: str) -> None:
    for name in names:
        value = row.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            _expect(False, name)
        else:
            _expect(value >= 0 and math.isfinite(value), name)


def _check_error(row: Mapping[str, Any]) -> None:
    error = row.get("error", 0)
    if error is None:
        return
    _expect(isinstance(error, dict), "error")
    _expect(isinstance(error.get("type"), str) and isinstance(error.get("message"), str), "error")
    _expect(isinstance(error.get("line", ""), int | _NONE), "line")


def _expect(holds: bool, name: str) -> None:
    if not holds:
        raise ValueError(f"no outcome: {name} is not what it should be")
