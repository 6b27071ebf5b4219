"""Why `strict` and `apps` differ on one test: rules over what the program gave and what is expected.

Pure functions, for `parity.py` and `gold.py`. Does not cover: which of the two is right. Where only the order
differs the statement decides, and most such problems accept several answers.
"""

from __future__ import annotations

from enum import StrEnum

from harness.types import Status, TestOutcome


class ProfileCause(StrEnum):
    """What one profile forgives and the other does not."""

    ORDER = "same words and numbers in another order (`apps` compares sets)"
    REPEATS = "same words and numbers, not as often (`apps` compares sets)"
    NUMBERS = "other numbers, within the tolerance of `apps` (1e-5 relative, or equal at three decimals)"
    EXIT = "right output, exit status not 0 (`apps` ignores it)"
    TYPES = "a value of another type that Python calls equal, or the first element of the expected list"
    LINES = "same words, other line breaks (`strict` ignores them)"
    FORMAT = "a real number written otherwise (`apps` reads numbers only where nothing else is on the line)"
    REALS = "a real value within 1e-6 (`apps` wants it exact)"


def why_profiles_differ(test: TestOutcome, given: object, expected: object) -> ProfileCause | None:
    """The cause for a test that passes under exactly one profile; None if no rule explains it.

    Args:
        test: The outcome.
        given: The program's standard output, or the value it returned.
        expected: As the data has it, of the same kind.
    """
    apps_only = test.statuses["apps"] is Status.PASSED
    if apps_only and test.statuses["strict"] is Status.RUNTIME_ERROR:
        return ProfileCause.EXIT
    if not (isinstance(given, str) and isinstance(expected, str)):
        return ProfileCause.TYPES if apps_only else ProfileCause.REALS
    words, wanted = given.split(), expected.split()
    if not apps_only:
        return ProfileCause.LINES if words == wanted else ProfileCause.FORMAT
    if sorted(words) == sorted(wanted):
        return ProfileCause.ORDER
    if set(words) == set(wanted):
        return ProfileCause.REPEATS
    return ProfileCause.NUMBERS if _all_numbers(words) and _all_numbers(wanted) else None


def _all_numbers(words: list[str]) -> bool:
    try:
        return all(float(word) == float(word) for word in words)
    except ValueError:
        return False
