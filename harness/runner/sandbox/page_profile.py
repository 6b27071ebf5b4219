"""A rehearsal before the first program: which pages are written to for every program?

The template makes processes for programs of its own, as it does for others', and each of them says at its end
what it has written to.
Does not cover: what becomes of those pages (`pinned_pages`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from . import libc
from .child import Beginning
from .isolation import moved_up
from .job import How, Job, memory_file
from .pinned_pages import WritablePages, open_pagemap
from .suites import PLAIN, Suite
from .template import Template

_ROUNDS = 3
"""The first make what is made at first use; the last is what counts."""

_TESTS = [["call", "add", [1, 2]], ["value", "add(2, 2)"], ["value", "sorted(add(a, 1) for a in (5, 3))"]]
_INPUT = b"3\n1 2 3\n"
_FUNCTIONS = "def add(a, b):\n    return [a + b for _ in range(3)]\n"
_SCRIPT = "n = int(input())\nprint(sum(map(int, input().split())) + n)\n"
_HOWS = (How.IMPORT, How.SCRIPT | How.SHARED, How.SCRIPT | How.SHARED | How.COMPILED)
_STDERR = 2
_NUMBER = 0
"""Of each job: none of the dispatcher's, who would take the last of these processes for that of its first."""


class _Noting:
    """Has each process note the pages that it has written to, in memory shared with the template."""

    def __init__(self, pages: WritablePages) -> None:
        self._pages = pages
        self._memory = libc.SharedMemory(8 + _ROUNDS * len(_HOWS) * pages.entries_bytes)
        self._shared = self._memory.bytes
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
        return self._shared[start : start + self._pages.entries_bytes]

    def noted(self) -> list[set[int]]:
        """Addresses, by process."""
        return [self._pages.own(self._place(number)) for number in range(self._shared[0])]

    def close(self) -> None:
        """Forget all, so that no fork copies it."""
        self._shared = memoryview(b"")
        self._memory.close()


def pages_written(template: Template, beginning: Beginning, kind: int) -> set[int]:
    """Addresses of the pages that are worth copying at each fork.

    Those that any of the processes writes to, be it a script's first or a later one: to copy a page within
    fork costs less than the fault that the first write to it would take.

    Args:
        template: One that has not served anybody yet.
        beginning: What its processes go through.
        kind: `How.SCRIPT`, or `How.IMPORT` for imported programs.

    Raises:
        OSError: If a process can't be had, or the kernel doesn't say.
        ValueError: If no program came to its end, within limits as tight as that.
    """
    with contextlib.ExitStack() as stack:
        beginning.observer = noting = _Noting(WritablePages())
        stack.callback(noting.close)
        read, write = (_opened(stack, fd) for fd in os.pipe())
        hows = [how for how in _HOWS if how & How.SCRIPT == kind]
        for jobs in list(_rounds(stack, hows)):
            for job in jobs:
                os.write(write, job)
                template.make(read, flags=0)
                os.wait()
        beginning.observer = None
        first, *others = noting.noted()[-len(hows) :]
        return first.union(*others)


def _rounds(stack: contextlib.ExitStack, hows: Sequence[int]) -> Iterator[list[bytes]]:
    """What the dispatcher tells the template of our programs, round by round."""
    functions = Suite({**PLAIN, "kind": "asserts", "tests": _TESTS}, [])
    scripts = Suite({**PLAIN, "kind": "stdin", "inputs": [0]}, [_INPUT])
    for suite in (functions, scripts):
        stack.callback(suite.close)

    def file(name: str, data: bytes = b"") -> int:
        return _opened(stack, memory_file(name, data))

    for _ in range(_ROUNDS):
        compiled = file("compiled")
        jobs = []
        for how in hows:
            script = how & How.SCRIPT
            suite, source = (scripts, _SCRIPT) if script else (functions, _FUNCTIONS)
            stdin, stdout, report = file("stdin"), file("stdout"), file("report")
            os.pwrite(stdin, _INPUT, 0)
            job = Job(_NUMBER, how | How.NOTED, 0, -1, file("program", source.encode()), suite.file,
                      compiled if script else file("compiled"), stdin, stdout, -1, report)  # fmt: skip
            jobs.append(job.packed())
        yield jobs


def _opened(stack: contextlib.ExitStack, fd: int) -> int:
    fd = moved_up(fd)
    stack.callback(os.close, fd)
    return fd
