"""What a program's outcome says to the trainer: category, sub-type, and which tokens are to blame.

A pure function of the runner's structured outcome; no traceback text is parsed. The categories are those that
CodeRL and RLTF reward; the scopes are the paper's U_global, U_line and U_ignore; `rltf.subtypes` is the
table. Does not cover: what any of it is worth (`rltf.rewards`), or which tokens a line has (`rltf.spans`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from harness.types import ErrorInfo, Outcome, Status
from rltf.choices import check_choice
from rltf.spans import line_spans
from rltf.subtypes import GLOBAL_ON_LAST_LINE, Scope, SubType, runtime_subtype, syntax_subtype

__all__ = ["Category", "Compat", "Feedback", "Scope", "feedback"]

Compat = Literal["paper", "released"]

_ERRORS = (
    Status.RUNTIME_ERROR,
    Status.TIMED_OUT,
    Status.OUT_OF_MEMORY,
    Status.OUTPUT_LIMIT,
    Status.LOST,
)


class Category(StrEnum):
    """The four classes of the coarse reward."""

    PASSED = "passed"
    """Every test passed."""
    FAILURE = "failure"
    """Every test ran to its end, and at least one answer was wrong."""
    ERROR = "error"
    """At least one test broke off: an exception, or a limit of time, memory or output."""
    SYNTAX_ERROR = "syntax_error"
    """The program does not compile."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the tests say of one program, in the trainer's words."""

    category: Category
    subtype: str
    """A name of `rltf.subtypes`, or `passed`, `wrong_answer`, `truncated`."""
    scope: Scope
    line: int | None
    """1-based line of the program as graded; set if and only if `scope` is `line`."""
    pass_ratio: float
    """Share of all tests passed, 0 to 1; tests that were not run count as not passed."""


def feedback(
    outcome: Outcome, code: str, *, truncated: bool = False, profile: str = "strict", compat: Compat = "paper"
) -> Feedback:
    """Class an outcome.

    An error in any test makes the program an error, even if an earlier test gave a wrong answer: the order is
    syntax error, error, failure, pass, as in the released code.

    Args:
        outcome: Of the runner.
        code: The program that was graded.
        truncated: Generation hit the length limit. Such a program, unless it passed, is blamed as a whole
            (the paper: U_global "when caused by truncation"). The released code does not know;
            `compat="released"` leaves it out, and blames the whole for certain messages on the last line
            instead.
        profile: Whose statuses count.
        compat: Follow the paper, or the classes of the released code.

    Raises:
        ValueError: If nothing can be said of the program: the grader failed, the problem has no tests, none
            was run, or the outcome was not judged under `profile`. None of these may become a reward.
    """
    check_choice("compat", compat, Compat)
    statuses = _statuses(outcome, profile)
    ratio = outcome.pass_ratio(profile)
    category = _category(statuses)
    if category is Category.PASSED:
        return Feedback(category, "passed", Scope.IGNORE, None, ratio)
    if truncated and compat == "paper":
        return Feedback(category, "truncated", Scope.GLOBAL, None, ratio)
    if category is Category.FAILURE:
        return Feedback(category, "wrong_answer", Scope.IGNORE, None, ratio)
    row, error = _blame(outcome, statuses, category)
    scope, line = _place(row, error, code, compat)
    return Feedback(category, row.name, scope, line, ratio)


def _statuses(outcome: Outcome, profile: str) -> list[Status]:
    name = f"{outcome.task_id}, sample {outcome.sample_id}"
    if outcome.infrastructure_error is not None:
        raise ValueError(f"{name}: the grader failed, so there is no reward: {outcome.infrastructure_error}")
    if outcome.unscorable:
        raise ValueError(f"{name}: the problem has no tests, so there is no reward; leave it out of training")
    if profile not in outcome.verdicts:
        raise ValueError(f"{name}: not judged under {profile!r}; available: {', '.join(outcome.verdicts)}")
    statuses = [test.statuses[profile] for test in outcome.tests]
    if all(status is Status.NOT_RUN for status in statuses):
        raise ValueError(f"{name}: no test was run, so there is no reward")
    return statuses


def _category(statuses: list[Status]) -> Category:
    if Status.SYNTAX_ERROR in statuses:
        return Category.SYNTAX_ERROR
    if any(status in _ERRORS for status in statuses):
        return Category.ERROR
    if all(status is Status.PASSED for status in statuses):
        return Category.PASSED
    return Category.FAILURE


def _blame(outcome: Outcome, statuses: list[Status], category: Category) -> tuple[SubType, ErrorInfo | None]:
    """Row and error of the first test that made the program what it is.

    Not `outcome.error`: that may belong to a test which passed, with an exit status that the profile
    forgives.
    """
    blamed = (Status.SYNTAX_ERROR,) if category is Category.SYNTAX_ERROR else _ERRORS
    index = next(index for index, status in enumerate(statuses) if status in blamed)
    error = outcome.tests[index].error
    if category is Category.SYNTAX_ERROR:
        return syntax_subtype(error), error
    return runtime_subtype(statuses[index], error), error


def _place(row: SubType, error: ErrorInfo | None, code: str, compat: Compat) -> tuple[Scope, int | None]:
    """Scope, and the line if that is the scope; a line that is nowhere to be found blames nothing."""
    spans = line_spans(code)
    reported = _reported(error, len(spans))
    wanted = row.scope if compat == "paper" else row.released
    if wanted == GLOBAL_ON_LAST_LINE:
        wanted = Scope.GLOBAL if reported == len(spans) else Scope.LINE
    if wanted is not Scope.LINE:
        return Scope(wanted), None
    # What is missing at the end is reported behind it, on a blank line, where there is no token to blame.
    written = [number for number, (start, end) in enumerate(spans, 1) if code[start:end].strip()]
    line = max((number for number in written if reported and number <= reported), default=None)
    return (Scope.IGNORE, None) if line is None else (Scope.LINE, line)


def _reported(error: ErrorInfo | None, lines: int) -> int | None:
    """The error's line, if it can be one of the program's: a report is the program's to forge."""
    if error is None or error.line is None or not 1 <= error.line <= lines + 1:
        return None
    return min(error.line, lines)
