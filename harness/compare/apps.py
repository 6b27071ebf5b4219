"""The `apps` profile: the comparison of the APPS reference grader, its leniency and its bugs included.

For numbers that stand beside published ones. Followed step by step from the project's notes on the
reference; C0 to C6 are their names for its steps. Standard output ends up as a set of sets of tokens,
so that order and repetition don't count, on lines or between them, and numbers are close at 1e-5
relative or equal at three decimals. A return value may be the first element of what is expected.

The reference leaves a test out of its results when step C4 raises. It can't: there the output is a list
of strings and the expected value a list of sets, and comparing those never raises. So every test counts.

Differs from the reference: values were plain data when they got here, so a numpy array is `Opaque`
(the reference fails those of more than one element), and a numpy number is a Python number.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from harness.compare.closeness import allclose
from harness.compare.strict import RealPositions

_CHUNK = 1 << 17
"""Tokens of a line held in memory at once."""
_LONG, _MOST_LINES = 1 << 20, 1_000_000
"""A flood of lines, far more than are expected, is wrong, whatever the reference's sets of them would say: it
would take the worker's memory. The longest expected output of APPS has a tenth of that."""


def stdout_matches(output: str, expected: str, *, reals: RealPositions | None = None) -> bool:
    """Whether the reference grader takes `output` for `expected`; it has no use for `reals`."""
    del reals
    if len(output) > _LONG and _lines(output) > _MOST_LINES and _lines(output) > 2 * _lines(expected):
        return False
    out = output.splitlines()
    if _same_text(out, expected) or out == [expected]:  # C0, C1
        return True
    # A line of white space only is dropped neither before it is stripped nor after: a bug to keep.
    wanted = [line.strip() for line in expected.split("\n") if line]
    if out == wanted:  # C2
        return True
    out = [line for line in out if line]
    if out == wanted:  # C3
        return True
    return _same_floats(out, wanted) or _same_sets(out, wanted)


def _lines(text: str) -> int:
    return text.count("\n") + text.count("\r") + text.count("\x0b") + text.count("\x0c")


def _same_text(out: list[str], expected: str) -> bool:
    """C0: equal once stripped as a whole, or line by line on the program's side only."""
    text = expected.strip()
    return "\n".join(out).strip() == text or "\n".join(line.strip() for line in out).strip() == text


def _same_floats(out: list[str], wanted: list[str]) -> bool:
    """C3f: one number per line, as many of them, and close as numpy's `allclose` has it."""
    if len(out) != len(wanted):
        return False
    try:
        return allclose([float(line) for line in out], [float(line) for line in wanted])
    except ValueError:
        return False


def _same_sets(out: list[str], wanted: list[str]) -> bool:
    """C5 and C6 (C4 compares strings with sets, which are equal only where C3 held)."""
    return _sets_equal(out, wanted, str) or _sets_equal(out, wanted, _rounded)


def _rounded(token: str) -> float:
    return round(float(token), 3)


def _sets_equal(out: list[str], wanted: list[str], read: Callable[[str], Hashable]) -> bool:
    """Whether both sides give the same set of lines, each a set of tokens.

    Stops at the first line or token that the other side lacks, so a flood costs no more memory than
    what is expected; reads a line or a token that comes again only once, so it costs little time.
    """
    try:
        wanted_lines = {frozenset(map(read, line.split())) for line in wanted}
        known = frozenset[Hashable]().union(*wanted_lines)
        seen_text = {""}
        seen = set()
        for line in out:
            if line in seen_text:
                continue
            tokens = _token_set(line, read, known)
            if tokens is None or (tokens and tokens not in wanted_lines):
                return False
            seen_text.add(line)
            if tokens:
                seen.add(tokens)
    except (ValueError, OverflowError):  # not a number: C6 has nothing to say
        return False
    return seen == wanted_lines


def _token_set(
    line: str, read: Callable[[str], Hashable], known: frozenset[Hashable]
) -> frozenset[Hashable] | None:
    """The tokens of a line; None as soon as one of them is unknown."""
    tokens: set[Hashable] = set()
    rest = line
    while rest:
        pieces = rest.split(None, _CHUNK)
        rest = pieces.pop() if len(pieces) > _CHUNK else ""
        read_pieces = set(map(read, set(pieces)))
        if not read_pieces <= known:
            return None
        tokens |= read_pieces
    return frozenset(tokens)


def value_matches(value: object, expected: object, *, wrapped: bool) -> bool:
    """Whether the reference grader takes `value` for `expected`; it always unwraps, so `wrapped` is moot."""
    del wrapped
    try:
        given: Any = list(value) if isinstance(value, tuple) else value
        if given == expected:
            return True
        if isinstance(expected, list) and expected and given == expected[0]:
            return True
    except Exception:  # the reference records a runtime error
        return False
    return _tuples_match(given, expected)


def _tuples_match(given: Any, expected: Any) -> bool:
    """A sequence of tuples equals the list of lists that is wrapped in `expected`."""
    try:
        if not isinstance(given[0], tuple) or len(given) != len(expected[0]):
            return False
        # Lengths first: a range is a list of any length in a few bytes.
        return all(
            len(item) == len(each) and list(item) == each
            for item, each in zip(given, expected[0], strict=True)
        )
    except Exception:  # as the reference, which tries it on anything
        return False
