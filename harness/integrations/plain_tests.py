"""Tests in the plainest of the forms that trainers send; `harness.suites.read`, where it exists, reads more.

Covers: `{"inputs", "outputs"[, "fn_name", "assert_case"]}` (APPS, TACO, PRIME, verl), `{"input", "output"}`
as lists (CodeContests), lists of asserts or of `{"input", "output"}`, ScaleBox's `test_cases`; as values, as
JSON, or as base64 of zlib-compressed JSON.
Does not cover: pickled tests, which would run code of whoever wrote them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from harness.errors import InputError
from harness.types import AssertTest, CallTest, StdinTest, TestKind, TestSuite

MOST_BYTES = 256 << 20
"""Of tests, decompressed."""


def read(value: object, *, fn_name: str | None = None) -> TestSuite:
    """The tests that a value holds.

    Raises:
        InputError: If it is nothing of the kind.
    """
    try:
        return _suite(_decoded(value), fn_name)
    except InputError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"tests that can't be read ({type(error).__name__}): {_seen(value)}") from None


def _decoded(value: object) -> Any:
    """Text is JSON, or base64 of compressed JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        pass
    try:
        machine = zlib.decompressobj()
        plain = machine.decompress(base64.b64decode(value, validate=True), MOST_BYTES)
        return json.loads(plain) if machine.eof else _unknown(value)
    except (ValueError, zlib.error):
        return _unknown(value)


def _suite(value: Any, entry_point: str | None) -> TestSuite:
    if isinstance(value, list):
        return _of_list(value, entry_point)
    if isinstance(value, Mapping) and "test_cases" in value:
        return _suite(value["test_cases"], entry_point)
    return _of_mapping(value, entry_point) if isinstance(value, Mapping) else _unknown(value)


def _of_mapping(value: Mapping[str, Any], entry_point: str | None) -> TestSuite:
    name = value.get("fn_name") or entry_point
    if value.get("type") == "assert":
        return _asserts(value.get("input") or value["output"])
    if value.get("assert_case"):
        return _asserts(value["assert_case"])
    for inputs, outputs in (("inputs", "outputs"), ("input", "output")):
        if isinstance(value.get(inputs), list) and isinstance(value.get(outputs), list):
            return _pairs(value[inputs], value[outputs], name)
    return _unknown(value)


def _of_list(rows: list[Any], entry_point: str | None) -> TestSuite:
    if all(isinstance(row, str) for row in rows):
        return _asserts(rows)
    if any(row.get("fn_name") or row.get("testtype") == "functional" for row in rows):
        names = [row.get("fn_name") or (row.get("metadata") or {}).get("func_name") for row in rows]
        entry_point = next((name for name in names if name), entry_point)
        if entry_point is None:
            raise InputError("tests that call a function do not name it; give fn_name")
    else:
        entry_point = None
    return _pairs([row["input"] for row in rows], [row["output"] for row in rows], entry_point)


def _pairs(inputs: Sequence[Any], outputs: Sequence[Any], name: str | None) -> TestSuite:
    if len(inputs) != len(outputs):
        raise InputError(f"{len(inputs)} inputs and {len(outputs)} outputs: one of each is a test")
    pairs = list(zip(inputs, outputs, strict=True))
    if not name:
        return TestSuite.pack(TestKind.STDIN, [StdinTest(_text(i), _text(o)) for i, o in pairs])
    tests = [CallTest(_arguments(i), _value(o) if isinstance(i, str) else o) for i, o in pairs]
    return TestSuite.pack(TestKind.CALL, tests, entry_point=name)


def _text(value: Any) -> str:
    """Lines where APPS has lists of them."""
    return "\n".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _arguments(value: Any) -> list[Any]:
    """A list of them, or JSON text with one a line, as LiveCodeBench has it."""
    if isinstance(value, str):
        return [json.loads(line) for line in value.splitlines() if line.strip()]
    return list(value)


def _value(value: Any) -> Any:
    """JSON text, where the arguments are."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _asserts(sources: Sequence[str]) -> TestSuite:
    return TestSuite.pack(TestKind.ASSERTS, [AssertTest(str(source)) for source in sources])


def _unknown(value: object) -> NoReturn:
    raise InputError(f"not a ground truth that is known: {_seen(value)}")


def _seen(value: object) -> str:
    if isinstance(value, Mapping):
        return f"a dictionary with {', '.join(sorted(map(str, value)))[:200] or 'nothing'}"
    return f"{type(value).__name__}" + (f" of {len(value)} characters" if isinstance(value, str) else "")
