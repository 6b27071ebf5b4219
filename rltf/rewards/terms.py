"""Reward terms: callables over a graded program that give a value and, if they like, the lines it is for.

A term is a class whose fields are its options and whose instances are called with a `GradedProgram`; `TERMS`
names those that exist. `--set terms={"pass_rate":1,"lint":0.2}` chooses and weights them, `lint.unused=-0.5`
sets an option of one. A term is called once for each program, where it is graded, and must not run it.
Does not cover: what an objective makes of the values (`rltf.objectives`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol

from harness.errors import InputError
from harness.types import Outcome, Problem
from rltf.bounds import NO_BOUNDS, bounds_of
from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rewards.line_tokens import line_spans
from rltf.validation import find_class

TERMS: Mapping[str, str] = {
    "pass_rate": "rltf.rewards.terms:PassRate",
    "passed": "rltf.rewards.terms:Passed",
    "coarse": "rltf.rewards.terms:Coarse",
    "fine": "rltf.rewards.terms:Fine",
    "lint": "rltf.rewards.lint:Lint",
    "static": "rltf.rewards.static:Static",
    "ast": "rltf.rewards.ast_match:AstMatch",
    "dfg": "rltf.rewards.dfg_match:DfgMatch",
}
"""Name to `module:class`. A term of your own needs no entry here: it is named `module:class` in `terms`."""

Spans = Sequence[tuple[int, int]]
"""Characters of a program, `(first, behind the last)`."""


@dataclass(frozen=True, slots=True)
class GradedProgram:
    """All that a reward term may look at."""

    code: str
    outcome: Outcome
    feedback: Feedback
    problem: Problem


@dataclass(frozen=True, slots=True)
class TermValue:
    """What a term gives a program."""

    value: float
    spans: Spans | None = None
    """The characters of the program that the value is for, each token of theirs alike; `None` for all of the
    completion."""


def whole_value(values: Mapping[str, TermValue]) -> float:
    """The sum of those that are for all of a completion."""
    return sum(each.value for each in values.values() if each.spans is None)


def names_with_spans(rows: Iterable[Mapping[str, TermValue]]) -> list[str]:
    """Names of the terms that are for some characters only, in at least one of the programs."""
    return sorted({name for row in rows for name, each in row.items() if each.spans is not None})


class RewardTerm(Protocol):
    """What an instance of a term's class is."""

    def __call__(self, program: GradedProgram, /) -> TermValue:
        """The term's value for a program; the same each time for the same program."""


@dataclass(frozen=True, slots=True)
class PassRate:
    """Share of the problem's tests that pass, 0 to 1; tests that were not run count as not passed."""

    def __call__(self, program: GradedProgram) -> TermValue:
        return TermValue(program.feedback.pass_ratio)


@dataclass(frozen=True, slots=True)
class Passed:
    """1 if every test passes, else 0."""

    def __call__(self, program: GradedProgram) -> TermValue:
        return TermValue(float(program.feedback.category is Category.PASSED))


@dataclass(frozen=True, slots=True)
class Coarse:
    """The coarse reward of CodeRL and RLTF (arXiv:2307.04349, eq. 3)."""

    passed: float = 1.0
    """Eq. 3, "pass"."""
    failure: float = -0.3
    """Eq. 3, "failure"."""
    error: float = -0.6
    """Eq. 3, "error except syntax error"."""
    syntax_error: float = -1.0
    """Eq. 3, "syntax error"."""

    def __call__(self, program: GradedProgram) -> TermValue:
        return TermValue(getattr(self, program.feedback.category))


@dataclass(frozen=True, slots=True)
class Fine:
    """The fine-grained reward of RLTF (eq. 4): a penalty for the line, or the program, that is to blame."""

    penalty: float = -0.3
    """Eq. 4; Table 6 tries -0.1 to -0.5."""

    def __call__(self, program: GradedProgram) -> TermValue:
        feedback = program.feedback
        if feedback.scope is Scope.IGNORE:
            return TermValue(0.0, ())
        if feedback.scope is Scope.LINE and feedback.line is not None:
            return TermValue(self.penalty, spans_of_lines(program.code, [feedback.line]))
        return TermValue(self.penalty, ((0, len(program.code)),))


def spans_of_lines(code: str, lines: Iterable[int]) -> list[tuple[int, int]]:
    """The characters of `lines` (1-based) of a program, without their indentation and line ends."""
    every = line_spans(code)
    found = []
    for line in lines:
        if 1 <= line <= len(every):
            first, last = every[line - 1]
            content = code[first:last]
            found.append((first + len(content) - len(content.lstrip()), first + len(content.rstrip())))
    return found


@dataclass(frozen=True, slots=True)
class WeightedTerm:
    """A term that was chosen."""

    name: str
    weight: float
    term: RewardTerm

    def __call__(self, program: GradedProgram) -> TermValue:
        found = self.term(program)
        return TermValue(self.weight * found.value, found.spans)


def make_terms(
    weights: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[WeightedTerm]:
    """The terms of a configuration, in its order.

    Args:
        weights: Name to weight.
        options: Name to the options of that term.

    Raises:
        InputError: If a term, an option or a value is not known, or a package that a term needs is missing.
    """
    options = options or {}
    if unused := sorted(options.keys() - weights.keys()):
        raise InputError(f"{unused[0]} has options but no weight; name it in terms={{…}} too")
    return [
        WeightedTerm(name, _weight(name, weight), make_term(name, options.get(name, {})))
        for name, weight in weights.items()
    ]


def make_term(name: str, options: Mapping[str, Any]) -> RewardTerm:
    """One term with its options.

    Raises:
        InputError: As `make_terms`.
    """
    kind = find_term(name)
    known = {each.name: each for each in fields(kind)} if is_dataclass(kind) else {}
    for option, value in options.items():
        if option not in known:
            raise InputError(f"unknown option {name}.{option}; {name} has {', '.join(known) or 'none'}")
        bounds_of(known[option]).check(f"{name}.{option}", value)
    term: RewardTerm = kind(**options)
    return term


def find_term(name: str) -> type[Any]:
    """The class of a term.

    Raises:
        InputError: If there is none.
    """
    found: type[Any] = find_class("reward term", name, TERMS)
    return found


def _weight(name: str, weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise InputError(f"terms: the weight of {name} must be a number, got {weight!r}")
    NO_BOUNDS.check(f"terms: the weight of {name}", weight)
    return float(weight)
