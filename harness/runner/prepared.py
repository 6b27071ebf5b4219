"""A problem's tests as a judge holds them: what goes to the fork server, and what stays."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from harness.compare import is_wrapped, real_positions
from harness.runner.asserts import Split, split
from harness.runner.sandbox.values import encode
from harness.types import AssertTest, CallTest, StdinTest, TestKind, TestSuite

_NUMPY = re.compile(r"\b(numpy|np)\b")


class Preload(IntEnum):
    """What a fork server has imported before it forks, each kind what those before it have, and more.

    It makes a program start sooner, and changes nothing else: what is not there is imported late. All that is
    there costs every fork.
    """

    NOTHING = 0
    """Only what the server itself needs."""
    LIBRARY = 1
    """What programs import most of the standard library."""
    NUMPY = 2
    """That and numpy."""


@dataclass(frozen=True, slots=True)
class Inside:
    """An assert that runs whole in the program's process, which acknowledges it with a nonce."""

    nonce: str


@dataclass(frozen=True)
class PreparedSuite:
    """One problem's tests, split into what a program may see and what it may not."""

    digest: str
    kind: TestKind
    payload: dict[str, Any]
    """For the fork server: JSON-able, without expected values."""
    inputs: list[bytes]
    """Of a stdin problem; `payload["inputs"]` counts them."""
    expected: list[Any]
    """By test: text, a value, a `Split` or an `Inside`."""
    wrapped: bool = False
    reals: frozenset[int] = frozenset()
    """`harness.compare.real_positions` of the expected outputs of a stdin problem."""
    imports: Preload = Preload.NOTHING
    """What the tests themselves import."""

    @property
    def cpu_factor(self) -> float:
        """Times the limit on a test's CPU seconds."""
        factor: float = self.payload["cpu_factor"]
        return factor

    @property
    def size(self) -> int:
        """Bytes to send, roughly."""
        return sum(map(len, self.inputs)) + sum(len(str(test)) for test in self.payload.get("tests", ()))

    def preload(self, code: str) -> Preload:
        """The server that a program starts soonest in."""
        return max(self.imports, _imported(code))


def _imported(*sources: str) -> Preload:
    if any(_NUMPY.search(source) for source in sources):
        return Preload.NUMPY
    return Preload.LIBRARY if any("import" in source for source in sources) else Preload.NOTHING


def prepare(suite: TestSuite) -> PreparedSuite:
    """Unpack and split a suite."""
    # Of a preamble that brings numpy all the same, only those programs have a use that say so.
    brought = Preload.LIBRARY if suite.preamble else Preload.NOTHING
    tests = suite.tests()
    payload: dict[str, Any] = {
        "kind": suite.kind.value,
        "preamble": suite.preamble,
        "setup": suite.setup,
        "cpu_factor": suite.cpu_factor,
    }
    if suite.kind is TestKind.STDIN:
        cases = [test for test in tests if isinstance(test, StdinTest)]
        expected = [test.output for test in cases]
        return PreparedSuite(
            suite.digest, suite.kind, payload,
            [test.input.encode(errors="surrogateescape") for test in cases],
            expected, imports=brought,
            reals=frozenset() if suite.exact_text else real_positions(expected),
        )  # fmt: skip
    if suite.kind is TestKind.CALL:
        calls = [test for test in tests if isinstance(test, CallTest)]
        payload["tests"] = [["call", suite.entry_point, [encode(arg) for arg in test.args]] for test in calls]
        values = [test.expected for test in calls]
        return PreparedSuite(
            suite.digest, suite.kind, payload, [], values, wrapped=is_wrapped(values), imports=brought
        )
    asserts = [_prepare_assert(test.source) for test in tests if isinstance(test, AssertTest)]
    payload["tests"] = [row for row, _ in asserts]
    imports = max(brought, _imported(suite.setup, *[row[1] for row, _ in asserts]))
    return PreparedSuite(
        suite.digest, suite.kind, payload, [], [stays for _, stays in asserts], imports=imports
    )


def _prepare_assert(source: str) -> tuple[list[Any], Split | Inside]:
    halves = split(source)
    if halves is not None:
        return ["value", halves.expression], halves
    nonce = secrets.token_hex(8)
    return ["inside", source, nonce], Inside(nonce)
