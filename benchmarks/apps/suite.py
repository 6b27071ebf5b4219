"""From a row's `input_output` text to a packed test suite, by the rules of the reference grader.

Covers: stdin or call-based, lists of lines, the repair of dictionary keys, problems without tests.
Does not cover: comparison; wrapped return values stay wrapped (`harness.compare` knows of them).
"""

from __future__ import annotations

import json
from typing import Any

from harness.datasource import parse_long_int, require
from harness.errors import DatasetError
from harness.types import CallTest, PreamblePart, StdinTest, TestKind, TestSuite

# The reference grader puts these imports before every program, and published solutions rely on them
# (`deque`, `List`), so they belong to the benchmark. In parts, since numpy and what takes a module of the
# library cost every process, and most programs have no use for them.
PREAMBLE = (
    PreamblePart(
        """\
import sys
import time
import itertools
from itertools import accumulate, product, permutations, combinations
import collections
from collections import Counter, OrderedDict, deque, defaultdict, ChainMap
from functools import lru_cache
import math
from math import sqrt, sin, cos, tan, ceil, fabs, floor, gcd, exp, log, log2
import fractions
from typing import List, Tuple
""",
        (
            "sys", "time", "itertools", "accumulate", "product", "permutations", "combinations",
            "collections", "Counter", "OrderedDict", "deque", "defaultdict", "ChainMap", "lru_cache", "math",
            "sqrt", "sin", "cos", "tan", "ceil", "fabs", "floor", "gcd", "exp", "log", "log2", "fractions",
            "List", "Tuple",
        ),
    ),
    PreamblePart("import numpy as np\n", ("np", "numpy")),
    PreamblePart(
        """\
import random
import heapq
from heapq import *
""",
        ("random", "heapq", "heappush", "heappop", "heapify", "heapreplace", "merge", "nlargest", "nsmallest",
         "heappushpop"),
    ),
)  # fmt: skip


def make_suite(text: str, place: str, *, exact_text: bool = False) -> TestSuite:
    """Pack the tests of one row; a suite of `count` 0 where it has none that can be run.

    Args:
        text: the row's `input_output`: JSON, or empty where the problem has no tests.
        place: file and line of the row, for errors.
        exact_text: whether the problem asks for the spelling of a number.

    Raises:
        DatasetError: If the text is broken JSON, lacks `inputs` or `outputs`, or pairs them unequally.
    """
    data = _parse(text, place)
    if not data:
        return TestSuite.pack(TestKind.STDIN, [], preamble=PREAMBLE)
    name = data.get("fn_name")
    inputs = require(data, "inputs", list, f"{place}: input_output")
    outputs = require(data, "outputs", list, f"{place}: input_output")
    if len(inputs) != len(outputs):
        raise DatasetError(f"{place}: {len(inputs)} inputs but {len(outputs)} outputs; get the file again")
    # An empty name means stdin, as it does to the reference's prompts; its grader would look for a
    # function called "". No row of the data has one.
    if not name:
        tests = _stdin_tests(inputs, outputs)
        return TestSuite.pack(TestKind.STDIN, tests, preamble=PREAMBLE, exact_text=exact_text)
    if not isinstance(name, str):
        raise DatasetError(f"{place}: fn_name must be a name, got {name!r:.50}; get the file again")
    calls = [_call_test(args, out, place) for args, out in zip(inputs, outputs, strict=True)]
    return TestSuite.pack(TestKind.CALL, calls, entry_point=name, preamble=PREAMBLE)


def _parse(text: str, place: str) -> dict[str, Any]:
    try:
        data = json.loads(text, parse_int=parse_long_int) if text.strip() else None
    except ValueError as error:
        raise DatasetError(f"{place}: input_output is broken JSON ({error}); get the file again") from error
    if not data:
        return {}
    if not isinstance(data, dict):
        raise DatasetError(f"{place}: input_output must be a JSON object, got {type(data).__name__}")
    return data


def _stdin_tests(inputs: list[Any], outputs: list[Any]) -> list[StdinTest]:
    """All tests, or none if one of them is not text: the problem is then unscorable, not guessed at.

    The reference grader raises on such a problem. No row of the data read so far has one.
    """
    texts = [(_join_lines(i), _join_lines(o)) for i, o in zip(inputs, outputs, strict=True)]
    tests = [StdinTest(i, o) for i, o in texts if i is not None and o is not None]
    return tests if len(tests) == len(texts) else []


def _join_lines(value: Any) -> str | None:
    """Text, or a list of lines joined without a trailing newline; `None` for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return None


def _call_test(args: Any, expected: Any, place: str) -> CallTest:
    """One call, its dictionaries' keys turned back into the integers that JSON made strings of.

    Exactly as far as the reference goes: an argument list that starts with such a dictionary loses its
    other arguments, and only the outermost dictionary of an expected value is repaired.
    """
    if not isinstance(args, list):
        raise DatasetError(f"{place}: a call's input must be a list of arguments, got {type(args).__name__}")
    return CallTest(_repair_arguments(args), _repair_expected(expected))


def _repair_arguments(args: list[Any]) -> list[Any]:
    repaired = _int_keys(args[0]) if args else None
    return args if repaired is None else [repaired]


def _repair_expected(value: Any) -> Any:
    """A dictionary of integer literals ends up in a one-element list, wherever it stood; others stay bare."""
    inner = value[0] if isinstance(value, list) and value else value
    repaired = _int_keys(inner)
    return value if repaired is None else [repaired]


def _int_keys(value: Any) -> dict[int, Any] | None:
    """The dictionary with integer keys; `None` if it is no dictionary or one key is no integer literal."""
    if not isinstance(value, dict):
        return None
    try:
        return {int(key): item for key, item in value.items()}
    except ValueError:
        return None
