"""The life of one program's process, from the moment that it is made to the first line of the program.

It takes its descriptors, confines itself, reads its program and its input, and closes everything else.
Does not cover: what running a program means (`program`).
"""

from __future__ import annotations

import marshal
import os
from typing import Any, Protocol

from . import program, protocol
from .isolation import die_with_parent
from .job import Board, How, Job, contents, seal

_MOST_BYTES = 1 << 40
"""What the dispatcher and the compiler wrote is read whole."""
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

    def become(self, job: Job, preamble: dict[str, Any] | None) -> None:
        """Never returns."""
        try:
            observer = self.observer if job.how & How.NOTED else None
            if observer:
                observer.begins()
            if job.stdin >= 0:
                os.dup2(job.stdin, 0)
                os.dup2(job.stdout, 1)
            if job.stderr >= 0:
                os.dup2(job.stderr, 2)
            os.dup2(job.report, program.REPORT_FD)
            if self._dispatcher is not None and observer is None:  # in a rehearsal it is the template's
                die_with_parent(self._dispatcher)
            self._confinement.enter()
            self._board.close()
        except BaseException:
            self._board.say_unconfined()
            os._exit(1)
        try:
            _run(job, preamble, program.Report(self._output))
            if observer:
                observer.ends()
            os._exit(0)
        finally:
            os._exit(1)


def _run(job: Job, preamble: dict[str, Any] | None, report: program.Report) -> None:
    text, setup, tests = marshal.loads(contents(job.suite, _MOST_BYTES))
    if job.how & How.COMPILED:
        (_, compiled), *_ = protocol.split_records(contents(job.compiled, _MOST_BYTES))
        code = marshal.loads(compiled)
    else:
        source = contents(job.program, _MOST_BYTES).decode(errors="surrogatepass")
        code, said = program.compile_program(source, job.how)
    if preamble is None:
        preamble = _NO_PREAMBLE
        if text and code is not None:
            preamble, failed = program.run_preamble(text)
            if failed:
                code, said = None, failed
    if not job.how & How.COMPILED:
        protocol.write_all(job.compiled, program.record_now(said))
        seal(job.compiled)
    os.closerange(program.REPORT_FD + 1, 1 << 16)
    if code is None:
        return
    if job.how & How.SCRIPT:
        program.run_script(code, preamble, report)
    else:
        made = [program.make_test(*test) for test in tests[job.first :]]
        program.run_tests(code, preamble, setup, made, report, captured=bool(job.how & How.CAPTURED))
