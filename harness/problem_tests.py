"""The tests of a problem: their kinds, and a suite of them as the runner takes it.

Packed: a benchmark's tests unpacked do not fit a small host's memory. Imported as `harness.types`.
Does not cover: tests out of others' data (`harness.suites`), what counts as equal (`harness.compare`).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any


class TestKind(StrEnum):
    """How a problem's tests are run."""

    __test__ = False  # not a test class, whatever its name says to pytest

    STDIN = "stdin"
    """The program runs as a script once per test: text on stdin, stdout compared."""
    CALL = "call"
    """The program is imported; `entry_point` (a function, or a method of `Solution`) is called per test."""
    ASSERTS = "asserts"
    """The program is imported; each test is an `assert` statement."""


@dataclass(frozen=True, slots=True)
class StdinTest:
    """One test of a `TestKind.STDIN` problem."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class CallTest:
    """One test of a `TestKind.CALL` problem."""

    args: Sequence[Any]
    """Positional arguments, plain JSON values (int dictionary keys allowed)."""
    expected: Any
    """As the data gives it; APPS wraps some return values in a one-element list."""


@dataclass(frozen=True, slots=True)
class AssertTest:
    """One test of a `TestKind.ASSERTS` problem."""

    source: str
    """A Python `assert` statement."""


@dataclass(frozen=True, slots=True)
class ValueTest:
    """One test of a `TestKind.ASSERTS` problem that is no `assert`: what is expected stays outside."""

    source: str
    """A Python expression, evaluated after the program, among its names; its value leaves as plain data."""
    expected: str
    """A Python literal. The value must be equal to it, unless the suite has a `checker` that decides."""
    ran_inside: bool = False
    """The program's process learns what is expected, since the expression works that out."""


Test = StdinTest | CallTest | AssertTest | ValueTest


@dataclass(frozen=True, slots=True)
class Checker:
    """A problem's own rule for what is right, in place of the comparison profiles' rules.

    It is called in the grader worker as a `harness.compare.Check`, for every test but an `AssertTest`, whose
    rule is the assert itself. Crashes, limits and exit statuses are judged as everywhere.
    """

    path: str
    """`"package.module:function"`, imported by the grader worker."""
    version: str
    """Raised whenever a verdict may change; part of the cache key."""


@dataclass(frozen=True, slots=True)
class PreamblePart:
    """Some of a preamble, which programs that have no use for it can do without."""

    text: str
    names: tuple[str, ...]
    """All that it defines."""


@dataclass(frozen=True, eq=False)
class TestSuite:
    """The tests of one problem, packed: a benchmark's tests unpacked do not fit a small host's memory."""

    __test__ = False

    kind: TestKind
    packed: bytes
    """zlib-compressed JSON; `pack` makes it, `tests` reads it."""
    count: int
    entry_point: str | None = None
    """Function to call; where `kind` is `ASSERTS`, the one that the tests are about, if that is known."""
    preamble: str | tuple[PreamblePart, ...] = ""
    """Names that the benchmark promises to every program, run before it in the same namespace, as it is. Of
    one in parts, a program may be run without those whose names it does not have, if it can't tell."""
    setup: str = ""
    """Code run after the program and before the tests (MBPP's `test_setup_code`)."""
    exact_text: bool = False
    """Whether the spelling of a number on standard output counts, and not its value alone."""
    cpu_factor: float = 1.0
    """Times `Limits.cpu_seconds`: above 1 where the benchmark's own solution comes near that limit."""
    checker: Checker | None = None
    """`None`: the profiles decide what is right."""

    @classmethod
    def pack(
        cls,
        kind: TestKind,
        tests: Sequence[Test],
        *,
        entry_point: str | None = None,
        preamble: str | tuple[PreamblePart, ...] = "",
        setup: str = "",
        exact_text: bool = False,
        cpu_factor: float = 1.0,
        checker: Checker | None = None,
    ) -> TestSuite:
        """Build a suite from unpacked tests, all of the type that `kind` names."""
        rows: list[Any]
        if kind is TestKind.STDIN:
            rows = [[t.input, t.output] for t in tests if isinstance(t, StdinTest)]
        elif kind is TestKind.CALL:
            rows = [
                [_pack_value(list(t.args)), _pack_value(t.expected)] for t in tests if isinstance(t, CallTest)
            ]
        else:
            rows = [_pack_assert(t) for t in tests if isinstance(t, AssertTest | ValueTest)]
        if len(rows) != len(tests):
            raise TypeError(f"tests of kind {kind} must all be of its own type, got {set(map(type, tests))}")
        packed = zlib.compress(json.dumps(rows).encode(), level=1)
        return cls(kind, packed, len(rows), entry_point, preamble, setup, exact_text, cpu_factor, checker)

    def tests(self) -> list[Test]:
        """Unpack the tests, in the problem's order."""
        rows = json.loads(zlib.decompress(self.packed))
        if self.kind is TestKind.STDIN:
            return [StdinTest(i, o) for i, o in rows]
        if self.kind is TestKind.CALL:
            return [CallTest(_unpack_value(a), _unpack_value(e)) for a, e in rows]
        return [AssertTest(row) if isinstance(row, str) else ValueTest(*row) for row in rows]

    @property
    def preamble_text(self) -> str:
        """The whole of it."""
        if isinstance(self.preamble, str):
            return self.preamble
        return "".join(part.text for part in self.preamble)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of all that a verdict depends on here; part of the cache key."""
        return self._digest(self.packed)

    @property
    def content_digest(self) -> str:
        """The same of the tests unpacked: what two machines compare, whose zlibs may pack differently."""
        return self._digest(zlib.decompress(self.packed))

    def _digest(self, tests: bytes) -> str:
        parts = [self.kind, self.entry_point or "", self.preamble_text, self.setup]
        if self.cpu_factor != 1:  # where it is, what was kept before there were factors holds
            parts.append(repr(self.cpu_factor))
        if self.exact_text:
            parts.append("exact text")
        if self.checker is not None:
            parts.append(f"checker {self.checker.path} {self.checker.version}")
        if any("\0" in part for part in parts):
            # A client's text could spell what stands between parts, and so another's suite.
            parts = ["", repr([str(part) for part in parts])]
        return sha256("\0".join(parts).encode(errors="surrogatepass") + b"\0" + tests).hexdigest()


def _pack_assert(test: AssertTest | ValueTest) -> Any:
    return test.source if isinstance(test, AssertTest) else [test.source, test.expected, test.ran_inside]


def _pack_value(value: Any) -> Any:
    """JSON value; every dictionary becomes `{"items": [[key, value], …]}`, a long integer `{"int": hex}`.

    Both for what JSON text can't carry: int keys (APPS has them), and integers of more digits than
    Python reads or writes in decimal (`sys.set_int_max_str_digits`; train/3028 has one of 9,131).
    """
    if isinstance(value, dict):
        return {"items": [[_pack_value(key), _pack_value(item)] for key, item in value.items()]}
    if isinstance(value, int) and value.bit_length() > 64:
        return {"int": hex(value)}
    if isinstance(value, list | tuple):
        return [_pack_value(item) for item in value]
    return value


def _unpack_value(value: Any) -> Any:
    if isinstance(value, dict):
        if "int" in value:
            return int(value["int"], 16)
        return {_unpack_value(key): _unpack_value(item) for key, item in value["items"]}
    if isinstance(value, list):
        return [_unpack_value(item) for item in value]
    return value
