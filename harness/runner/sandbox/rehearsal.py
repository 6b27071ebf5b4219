"""A rehearsal before the first program: which pages does every program's process write to?

The server serves programs of its own, through all that it does for others' (but confinement, which would
hide what is to be seen), and each process says at its end what it has written to.
Does not cover: what becomes of those pages (`hot_pages`).
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable
from typing import Any

from . import program, runs, wire
from .hot_pages import own_pages
from .isolation import moved_up

_ROUNDS = 3
"""The first make what is made at first use; the last is what counts."""
_MOST_PAGES = 8192

_PLAIN: dict[str, Any] = {"preamble": "", "setup": "", "cpu_factor": 1.0, "tests": [], "inputs": []}
_TESTS = [["call", "add", [1, 2]], ["value", "add(2, 2)"], ["value", "sorted(add(a, 1) for a in (5, 3))"]]
_SUITES = {
    "functions": {**_PLAIN, "kind": "asserts", "tests": _TESTS},
    "scripts": {**_PLAIN, "kind": "stdin", "inputs": [0, 1]},
}
_INPUTS = [b"3\n1 2 3\n", b"1\n5\n"]
_PROGRAMS = {
    "functions": "def add(a, b):\n    return [a + b for _ in range(3)]\n",
    "scripts": "n = int(input())\nprint(sum(map(int, input().split())) + n)\n",
}
_PROCESSES = 3
"""Of each round: one for the functions, one for each input."""


class _NoConfinement:
    def enter(self) -> None:
        """Nothing: what is rehearsed is ours."""


class _Rehearsal(runs.Server):
    """A server that notes the pages of each program's process."""

    def __init__(self, pipes: runs.Pipes, limits: dict[str, Any], scratch_folder: str) -> None:
        super().__init__(pipes, _NoConfinement(), limits, scratch_folder, orphans_die=False, functions=False)
        self._shared = mmap.mmap(-1, 8 * (_MOST_PAGES + 1))
        self.noted: list[set[int]] = []

    def _run(
        self, child: Callable[[program.Report], None], stdin: int, stdout: int, *, tests: int
    ) -> runs.Run:
        def noting(report: program.Report) -> None:
            child(report)
            pages = list(own_pages())[:_MOST_PAGES]
            self._shared[: 8 * (len(pages) + 1)] = struct.pack(f"={len(pages) + 1}Q", len(pages), *pages)

        self._shared[:8] = bytes(8)
        run = super()._run(noting, stdin, stdout, tests=tests)
        (count,) = struct.unpack_from("=Q", self._shared)
        self.noted.append(set(struct.unpack_from(f"={count}Q", self._shared, 8)))
        return run


def pages_of_programs(limits: dict[str, Any], scratch_folder: str) -> set[int]:
    """Addresses of the pages that each program's process writes to, whatever the program.

    Args:
        limits: Fields of `harness.types.Limits`.
        scratch_folder: Empty.

    Raises:
        OSError: If a process can't be had.
    """
    null = moved_up(os.open("/dev/null", os.O_RDWR))
    requests = moved_up(os.memfd_create("requests"))
    try:
        for number in range(_ROUNDS):
            wire.write_frame(requests, *_round(first=number == 0))
        os.lseek(requests, 0, os.SEEK_SET)
        limits = {**limits, "stop_at_first_failure": False}
        server = _Rehearsal(runs.Pipes(requests, null, null), limits, scratch_folder)
        try:
            server.serve()
        except EOFError:  # there are no more requests
            return set.intersection(*server.noted[-_PROCESSES:])
        raise AssertionError("a server serves until its requests end")
    finally:
        os.close(requests)
        os.close(null)


def _round(*, first: bool) -> tuple[wire.Header, list[bytes]]:
    rows = [
        {"id": number, "code": code, "suite": suite, "first": 0}
        for number, (suite, code) in enumerate(_PROGRAMS.items())
    ]
    return {"drop": [], "suites": _SUITES if first else {}, "programs": rows}, _INPUTS
