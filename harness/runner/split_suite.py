"""A problem's tests as a worker holds them: what goes to the fork server, and what stays."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any

from harness.compare import Check, RealPositions, find_check, is_wrapped, real_positions
from harness.runner.asserts import Split, literal, names_defined, split
from harness.runner.sandbox.values import encode
from harness.types import (
    AssertTest,
    CallTest,
    PreamblePart,
    StdinTest,
    Test,
    TestKind,
    TestSuite,
    ValueTest,
)

_NUMPY = re.compile(r"\b(numpy|np)\b")
_WORD = re.compile(r"\w+")
_LOOKING = frozenset(
    (
        "__builtins__", "__dict__", "__globals__", "__import__", "__main__", "__module__", "_getframe",
        "ctypes", "dir", "eval", "exec", "f_globals", "f_locals", "gc", "getattr", "globals", "hasattr",
        "importlib", "inspect", "locals", "modules", "pdb", "runpy", "vars",
        "__getattribute__", "attrgetter", "cr_frame", "f_back", "get_type_hints", "gi_frame", "pickle",
        "setprofile", "settrace", "tb_frame", "timeit",
    )
)  # fmt: skip
"""Words of programs that may find a name which they do not spell."""


class WarmImports(IntEnum):
    """What a fork server has imported before it forks, each kind what those before it have, and more.

    It makes a program start sooner, and changes nothing else: what is not there is imported late. All that is
    there costs every fork.
    """

    NONE = 0
    """Only what the server itself needs."""
    STDLIB = 1
    """What programs import most of the standard library."""
    NUMPY = 2
    """That and numpy."""


@dataclass(frozen=True, slots=True)
class UnsplitAssert:
    """An assert that runs whole in the program's process, which acknowledges it with a nonce."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A test whose output goes to the checker of its problem."""

    test: Test
    check: Check
    ran_inside: bool = False


def ran_inside(expected: object) -> bool:
    """Whether the program's process learns what is expected."""
    return isinstance(expected, UnsplitAssert) or (
        isinstance(expected, Split | Checked) and expected.ran_inside
    )


@dataclass(frozen=True)
class PreparedSuite:
    """One problem's tests, split into what a program may see and what it may not."""

    digest: str
    kind: TestKind
    payload: dict[str, Any]
    """For the server: JSON-able, without expected values, and without the preamble."""
    inputs: list[bytes]
    """Of a stdin problem; `payload["inputs"]` counts them."""
    expected: list[Any]
    """By test: text, a value, a `Split`, an `UnsplitAssert` or a `Checked`."""
    wrapped: bool = False
    reals: RealPositions = field(default_factory=RealPositions)
    """`harness.compare.real_positions` of the expected outputs of a stdin problem."""
    imports: WarmImports = WarmImports.NONE
    """What the tests themselves import."""
    preamble: str | tuple[PreamblePart, ...] = ""
    words: frozenset[str] = frozenset()
    """Words of the tests' own code, which runs among a program's names and may use the preamble's."""

    @property
    def cpu_factor(self) -> float:
        """Times the limit on a test's CPU seconds."""
        factor: float = self.payload["cpu_factor"]
        return factor

    @cached_property
    def size(self) -> int:
        """Bytes to send, roughly."""
        return sum(map(len, self.inputs)) + sum(len(str(test)) for test in self.payload.get("tests", ()))

    def preamble_for(self, code: str) -> str:
        """The preamble that a program is run with: all of it that it or its tests could tell from nothing."""
        if isinstance(self.preamble, str):
            return self.preamble
        words = self.words.union(_WORD.findall(code))
        kept: set[int] = set()
        size = -1
        while size < len(kept):
            size = len(kept)
            # A name may be spelled in other characters; and what is kept may use what another part defines.
            looks = not words.isdisjoint(_LOOKING) or not code.isascii()
            for place, part in enumerate(self.preamble):
                if place not in kept and (looks or not words.isdisjoint(part.names)):
                    kept.add(place)
                    words = words.union(_WORD.findall(part.text))
        return "".join(part.text for place, part in enumerate(self.preamble) if place in kept)

    def warm_imports(self, code: str) -> WarmImports:
        """The server that a program starts soonest in."""
        return max(self.imports, _imported(code, self.preamble_for(code)))


def _imported(*sources: str) -> WarmImports:
    if any(_NUMPY.search(source) for source in sources):
        return WarmImports.NUMPY
    return WarmImports.STDLIB if any("import" in source for source in sources) else WarmImports.NONE


def _input_bytes(text: str) -> bytes:
    """UTF-8; what was read from bytes that are none goes back to those, other lone surrogates to codes."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def prepare(suite: TestSuite) -> PreparedSuite:
    """Unpack and split a suite."""
    brought = WarmImports.STDLIB if suite.preamble else WarmImports.NONE
    tests = suite.tests()
    check = None if suite.checker is None else find_check(suite.checker)
    payload: dict[str, Any] = {
        "kind": suite.kind.value,
        "setup": suite.setup,
        "cpu_factor": suite.cpu_factor,
    }
    if suite.kind is TestKind.STDIN:
        cases = [test for test in tests if isinstance(test, StdinTest)]
        expected = [test.output for test in cases]
        return PreparedSuite(
            suite.digest, suite.kind, payload,
            [_input_bytes(test.input) for test in cases],
            _checked(cases, check) or expected, imports=brought, preamble=suite.preamble,
            reals=RealPositions() if suite.exact_text else real_positions(expected),
        )  # fmt: skip
    if suite.kind is TestKind.CALL:
        calls = [test for test in tests if isinstance(test, CallTest)]
        payload["tests"] = [["call", suite.entry_point, [encode(arg) for arg in test.args]] for test in calls]
        values = [test.expected for test in calls]
        return PreparedSuite(
            suite.digest,
            suite.kind,
            payload,
            [],
            _checked(calls, check) or values,
            wrapped=is_wrapped(values),
            imports=brought,
            preamble=suite.preamble,
            words=_words(suite.entry_point or "", suite.setup),
        )
    brought_names = names_defined(suite.preamble_text) | names_defined(suite.setup)
    asserts = [
        _prepare_value(test, check)
        if isinstance(test, ValueTest)
        else _prepare_assert(test.source, brought_names)
        for test in tests
        if isinstance(test, AssertTest | ValueTest)
    ]
    payload["tests"] = [row for row, _ in asserts]
    imports = max(brought, _imported(suite.setup, *[row[1] for row, _ in asserts]))
    return PreparedSuite(
        suite.digest,
        suite.kind,
        payload,
        [],
        [stays for _, stays in asserts],
        imports=imports,
        preamble=suite.preamble,
        words=_words(suite.setup, *[row[1] for row, _ in asserts]),
    )


def _words(*sources: str) -> frozenset[str]:
    return frozenset(word for source in sources for word in _WORD.findall(source))


def _checked(tests: Sequence[Test], check: Check | None) -> list[Any] | None:
    return None if check is None else [Checked(test, check) for test in tests]


def _prepare_value(test: ValueTest, check: Check | None) -> tuple[list[Any], Split | Checked]:
    stays = (
        Split(test.source, literal(test.expected), ran_inside=test.ran_inside)
        if check is None
        else Checked(test, check, test.ran_inside)
    )
    return ["value", test.source], stays


def _prepare_assert(source: str, brought: frozenset[str]) -> tuple[list[Any], Split | UnsplitAssert]:
    halves = split(source, brought)
    if halves is not None:
        return ["value", halves.expression], halves
    nonce = secrets.token_hex(8)
    return ["inside", source, nonce], UnsplitAssert(nonce)
