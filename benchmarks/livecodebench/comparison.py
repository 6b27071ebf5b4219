"""Profile `lcb`: LiveCodeBench's comparison (lcb_runner/evaluation/testing_util.py).

Standard output: both sides stripped and split into lines, as many on each, each line stripped. A line is
right if it is the expected text, or if both are numbers between white space that are equal as decimals: `1.0`
for `1.00` and `1e3` for `1000`, never `0.333` for `0.3333`. Return values: equal by `==`, once a tuple (not
one within another value) is a list; there is no tolerance.

Differs from its grader, which a program's objects can talk to: what is no plain data is equal to nothing.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from harness.compare import Profile, RealPositions, assert_matches

_LONGEST = 1 << 16
"""Characters of a number: none that a contest expects is as long."""


def stdout_matches(output: str, expected: str, *, reals: RealPositions | None = None) -> bool:
    """Whether its grader takes `output` for `expected`; it has no use for `reals`."""
    del reals
    wanted = expected.strip().split("\n")
    # Not more lines than are expected are looked at, nor made.
    given = output.strip().split("\n", len(wanted))
    return len(given) == len(wanted) and all(map(_line_matches, given, wanted))


def _line_matches(given: str, wanted: str) -> bool:
    given, wanted = given.strip(), wanted.strip()
    return given == wanted or _same_decimals(given, wanted)


def _same_decimals(given: str, wanted: str) -> bool:
    expected = wanted.split()
    tokens = given.split(None, len(expected))
    if len(tokens) != len(expected):
        return False
    try:
        return all(_decimal(each) == _decimal(other) for each, other in zip(tokens, expected, strict=True))
    except (InvalidOperation, ValueError):
        return False


def _decimal(token: str) -> Decimal:
    if len(token) > _LONGEST:
        raise ValueError("too long for a number")
    return Decimal(token)


def value_matches(value: object, expected: object, *, wrapped: bool) -> bool:
    """Whether its grader takes a returned value for `expected`; it knows of no wrapped values."""
    del wrapped
    return assert_matches(list(value) if isinstance(value, tuple) else value, expected)


LCB = Profile(
    name="lcb",
    version="1",
    stdout_matches=stdout_matches,
    value_matches=value_matches,
    assert_matches=assert_matches,
    # Its grader swallows SystemExit, and runs every script as the body of a function.
    exit_code_fails=False,
    runs_in_function=True,
)
