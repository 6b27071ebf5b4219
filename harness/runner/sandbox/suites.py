"""A problem's inputs and tests in the fork server. Expected outputs are not among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import program


class Suite:
    """The inputs of one problem, made ready once for all its programs."""

    def __init__(self, kind: str, preamble: dict[str, Any], cpu_factor: float) -> None:
        """
        Args:
            kind: A `harness.types.TestKind`.
            preamble: The names that a program finds defined.
            cpu_factor: Times the limit on a test's CPU seconds.
        """
        self.kind = kind
        self.preamble = preamble
        self.cpu_factor = cpu_factor
        self.inputs: list[bytes] = []
        self.setup: Any = None
        self.tests: list[Callable[[dict[str, Any]], dict[str, Any]]] = []

    @classmethod
    def load(cls, row: dict[str, Any], blobs: list[bytes]) -> Suite:
        """Build from a request; compiles the tests' own code, which is the benchmark's and trusted."""
        preamble: dict[str, Any] = {}
        exec(compile(row["preamble"], "<preamble>", "exec"), preamble)
        suite = cls(row["kind"], preamble, row["cpu_factor"])
        if row["kind"] == "stdin":
            suite.inputs = [blobs[index] for index in row["inputs"]]
            return suite
        if row["setup"]:
            suite.setup = compile(row["setup"], "<setup>", "exec")
        suite.tests = [_make_test(test) for test in row["tests"]]
        return suite

    @property
    def count(self) -> int:
        """Number of tests."""
        return len(self.inputs) or len(self.tests)


def _make_test(test: list[Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    match test:
        case ["call", entry_point, args]:
            return program.call_test(entry_point, program.decode_args(args))
        case ["value", expression]:
            return program.value_test(compile(expression, "<test>", "eval"))
        case ["inside", statement, nonce]:
            return program.inside_test(compile(statement, "<test>", "exec"), nonce)
    raise ValueError(f"unknown test {test!r}")
