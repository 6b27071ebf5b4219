"""The `strict` profile: a wrong answer is never a pass, and a right one fails only for its own doing.

Standard output is a sequence of tokens between ASCII white space; line breaks don't count, as in the
checkers that the APPS problems were judged with (testlib, Kattis, AtCoder read tokens). Order, number
and letter case do count. A token must be the expected text, except that

- at a *real position*, a place in the line (or, where all outputs have the same few lines, a place in that
  line) at which the problem's expected outputs somewhere have a decimal point or an exponent, any plain
  decimal number within 1e-6 (absolute or relative) will do for a real one: `3`, `3.0` and `3.0000001` for
  `3.0`; and for an integer one with a point: `50.0` for `50`, since jury programs drop the point and
  reference solutions (those of APPS test/519, 678, 1943, 4360 among them) print it;
- everywhere else it is exact text: not `4` or `3.0` for `3`, not `7` for `007` (binary strings and codes are
  tokens too), and no `1000000008.0` for a count of `1000000007` that stands beside a mean.

`inf`, `nan` and `1_000` are text. So is an expected token of more than 64 characters: no float is printed so
long. A problem that asks for the spelling of a number has no real position (`TestSuite.exact_text`).

Return values are compared as JSON data with types: a bool is no number, a string no number, a set no
list; a tuple is a list, since JSON has no tuples. int and float are one type, number, as in JSON and in
the `==` of the sites that the problems come from: an expected int is exact (`2.0` for `2`, never
`2.0000001`), an expected float has the tolerance above. An int dictionary key equals its decimal text.

Does not know: problems with several right answers, for which only a checker of their own would do;
tolerances wider than 1e-6 that a statement grants.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.closeness import is_near

# Possessive: a token may be as long as the output limit, and going back over it would take its square.
NUMBER = re.compile(rb"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?+")
_POINT_OR_EXPONENT = re.compile(rb"[.eE]")

LONGEST_REAL = 64
"""Characters of an expected token that may still be a printed float; APPS has 51 at most."""


def tokens(text: str, limit: int = -1) -> list[bytes]:
    """Pieces between ASCII white space; the rest in one piece after `limit` of them.

    Bytes, because `str.split` would also split at no-break spaces and control characters.
    """
    return text.encode("utf-8", "surrogatepass").split(None, limit)


def is_real(token: bytes) -> bool:
    """Whether an expected token is a printed float: decimal point or exponent, and not too long."""
    return (
        len(token) <= LONGEST_REAL
        and _POINT_OR_EXPONENT.search(token) is not None
        and NUMBER.fullmatch(token) is not None
    )


@dataclass(frozen=True, slots=True)
class RealPositions:
    """Where in its outputs a problem has real numbers."""

    places: frozenset[tuple[int, int]] = frozenset()
    """Line and number within the line, both from 0; line -1 where lines don't mean anything of their own."""
    by_line: bool = False
    """Whether each line means something of its own."""

    def __bool__(self) -> bool:
        return bool(self.places)

    def __contains__(self, place: tuple[int, int]) -> bool:
        line, number = place
        return (line if self.by_line else -1, number) in self.places


def real_positions(outputs: Sequence[str]) -> RealPositions:
    """Where the real numbers stand in a problem's expected outputs.

    A token's place is its number within its line. Where many outputs all have the same few lines, each line
    has a meaning of its own (a mean, then a count), and is a part of the place.
    """
    counts = {len(output.rstrip().split("\n")) for output in outputs}
    by_line = len(counts) == 1 and max(counts) <= _FEW_LINES and len(outputs) >= _MANY_OUTPUTS
    return RealPositions(
        frozenset(
            (line if by_line else -1, number)
            for output in outputs
            for line, text in enumerate(output.split("\n"))
            if "." in text or "e" in text or "E" in text
            for number, token in enumerate(tokens(text))
            if is_real(token)
        ),
        by_line,
    )


_FEW_LINES, _MANY_OUTPUTS = 4, 8


