"""What a program's outcome says to the trainer: category, sub-type, and which tokens are to blame.

A pure function of the runner's structured outcome; no traceback text is parsed. The categories are those that
CodeRL and RLTF reward; the scopes are the paper's U_global, U_line and U_ignore; `rltf.rewards.error_types`
is the table. Does not cover: what any of it is worth (`rltf.rewards.rltf`), or which tokens a line has
(`rltf.rewards.line_tokens`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from harness.types import ErrorInfo, Outcome, Status, TestKind, TestOutcome
from rltf.rewards.empty_programs import is_nothing
from rltf.rewards.error_types import (
    GLOBAL_AT_END,
    LINE_IF_IMPORTED,
    Scope,
    SubType,
    runtime_subtype,
    syntax_subtype,
)
from rltf.rewards.line_tokens import line_spans
from rltf.rewards.released import released_place
from rltf.validation import check_choice

__all__ = ["Category", "Compat", "Feedback", "Scope", "feedback", "feedback_of"]

Compat = Literal["paper", "released"]

_ERRORS = (
    Status.RUNTIME_ERROR,
    Status.TIMED_OUT,
    Status.OUT_OF_MEMORY,
    Status.OUTPUT_LIMIT,
    Status.LOST,
)

_FORGIVEN = (Status.PASSED, Status.WRONG_ANSWER)
"""What a profile may say of a script that ended with another exit status than 0."""


class Category(StrEnum):
    """The four classes of the coarse reward."""

    PASSED = "passed"
    """Every test passed."""
    FAILURE = "failure"
    """Every test ran to its end, and at least one answer was wrong."""
    ERROR = "error"
    """At least one test broke off: an exception, or a limit of time, memory or output."""
    SYNTAX_ERROR = "syntax_error"
    """The program does not compile, or there is nothing in it to run (`rltf.rewards.empty_programs`)."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the tests say of one program, in the trainer's words."""

    category: Category
    subtype: str
    """A name of `rltf.rewards.error_types`, or `passed`, `wrong_answer`, `truncated`, `nothing_to_run`."""
    scope: Scope
    line: int | None
    """1-based line of the program as graded; set if and only if `scope` is `line`."""
    pass_ratio: float
    """Share of all tests passed, 0 to 1; tests that were not run count as not passed."""


def feedback_of(row: Mapping[str, Any]) -> Feedback:
    """Feedback from the plain values that `dataclasses.asdict` made of it."""
    return Feedback(**{**row, "category": Category(row["category"]), "scope": Scope(row["scope"])})


def feedback(
    outcome: Outcome,
    code: str,
    *,
    truncated: bool = False,
    profile: str = "strict",
    compat: Compat = "paper",
    kind: TestKind = TestKind.STDIN,
) -> Feedback:
    """Class an outcome.

    An error in any test makes the program an error, even if an earlier test gave a wrong answer: the order is
    syntax error, error, failure, pass, as in the released code. A program in which there is nothing to run is
    a syntax error and blamed as a whole. (As a script it is one in the released code, where the wrapper is
    left without a body; otherwise this is ours: it would be worth more than what breaks off, and so be what a
    policy learns to write.)

    Args:
        outcome: Of the runner.
        code: The program that was graded.
        truncated: Generation hit the length limit. Such a program, unless it passed, is blamed as a whole
            (the paper: U_global "when caused by truncation"). The released code does not know;
            `compat="released"` leaves it out, and goes by what is missing at the program's end instead.
        profile: Whose statuses count.
        compat: Follow the paper, or the classes of the released code. There, a script that ends with another
            exit status than 0 is an error that nothing is blamed for, whatever it had printed; the paper does
            not say, and `profile` decides.
        kind: Of the problem's tests.

    Raises:
        ValueError: If nothing can be said of the program: the grader failed, the problem has no tests, none
            was run, or the outcome was not judged under `profile`. None of these may become a reward.
    """
    check_choice("compat", compat, Compat)
    _check_graded(outcome, profile)
    statuses = [_status(test, profile, compat, kind) for test in outcome.tests]
    ratio = outcome.pass_ratio(profile)
    category = _category(statuses)
    if category is not Category.SYNTAX_ERROR and _is_worth_nothing(code, ratio, kind):
        return Feedback(Category.SYNTAX_ERROR, "nothing_to_run", Scope.GLOBAL, None, 0.0)
    if category is Category.PASSED:
        return Feedback(category, "passed", Scope.IGNORE, None, ratio)
    if truncated and compat == "paper":
        return Feedback(category, "truncated", Scope.GLOBAL, None, ratio)
    if category is Category.FAILURE:
        return Feedback(category, "wrong_answer", Scope.IGNORE, None, ratio)
    row, error = _blame(outcome, statuses, category, profile)
    scope, line = _place(row, error, code, compat, kind)
    return Feedback(category, row.name, scope, line, ratio)


