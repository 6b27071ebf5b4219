"""The life of one program's process, from the moment that it is made to the first line of the program.

It takes its descriptors, confines itself, reads its program and its input, and closes everything else.
Does not cover: what running a program means (`program`).
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Sequence
from types import CodeType
from typing import Any, Protocol

from . import program, protocol
from .isolation import die_with_parent
from .job import Board, How, Job, seal, whole

_SCRIPT, _COMPILED, _CAPTURED, _NOTED = How.SCRIPT, How.COMPILED, How.CAPTURED, How.NOTED
_FIRST_FD = program.REPORT_FD + 1
"""That a program does not keep."""
_close_range, _exit, _Report = os.closerange, os._exit, program.Report
"""Looked up once, as the numbers of `How` above, and not in each process: see `Beginning.become`."""
_NO_PREAMBLE: dict[str, Any] = {}


class Confining(Protocol):
    """What a new process goes through before it runs a program; see `isolation.Confinement`."""

    def enter(self) -> None:
        """Confine the calling process, for good."""


class Observer(Protocol):
    """Looks on in each program's process."""

    def begins(self) -> None:
        """Called there before it is confined."""

    def ends(self) -> None:
        """Called there after the program has run, confined as that was."""


class Beginning:
    """What a new process does, prepared once."""

    def __init__(self, confinement: Confining, board: Board, *, output: int, dispatcher: int | None) -> None:
        """
        Args:
            confinement: What it enters.
            board: Where it says that it could not.
            output: Bytes that a program may report.
            dispatcher: Process with which it is to end, where the kernel does not see to that.
        """
        self._confinement = confinement
        self._board = board
        self._output = output
        self._dispatcher = dispatcher
        self.observer: Observer | None = None

    def become(self, job: Job, preambles: Sequence[dict[str, Any] | None]) -> None:
        """Never returns.

        Args:
            job: What to run.
            preambles: Those that the template has run; `None` for one that failed.
        """
        # Here and below few objects are made and looked up: each is on a page, and a page that is written to,
        # be it for a count of references, is copied.
        _, how, first, preloaded, source, suite, compiled, stdin, stdout, stderr, report = job
        try:
            observer = self.observer if how & _NOTED else None
            if observer:
                observer.begins()
            if self._dispatcher is not None and observer is None:  # in a rehearsal it is the template's
                die_with_parent(self._dispatcher)
            self.enter(stdin, stdout, stderr, report)
        except BaseException:
            try:
                self._board.say_unconfined()
            finally:
                os._exit(1)
        try:
            preamble = preambles[preloaded] if preloaded >= 0 else None
            loaded = load(how, source, suite, compiled, preamble)
            _close_range(_FIRST_FD, 1 << 16)
            run(how, loaded, first, _Report(self._output))
            if observer:
                observer.ends()
            _exit(0)
        finally:
            _exit(1)

    def enter(self, stdin: int, stdout: int, stderr: int, report: int) -> None:
        """Give this process the program's descriptors, -1 for none, and confine it."""
        if stdin >= 0:
            os.dup2(stdin, 0)
            os.dup2(stdout, 1)
        if stderr >= 0:
            os.dup2(stderr, 2)
        os.dup2(report, program.REPORT_FD)
        self._confinement.enter()


Loaded = tuple[CodeType | None, dict[str, Any], CodeType | None, Sequence[program.Test]]
"""A program, or `None` where it is not to be run; names of the preamble, the set-up, the tests."""


def load(how: int, source: int, suite: int, compiled: int, preamble: dict[str, Any] | None) -> Loaded:
    """Read a program and its tests, compile it, and say what came of that.

    Args:
        how: A `job.How`.
        source: The program, a descriptor as the next two.
        suite: What it is tested with.
        compiled: For what the compiler says.
        preamble: Its names, where the template has run it; `None` for the suite's.
    """
    text, setup, tests = marshal.loads(whole(suite))
    if how & _COMPILED:
        (_, data), *_ = protocol.split_records(whole(compiled))
        code = marshal.loads(data)
    else:
        code, said = program.compile_program(whole(source).decode(errors="surrogatepass"), how)
    if preamble is None:
        preamble = _NO_PREAMBLE
        if text and code is not None:
            preamble, failed = program.run_preamble(text)
            if failed:
                code, said = None, failed
    if not how & _COMPILED:
        protocol.write_all(compiled, program.record_now(said))
        seal(compiled)
    return code, preamble, setup, tests


def run(how: int, loaded: Loaded, first: int, report: program.Report) -> None:
    """Run a program if there is one, as a script or test by test from the first that is wanted."""
    code, preamble, setup, tests = loaded
    if code is None:
        return
    if how & _SCRIPT:
        program.run_script(code, preamble, report)
    else:
        program.run_tests(code, preamble, setup, tests[first:], report, captured=how & _CAPTURED != 0)