def stdout_matches(output: str, expected: str, *, reals: RealPositions | None = None) -> bool:
    """Whether `output` is the expected output.

    Args:
        output: what the program wrote, at most the output limit long.
        expected: what the problem expects.
        reals: `real_positions` of all expected outputs of the problem; by default those of this one.
    """
    if output == expected:
        return True
    wanted = tokens(expected)
    # Bounded by what is expected: a flood of tokens must not cost the grader worker its memory.
    given = tokens(output, len(wanted))
    if len(given) != len(wanted):
        return False
    if given == wanted:
        return True
    if reals is None:
        reals = real_positions([expected])
    if not reals:
        return False
    places = (
        (line, number)
        for line, text in enumerate(expected.split("\n"))
        for number in range(len(tokens(text)))
    )
    return all(
        g == w or (place in reals and _token_matches(g, w))
        for g, w, place in zip(given, wanted, places, strict=True)
    )


def _token_matches(given: bytes, wanted: bytes) -> bool:
    """Whether unequal tokens are the same number, at a real position."""
    # However long it is: reading 16 MB of digits as a float takes 10 ms (as an int, it would take hours).
    if NUMBER.fullmatch(given) is None:
        return False
    if is_real(wanted):
        return is_near(float(given), float(wanted))
    # Two integers are compared as text, whatever the problem: 1000000008 is not 1000000007.
    if len(wanted) > LONGEST_REAL or _POINT_OR_EXPONENT.search(given) is None:
        return False
    return NUMBER.fullmatch(wanted) is not None and is_near(float(given), float(wanted))


def value_matches(value: object, expected: object, *, wrapped: bool) -> bool:
    """Whether a returned value is the expected one.

    Args:
        value: plain data or `Opaque`, as decoded from the program's process.
        expected: JSON data.
        wrapped: every expected value of the problem is a one-element list (Codewars problems in APPS),
            so its element is as good as the list.
    """
    if wrapped and isinstance(expected, list) and len(expected) == 1 and same(value, expected[0]):
        return True
    return same(value, expected)


def same(value: object, expected: object) -> bool:
    """Typed equality of plain data with JSON data; a loop, so that no nesting is too deep for it."""
    pending: list[tuple[object, object]] = [(value, expected)]
    while pending:
        given, wanted = pending.pop()
        if isinstance(wanted, list | tuple):
            if not isinstance(given, list | tuple) or len(given) != len(wanted):
                return False
            pending.extend(zip(given, wanted, strict=True))
        elif isinstance(wanted, dict):
            matched = _match_items(given, wanted)
            if matched is None:
                return False
            pending.extend(matched)
        elif not _same_leaf(given, wanted):
            return False
    return True


def _same_leaf(given: object, wanted: object) -> bool:
    if isinstance(wanted, bool) or isinstance(given, bool):
        return given is wanted
    if isinstance(wanted, int):
        return isinstance(given, int | float) and given == wanted
    if isinstance(wanted, float):
        return isinstance(given, int | float) and _same_float(given, wanted)
    return type(given) is type(wanted) and given == wanted


def _same_float(given: float, wanted: float) -> bool:
    try:
        number = float(given)
    except OverflowError:  # an int beyond the floats is near none of them
        return False
    return number == wanted or is_near(number, wanted) or (math.isnan(number) and math.isnan(wanted))


def _match_items(given: object, wanted: dict[object, object]) -> list[tuple[object, object]] | None:
    """The values to compare, or None where the keys differ."""
    if not isinstance(given, dict) or len(given) != len(wanted):
        return None
    by_text = {_key_text(key): item for key, item in wanted.items()}
    matched = {}
    for key, item in given.items():
        text = _key_text(key)
        if text is None or text not in by_text:
            return None
        matched[text] = (item, by_text[text])
    # Fewer where `{1: …, "1": …}` stands against two other keys of the same text.
    return list(matched.values()) if len(matched) == len(wanted) else None


def _key_text(key: object) -> str | None:
    """A key as JSON writes it; None for what is no key of JSON data made from Python's."""
    if isinstance(key, str):
        return key
    # Longer integers aren't written in decimal without a limit of Python's in the way.
    if isinstance(key, int) and not isinstance(key, bool) and key.bit_length() <= 4096:
        return str(key)
    return None
