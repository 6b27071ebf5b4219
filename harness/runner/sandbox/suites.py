"""A problem's inputs and tests as the dispatcher holds them. Expected outputs are not among them.

What all programs of a problem have in common is written once, into a file in memory that their processes
read: preamble, set-up, tests, compiled and with their arguments. The text of a test on standard input goes
to that test's process alone.
"""

from __future__ import annotations

import marshal
import os
from typing import Any

from .job import memory_file, seal
from .values import decode

PLAIN: dict[str, Any] = {"preamble": "", "setup": "", "cpu_factor": 1.0, "inputs": [], "tests": []}
"""What a row says of tests that need nothing special."""


class Suite:
    """The inputs of one problem, made ready once for all its programs."""

    def __init__(self, row: dict[str, Any], blobs: list[bytes]) -> None:
        """Build from a request; compiles the tests' own code, which is the benchmark's and trusted."""
        self.is_script: bool = row["kind"] == "stdin"
        self.preamble: str = row["preamble"]
        self.cpu_factor: float = row["cpu_factor"]
        """Times the limit on a test's CPU seconds."""
        self.inputs = [blobs[index] for index in row["inputs"]] if self.is_script else []
        tests = [] if self.is_script else [_compiled(test) for test in row["tests"]]
        self.count = len(self.inputs) or len(tests)
        """Number of tests."""
        setup = compile(row["setup"], "<setup>", "exec") if row["setup"] and not self.is_script else None
        self.file = memory_file("suite", marshal.dumps((self.preamble, setup, tests)))
        seal(self.file)

    def close(self) -> None:
        """Give its memory back."""
        os.close(self.file)


def _compiled(test: list[Any]) -> tuple[Any, ...]:
    match test:
        case ["call", entry_point, args]:
            return "call", entry_point, [decode(arg) for arg in args]
        case ["value", expression]:
            return "value", compile(expression, "<test>", "eval")
        case ["inside", statement, nonce]:
            return "inside", compile(statement, "<test>", "exec"), nonce
    raise ValueError(f"unknown test {test!r}")
