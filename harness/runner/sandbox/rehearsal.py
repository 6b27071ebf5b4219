"""A rehearsal before the first program: which pages are written to for every program?

The server serves programs of its own, through all that it does for others'. Each of their processes says
at its end what it has written to; what the server has is told by a process that shares its memory meanwhile.
Does not cover: what becomes of those pages (`hot_pages`).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
from collections.abc import Iterator
from typing import Any

from . import runs, wire
from .hot_pages import WritablePages, open_pagemap
from .isolation import die_with_parent, moved_up

_ROUNDS = 3
"""The first make what is made at first use; the last is what counts."""

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
_STDERR = 2


class _Noting:
    """Has each program's process note the pages that it has written to, in memory shared with the server."""

    def __init__(self, pages: WritablePages) -> None:
        self._pages = pages
        self._shared = mmap.mmap(-1, 8 + _ROUNDS * _PROCESSES * pages.entries_bytes)
        """How many have noted; and what."""

    def begins(self) -> None:
        # Confined, it can open no file, and keeps the lowest descriptors only.
        os.dup2(open_pagemap(), _STDERR)

    def ends(self) -> None:
        # With as few objects of its own as can be, since they are on pages too.
        number = self._shared[0]
        self._shared[0] = number + 1
        self._pages.read(_STDERR, self._place(number))

    def _place(self, number: int) -> memoryview:
        start = 8 + number * self._pages.entries_bytes
        return memoryview(self._shared)[start : start + self._pages.entries_bytes]

    def noted(self) -> list[set[int]]:
        """Addresses, by process."""
        return [self._pages.own(self._place(number)) for number in range(self._shared[0])]


def pages_written(server: runs.Server) -> set[int]:
    """Addresses of the pages that are worth copying at each fork.

    To copy a page costs about what one fault does. So those that every process writes to, and those that the
    server and some processes write to, which otherwise take a fault of each.

    Args:
        server: One that has not served anybody yet.

    Raises:
        OSError: If a process can't be had, or the kernel doesn't say.
        ValueError: If no program came to its end, within limits as tight as that.
    """
    with contextlib.ExitStack() as stack:
        pipes = runs.Pipes(
            requests=_opened(stack, os.memfd_create("requests")),
            results=_opened(stack, os.open("/dev/null", os.O_WRONLY)),
            answers=_opened(stack, os.open("/dev/zero", os.O_RDONLY)),  # whoever asks is told to go on
        )
        pagemap = _opened(stack, open_pagemap())
        pages = WritablePages()
        noting = _Noting(pages)
        for number in range(_ROUNDS):
            if number == _ROUNDS - 1:
                stack.enter_context(_sharing_memory())
            os.ftruncate(pipes.requests, 0)
            os.lseek(pipes.requests, 0, os.SEEK_SET)
            wire.write_frame(pipes.requests, *_round(first=number == 0))
            os.lseek(pipes.requests, 0, os.SEEK_SET)
            with contextlib.suppress(EOFError):  # there are no more requests
                server.serve(pipes, noting)
        entries = bytearray(pages.entries_bytes)
        pages.read(pagemap, memoryview(entries))
        by_server = pages.own(memoryview(entries))
        first, *others = noting.noted()[-_PROCESSES:]
        return first.intersection(*others) | (by_server & first.union(*others))


def _opened(stack: contextlib.ExitStack, fd: int) -> int:
    fd = moved_up(fd)
    stack.callback(os.close, fd)
    return fd


@contextlib.contextmanager
def _sharing_memory() -> Iterator[None]:
    """With a process that shares all memory of this one, and waits: what is written to is then our own."""
    server = os.getpid()
    pid = runs.fork()
    if pid == 0:
        die_with_parent(server)
        signal.pause()
        os._exit(0)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _round(*, first: bool) -> tuple[wire.Header, list[bytes]]:
    rows = [
        {"id": number, "code": code, "suite": suite, "first": 0}
        for number, (suite, code) in enumerate(_PROGRAMS.items())
    ]
    return {"drop": [], "suites": _SUITES if first else {}, "programs": rows}, _INPUTS
