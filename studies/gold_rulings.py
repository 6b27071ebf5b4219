"""Whose fault it is that a reference solution fails: its own, or its problem's.

Every solution was once accepted by the site that it comes from, so solutions that differ from the expected
output *and from each other* show several right answers. Does not cover: statements, which no rule reads; a
cause is what the programs show.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from gold_classes import Failure, Fault, classify, words


class Ruling(StrEnum):
    """What its solutions say of a problem whose first solution fails."""

    SOLUTION = "another solution passes: the first one is bad"
    REPAIRED = (
        "solutions pass in the form in which the reference runs them (in a function): the texts are bad"
    )
    UNRUNNABLE = "no solution looked at runs here, each by its own fault: nothing is known of the problem"
    SLOW = "no solution looked at that runs is quick enough: more than 4 s of CPU for a test"
    ORDER = "several right answers: solutions give the expected values in another order, or not as often"
    ANSWERS = "several right answers: solutions differ from what is expected and from each other"
    AGREED = (
        "no solution gives the expected output, they agree on another (several right answers, or a wrong one)"
    )
    ALONE = "the only solution that runs gives another answer than the expected one"
    REALS = "tolerance: solutions come near the expected real numbers, not within 1e-6"
    EMPTY = "the expected output is empty where the solutions print something"
    FILES = "the solutions read and write files (input.txt, output.txt); the tests give standard input"
    SITE = "needs a class that its site supplies (ListNode)"
    INPUTS = "malformed tests: the solutions raise on the input"


BAD_PROBLEM = (
    Ruling.ORDER,
    Ruling.ANSWERS,
    Ruling.AGREED,
    Ruling.ALONE,
    Ruling.REALS,
    Ruling.EMPTY,
    Ruling.FILES,
    Ruling.SITE,
    Ruling.INPUTS,
)
"""Rulings that put a problem on the list of errata."""


def judge_problem(failures: Sequence[Failure], passed: int, repaired: int) -> Ruling:
    """What the solutions looked at say of their problem.

    Args:
        failures: The solutions that fail under `strict`, those included that fail in the form in which the
            reference runs them.
        passed: How many pass under `strict` as they stand.
        repaired: How many more pass in the reference's form.
    """
    wrong = [failure for failure in failures if failure.shown]
    if several := _answers(wrong, passed + repaired):
        return several
    if passed:
        return Ruling.SOLUTION
    if repaired:
        return Ruling.REPAIRED
    if wrong:
        return Ruling.AGREED if len(wrong) > 1 else Ruling.ALONE
    faults = {classify(failure) for failure in failures}
    by_fault = (
        (Fault.FILES, Ruling.FILES),
        (Fault.TIME, Ruling.SLOW),
        (Fault.INPUT_SHAPE, Ruling.INPUTS),
        (Fault.RAISES, Ruling.INPUTS),
        (Fault.UNDEFINED, Ruling.SITE),
    )
    return next((ruling for fault, ruling in by_fault if fault in faults), Ruling.UNRUNNABLE)


def _answers(wrong: Sequence[Failure], passing: int) -> Ruling | None:
    """Whether wrong answers show that a problem has several right ones, or none to compare with."""
    faults = {classify(failure) for failure in wrong}
    if wrong and all(not words(shown.expected) for failure in wrong for shown in failure.shown):
        return Ruling.EMPTY
    if faults and faults <= {Fault.ORDER, Fault.REPEATS}:
        return Ruling.ORDER
    if faults == {Fault.CLOSE}:
        return Ruling.REALS
    by_test: dict[int, set[str]] = {}
    for failure in wrong:
        for shown in failure.shown:
            by_test.setdefault(shown.test, set()).add(" ".join(words(shown.given)))
    differ = any(len(answers) > 1 for answers in by_test.values())
    # One wrong answer beside passing solutions may be no more than one bad solution; two that differ are not.
    return Ruling.ANSWERS if differ and (len(wrong) > 2 or not passing) else None