def _check_graded(outcome: Outcome, profile: str) -> None:
    name = f"{outcome.task_id}, sample {outcome.sample_id}"
    if outcome.infrastructure_error is not None:
        raise ValueError(f"{name}: the grader failed, so there is no reward: {outcome.infrastructure_error}")
    if outcome.unscorable:
        raise ValueError(f"{name}: the problem has no tests, so there is no reward; leave it out of training")
    if profile not in outcome.verdicts:
        raise ValueError(f"{name}: not judged under {profile!r}; available: {', '.join(outcome.verdicts)}")
    if all(test.statuses[profile] is Status.NOT_RUN for test in outcome.tests):
        raise ValueError(f"{name}: no test was run, so there is no reward")


def _status(test: TestOutcome, profile: str, compat: Compat, kind: TestKind) -> Status:
    status, error = test.statuses[profile], test.error_under(profile)
    ended = (
        compat == "released" and kind is TestKind.STDIN and error is not None and error.type == "SystemExit"
    )
    return Status.RUNTIME_ERROR if ended and status in _FORGIVEN else status


def _is_worth_nothing(code: str, pass_ratio: float, kind: TestKind) -> bool:
    """An import may be all that an imported program needs; a script that only imports has no answer."""
    return (kind is TestKind.STDIN or pass_ratio == 0) and is_nothing(code)


def _category(statuses: list[Status]) -> Category:
    if Status.SYNTAX_ERROR in statuses:
        return Category.SYNTAX_ERROR
    if any(status in _ERRORS for status in statuses):
        return Category.ERROR
    if all(status is Status.PASSED for status in statuses):
        return Category.PASSED
    return Category.FAILURE


def _blame(
    outcome: Outcome, statuses: list[Status], category: Category, profile: str
) -> tuple[SubType, ErrorInfo | None]:
    """Row and error of the first test that made the program what it is.

    Not `outcome.error`: that may belong to a test which passed, with an exit status that the profile
    forgives.
    """
    blamed = (Status.SYNTAX_ERROR,) if category is Category.SYNTAX_ERROR else _ERRORS
    index = next(index for index, status in enumerate(statuses) if status in blamed)
    error = outcome.tests[index].error_under(profile)
    if category is Category.SYNTAX_ERROR:
        return syntax_subtype(error), error
    return runtime_subtype(statuses[index], error), error


def _place(
    row: SubType, error: ErrorInfo | None, code: str, compat: Compat, kind: TestKind
) -> tuple[Scope, int | None]:
    """Scope, and the line if that is the scope; a line that is nowhere to be found blames nothing."""
    spans = line_spans(code)
    # A report is the program's to forge; what is missing at the end is reported on the line behind it.
    known = error is not None and error.line is not None and 1 <= error.line <= len(spans) + 1
    reported = error.line if error is not None and known else None
    wanted = row.scope if compat == "paper" else row.released
    if wanted == LINE_IF_IMPORTED:
        wanted = Scope.IGNORE if kind is TestKind.STDIN else Scope.LINE
    if wanted == GLOBAL_AT_END:
        if error is None or reported is None:
            return Scope.IGNORE, None
        wanted, reported = released_place(row, error, code, kind)
    if wanted is not Scope.LINE:
        return Scope(wanted), None
    # Behind the end, or on a blank line, there is no token to blame.
    written = [number for number, (start, end) in enumerate(spans, 1) if code[start:end].strip()]
    line = max((number for number in written if reported and number <= reported), default=None)
    return (Scope.IGNORE, None) if line is None else (Scope.LINE, line)
