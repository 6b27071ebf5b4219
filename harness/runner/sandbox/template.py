"""A template: the process that programs' processes are copies of; one of scripts, one of imported programs.

It waits for jobs, and makes a process for each: a child of the dispatcher's, not its own, so that it never
learns what becomes of one. It reads descriptors and numbers, and the preambles that a benchmark promises to
all programs of it, where they define names and do nothing else; never a program, an input, a report or a
result. So there is nothing of these to be found in the memory that a program starts with.
"""

from __future__ import annotations

import os
import time
from typing import Any

from . import child, clone
from .job import Board, How, Job, contents, read_job
from .preambles import MOST_BYTES

_ATTEMPTS, _PAUSE_SECONDS = 40, 0.05
"""Of making a process, where the machine has none to spare for the moment."""


class Template:
    """Makes processes."""

    def __init__(self, beginning: child.Beginning, board: Board) -> None:
        """
        Args:
            beginning: What each process goes through.
            board: Where the dispatcher reads which process was made.
        """
        self._beginning = beginning
        self._board = board
        self._preambles: list[dict[str, Any] | None] = []

    def serve(self, jobs: int) -> None:
        """Make processes until the dispatcher closes its end."""
        while self.make(jobs, clone.PARENT):
            pass

    def make(self, jobs: int, flags: int) -> bool:
        """Take the next job; whether there was one.

        Args:
            jobs: Descriptor to read it from.
            flags: Of `clone`.
        """
        job = read_job(jobs)
        if job is None:
            return False
        if job.how & How.PRELOAD:
            self._preload(job)
        else:
            self._board.say_spawned(job, self._spawned(job, flags))
        return True

    def _spawned(self, job: Job, flags: int) -> int:
        """Make the process; its id.

        Raises:
            OSError: If the kernel has none for us, again and again.
        """
        # Looked up here, not in the new process: see `child`.
        become, preambles = self._beginning.become, self._preambles
        for attempt in range(_ATTEMPTS):
            try:
                pid = clone.clone(flags)
            except BlockingIOError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                break
        if pid == 0:
            become(job, preambles)
        return pid

    def _preload(self, job: Job) -> None:
        preamble: dict[str, Any] | None = {}
        text = contents(job.suite, MOST_BYTES).decode(errors="surrogatepass")
        try:
            exec(compile(text, "<preamble>", "exec"), preamble)
        except BaseException:  # each program's process tries it again, and says what is wrong
            preamble = None
        self._preambles.append(preamble)
        os.close(job.suite)
