"""Inputs and outputs as tests: text for standard input, or arguments and a return value.

A call's arguments come as a list (APPS, PRIME, PrimeIntellect), or as a text with one JSON value a line
(LiveCodeBench, verl); its expected value as data in the first case and as JSON text in the second.

Does not cover: which keys hold them (`shapes.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.datasource import parse_long_int
from harness.errors import InputError
from harness.suites.encodings import check_size
from harness.types import CallTest, StdinTest, TestKind, TestSuite


def make_suite(inputs: Any, outputs: Any, fn_name: Any = None, *, json_input: bool = False) -> TestSuite:
    """Pairs of inputs and outputs as a suite; calls of `fn_name` if there is one, else standard input.

    Args:
        inputs, outputs: Lists of the same length.
        fn_name: The function, or method of `Solution`, to call.
        json_input: Whether a text among the inputs of calls is the JSON list of all arguments, and not one
            argument a line.

    Raises:
        InputError: If they are no pairs, too many, or of the wrong type.
    """
    if not isinstance(inputs, list | tuple) or not isinstance(outputs, list | tuple):
        raise InputError(
            f"inputs and outputs must be lists, got {type(inputs).__name__} and {type(outputs).__name__}"
        )
    if len(inputs) != len(outputs):
        raise InputError(f"{len(inputs)} inputs but {len(outputs)} outputs; get the data again")
    if not inputs:
        raise InputError("no tests: the inputs are an empty list; leave the problem out")
    check_size(count=len(inputs))
    pairs = list(zip(inputs, outputs, strict=True))
    if not fn_name:
        return TestSuite.pack(TestKind.STDIN, [_stdin(*pair, number) for number, pair in enumerate(pairs)])
    if not isinstance(fn_name, str) or not fn_name.isidentifier():
        raise InputError(f"the function's name must be an identifier, got {fn_name!r:.60}")
    tests = [_call(*pair, number, json_input) for number, pair in enumerate(pairs)]
    return TestSuite.pack(TestKind.CALL, tests, entry_point=fn_name)


def _stdin(given: Any, expected: Any, number: int) -> StdinTest:
    return StdinTest(_text(given, "input", number), _text(expected, "output", number))


def _text(value: Any, what: str, number: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    raise InputError(
        f"{what} {number} of a problem without a function's name must be text or lines of text, got"
        f" {type(value).__name__}; name the function if its tests are calls"
    )


def _call(given: Any, expected: Any, number: int, json_input: bool) -> CallTest:
    if isinstance(given, str):
        arguments = _json(given, number) if json_input else _lines(given, number)
        if not isinstance(arguments, list):
            raise InputError(f"input {number} must be the JSON list of a call's arguments")
        return CallTest(arguments, _json(expected, number) if isinstance(expected, str) else expected)
    if not isinstance(given, list | tuple):
        raise InputError(
            f"input {number} of a call must be a list of arguments or a JSON value a line, got"
            f" {type(given).__name__}"
        )
    return CallTest(list(given), expected)


def _lines(text: str, number: int) -> Sequence[Any]:
    """One argument a line."""
    return [_json(line, number) for line in text.split("\n") if line.strip()]


def _json(text: Any, number: int) -> Any:
    try:
        return json.loads(text, parse_int=parse_long_int)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"test {number} of a call is no JSON ({error}): {text!r:.60}") from error
