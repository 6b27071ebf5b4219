"""From a task's inputs and what its reference returned to tests with an oracle and a tolerance each.

EvalPlus' tolerance belongs to a whole run over inputs: 0 turns into 1e-6 at the first expected value that is
a float, and stays so for all inputs after it. Since what is expected is known beforehand, so is the tolerance
at each input, with that fault and without.

Covers: EvalPlus' special oracles (evalplus/eval/__init__.py and _special_oracle.py), by the function's name.
Does not cover: comparing (`checker.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.evalplus.digests import MOST_TEXT, SETUP
from benchmarks.evalplus.inputs import spelled
from harness.compare import Opaque
from harness.suites import Output, text_of
from harness.types import Checker, TestKind, TestSuite, ValueTest

CHECKER = Checker("benchmarks.evalplus.checker:check", "1")
FLOAT_TOLERANCE = 1e-6
"""Absolute, in place of 0 where a float is expected."""
_LIMIT_FACTOR = 4.0
"""EvalPlus allows four times what its reference took (evalplus/config.py), and no less than 4 s."""
_LEAST_SECONDS = 4.0
_MOST_SECONDS = 60.0
"""EvalPlus' limit for all inputs of a task."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task, as its row has it."""

    task_id: str
    prompt: str
    entry_point: str
    solution: str
    """A whole program."""
    base: Sequence[Sequence[Any]]
    """Arguments of each call."""
    plus: Sequence[Sequence[Any]]
    tolerance: float
    """`atol` of the row."""
    oracles: str
    """`humaneval` or `mbpp`."""
    fields: tuple[str, ...]
    """Of the row, to be hashed."""

    def expressions(self) -> list[str]:
        """The calls, base before plus."""
        calls = [*self.base, *self.plus]
        return [f"{self.entry_point}({', '.join(map(spelled, args))})" for args in calls]


@dataclass(frozen=True, slots=True)
class Case:
    """What is expected of one call; kept in `ValueTest.expected` (`packed`, `read_case`)."""

    oracle: str
    """A key of `benchmarks.evalplus.checker.ORACLES`."""
    base: bool
    """Whether it is one of the base inputs."""
    sticky: tuple[float, float]
    """Absolute tolerances before and after this input's expected value was seen, as EvalPlus has them."""
    fixed: tuple[float, float]
    """The same, of this input alone."""
    expected: str
    """Plain data, as `harness.suites.text_of` writes it."""
    other: str = "null"
    """More that the oracle wants, in the same way."""

    def packed(self) -> str:
        """As a Python literal."""
        fields = (self.oracle, self.base, self.sticky, self.fixed, self.expected, self.other)
        return repr(json.dumps(fields))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a task's reference gave for one input."""

    expression: str
    """What was evaluated, and will be with a program."""
    output: Output
    digest: bool = False
    """Whether that is the value's digest; see `digests.py`."""


def long_outputs(outputs: Sequence[Output]) -> list[int]:
    """Places of those that are too long to be carried and compared for every program."""
    return [
        place
        for place, output in enumerate(outputs)
        if len(output.data) > MOST_TEXT or (output.error or "").startswith("output_limit")
    ]


def make_suite(task: Task, answers: Sequence[Answer]) -> TestSuite:
    """The tests of a task, base before plus; inputs for which the reference has no output are left out."""
    split = len(task.base)
    inputs = [*task.base, *task.plus]
    tests: list[ValueTest] = []
    for base, part in ((True, range(split)), (False, range(split, len(inputs)))):
        # Each of the two is a run of its own.
        tolerance = task.tolerance
        for number in part:
            answer = answers[number]
            if answer.output.error is not None:
                continue
            case, tolerance = _case(task, inputs[number], answer, tolerance, base=base)
            tests.append(ValueTest(answer.expression, case.packed()))
    slowest = max((answer.output.cpu_seconds for answer in answers), default=0.0)
    return TestSuite.pack(
        TestKind.ASSERTS,
        tests,
        entry_point=task.entry_point,
        setup=SETUP if any(answer.digest for answer in answers) else "",
        checker=CHECKER,
        # In whole steps, so that two measurements of the same reference mostly give the same suite.
        cpu_factor=float(max(1, math.ceil(min(_LIMIT_FACTOR * slowest, _MOST_SECONDS) / _LEAST_SECONDS))),
    )


def _case(
    task: Task, args: Sequence[Any], answer: Answer, tolerance: float, *, base: bool
) -> tuple[Case, float]:
    """The case, and the tolerance for the input after it."""
    expected = answer.output.value
    oracle, other = ("equal", None) if answer.digest else _oracle(task, args)
    if oracle == "not_none":
        expected = expected is not None
    own = task.tolerance
    after, own_after = tolerance, own
    if oracle != "root" and is_floats(expected):
        after, own_after = tolerance or FLOAT_TOLERANCE, own or FLOAT_TOLERANCE
    expected = _NO_DATA if isinstance(expected, Opaque) else expected
    case = Case(oracle, base, (tolerance, after), (own, own_after), text_of(expected), text_of(other))
    return case, after


_NO_DATA = Opaque("no plain data")


def is_floats(value: Any) -> bool:
    """Whether it is a float, or a list or tuple of nothing else."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def _oracle(task: Task, args: Sequence[Any]) -> tuple[str, Any]:
    """The rule of a task, and what else it wants to know of an input."""
    if task.oracles == "humaneval":
        return ("root", list(args[0])) if task.entry_point == "find_zero" else ("equal", None)
    special = _ALTERNATIVES.get(task.entry_point)
    if special is not None:
        oracle, of = special
        return oracle, of(*args)
    return _ORACLES.get(task.entry_point, "equal"), None


def _surface(base_edge: Any, height: Any) -> Any:
    """Mbpp/581, with the height from base to apex, which the reference does not take it for."""
    slant = math.sqrt((base_edge / 2) ** 2 + height**2)
    return round(base_edge**2 + 4 * (base_edge * slant) / 2)


def _digit_distance(first: Any, second: Any) -> Any:
    """Mbpp/558, the shorter number filled with zeros from the left."""
    width = max(len(str(first)), len(str(second)))
    pairs = zip(str(first).zfill(width), str(second).zfill(width), strict=True)
    return sum(abs(int(one) - int(two)) for one, two in pairs)


_ALTERNATIVES: dict[str, tuple[str, Callable[..., Any]]] = {
    "surface_Area": ("near_other", _surface),
    "digit_distance_nums": ("other", _digit_distance),
}
"""A second right answer, computed from the input."""
_ORACLES = {
    "are_equivalent": "any",  # Mbpp/164
    "sum_div": "or_zero",  # Mbpp/295
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), "not_none"),
    **dict.fromkeys(
        ("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
         "intersection_array", "find_dissimilar", "Diff"),
        "as_set",
    ),
}  # fmt: skip
