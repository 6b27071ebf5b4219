"""Tests that decide no reward: a program that passes the others and fails these has learned the tests.

With `held_back=0.25` the last quarter of each problem's tests, where there are at least four, is run and does
not count: neither feedback nor reward terms see it. Without, the tests that a prompt may show
(`Problem.public_tests`) stand against the others, which then count as well. Does not cover: evaluation,
which counts all tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.types import Outcome, Problem, Status, TestOutcome

FEWEST = 4
"""Tests of a problem of which some are held back, and of one with tests of both kinds that is looked at."""


def number_held_back(tests: int, share: float) -> int:
    """How many of a problem's tests, its last ones, decide no reward.

    The last, since what a test does to those behind it (none is run after a time-out) must not tell of it.
    """
    return int(tests * share) if tests >= FEWEST else 0


def rewarded_part(outcome: Outcome, held: int) -> Outcome:
    """The outcome of the tests that count, all but the last `held`."""
    if not held or not outcome.tests:
        return outcome
    tests = outcome.tests[: len(outcome.tests) - held]
    verdicts = {profile: _verdict(tests, profile) for profile in outcome.verdicts}
    error = next((each.error for each in tests if each.error is not None), None)
    return replace(outcome, tests=tests, verdicts=verdicts, error=error)


def _verdict(tests: Sequence[TestOutcome], profile: str) -> Status:
    statuses = (each.statuses[profile] for each in tests)
    return next((each for each in statuses if each is not Status.PASSED), Status.PASSED)


def visible_tests(problem: Problem, held: int) -> frozenset[int]:
    """Places of the tests that a policy learns by, or is shown; none where there are too few of either kind.

    Args:
        problem: With its tests.
        held: How many of them are held back.
    """
    suite = problem.suite
    if held:
        return frozenset(range(suite.count - held))
    if not problem.public_tests or suite.count < FEWEST:
        return frozenset()
    shown = frozenset(place for place, test in enumerate(suite.tests()) if test in problem.public_tests)
    return shown if len(shown) < suite.count else frozenset()


def passes_visible_alone(outcome: Outcome, visible: frozenset[int], profile: str) -> bool:
    """Whether a program passes all visible tests, and not all of the others."""
    passed = {place for place, test in enumerate(outcome.tests) if test.statuses[profile] is Status.PASSED}
    return visible <= passed and len(passed) < len(outcome.tests)
