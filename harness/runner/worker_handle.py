"""The host's side of grader workers: `LocalWorker`, a process of this machine, and `WorkerHandle`, its load.

Does not cover: what the process does (`worker`), or which worker grades what (`runner`).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import multiprocess

from harness.errors import IsolationError
from harness.runner.backend import Answer, Chunk, Task, Worker, WorkerInfo, WorkerLostError, WorkerStart
from harness.runner.channels import Inbox, Outbox, Pulse
from harness.runner.worker import Failed, WorkerArguments, worker_main
from harness.types import TestKind, TestSuite

_MAX_CHUNK = 128
"""Processes: a program on standard input has one for each test. In programs, some would take a minute."""
_CHUNK_SECONDS = 0.25
"""What a chunk should take: long enough to cost little to send, short enough to share out fairly."""
_MAX_CHUNK_BYTES = 4 << 20
_CHUNKS_AHEAD = 2
_MOST_CHUNKS_IN_ONE = 8
"""How much larger a pool's chunk may get than a process's."""
_STOP_SECONDS = 5.0
_SILENT_SECONDS = 20.0
"""Without a beat, which comes every second, before a worker is taken for lost."""
_SILENT_SECONDS_AT_START = 120.0
"""The same until it is ready: it has an interpreter to start first, and the machine may be busy."""
_LOOK_SECONDS = 0.2
_live: weakref.WeakSet[LocalWorker] = weakref.WeakSet()
_main_lock = threading.Lock()
"""Runners may start in several threads, and there is one `__main__` to hide."""


class LocalWorker:
    """One worker process and the tasks it has been given."""

    def __init__(self, start: WorkerStart) -> None:
        """Start the process.

        Raises:
            OSError: If there is no process, memory or descriptor to be had; nothing is left behind then.
        """
        with contextlib.ExitStack() as ends:
            context = multiprocess.get_context("spawn")

            def pipe(*, duplex: bool) -> tuple[Any, Any]:
                both: tuple[Any, Any] = context.Pipe(duplex)
                for end in both:
                    ends.callback(end.close)
                return both

            self.connection, other = pipe(duplex=True)
            tie, self._tie = pipe(duplex=False)
            self._beats, beats = pipe(duplex=False)
            of_main_thread = threading.get_native_id() == os.getpid()
            arguments = WorkerArguments(start, tie, beats, os.getpid(), of_main_thread)
            self._process = context.Process(target=worker_main, args=(other, arguments), daemon=True)
            with _hidden_main():
                self._process.start()
            self.pid: int = self._process.pid
            """Process id."""
            ends.pop_all()
        for end in (other, tie, beats):
            end.close()
        self._inbox, self._outbox = Inbox(self.connection), Outbox(self.connection)
        self._pulse = Pulse(self._beats)
        self._info: WorkerInfo | None = None
        _live.add(self)

    @property
    def info(self) -> WorkerInfo:
        """What the process said of itself when it was ready."""
        if self._info is None:
            raise RuntimeError("a worker says what it is once it is ready")
        return self._info

    def wait_ready(self) -> None:
        """Wait until its fork server is up, and has proved itself.

        Raises:
            IsolationError: If a server does not hold what it should; says which layer.
            WorkerLostError: If it can't be brought up, or the process died or is stuck.
        """
        while self._info is None:
            if self.connection.poll(_LOOK_SECONDS):
                for message in self._receive():
                    self._info = message
                    return
            self._check_pulse(_SILENT_SECONDS_AT_START)

    def check_alive(self) -> None:
        """Look for a beat.

        Raises:
            WorkerLostError: If there was none for so many seconds in which this was called.
        """
        self._check_pulse(_SILENT_SECONDS)

    def _check_pulse(self, most: float) -> None:
        if self._pulse.silence() > most:
            raise WorkerLostError("the worker process gave no sign of life")

    def fileno(self) -> int:
        """Of the connection."""
        fd: int = self.connection.fileno()
        return fd

    def submit(self, chunk: Chunk) -> None:
        """Send a chunk, from a thread of its own."""
        self._outbox.put(chunk)

    def pace(self) -> None:
        """The chunks of a single process are sized by their answers."""

    def poll(self) -> list[tuple[int, Answer]]:
        """Read the outcomes that have come.

        Raises:
            IsolationError: If a server does not hold what it should; says which layer.
            WorkerLostError: If the process died, or can't bring up a server.
        """
        return [answer for message in self._receive() for answer in message]

    def _receive(self) -> list[Any]:
        try:
            messages = list(self._inbox.read())
        except (EOFError, OSError, pickle.UnpicklingError):
            raise WorkerLostError("the worker process ended") from None
        for message in messages:
            if isinstance(message, Failed):
                raise (IsolationError if message.unsafe else WorkerLostError)(message.reason)
        return messages

    def close(self, *, at_once: bool = False) -> None:
        """End the worker, and by that its fork servers and their programs; raises nothing.

        Args:
            at_once: Kill it: it is lost, so it will not come to an end by itself.
        """
        if at_once:
            _quietly(self._process.kill)
        _quietly(self._outbox.close)
        _quietly(self.connection.close)
        _quietly(lambda: self._process.join(_STOP_SECONDS))
        _quietly(self._process.kill)
        _quietly(self._process.join)
        _quietly(self._process.close)
        # Last: the end of the tie kills a worker, which could not remove its folders.
        _quietly(self._tie.close)
        _quietly(self._beats.close)

    def leave_to_parent(self) -> None:
        """After a fork, in the child: let go of the pipes, else the process would outlive its host."""
        for end in (self.connection, self._tie, self._beats):
            _quietly(end.close)


def _after_fork() -> None:
    for worker in list(_live):
        worker.leave_to_parent()
    # At its exit multiprocess ends what it takes for children; those are the parent's.
    multiprocess.process._children.clear()


os.register_at_fork(after_in_child=_after_fork)


class WorkerHandle:
    """A worker as the runner deals with it: what it has been given, and how much it should be given."""

    def __init__(self, worker: Worker, processes: int = 1) -> None:
        self.worker = worker
        self._processes = processes
        self.trial: Task | None = None
        """The one task that it was started for."""
        self.outstanding: dict[int, Task] = {}
        """Tasks that it was sent and has not answered, in order."""
        self._open: list[Task] = []
        self._suites: dict[str, TestSuite] = {}
        self._open_bytes = self._open_processes = 0
        self._chunk_size = processes
        self._chunk_started = time.monotonic()
        self._chunks: list[int] = []

    def fileno(self) -> int:
        """Readable when there are outcomes."""
        return self.worker.fileno()

    def has_room(self) -> bool:
        """Whether it should be given more: it works on one chunk while the next lies ready.

        A source that gives few programs at a time makes small chunks, which count by their programs.
        """
        few = len(self.outstanding) + len(self._open) < self._chunk_size
        return self.trial is None and (len(self._chunks) < _CHUNKS_AHEAD or few)

    @property
    def filling(self) -> bool:
        """Whether there is a chunk that has been begun and not been sent."""
        return bool(self._open)

    @property
    def load(self) -> float:
        """Tasks that it was sent and has not answered, for each of its processes."""
        return len(self.outstanding) / self._processes

    def try_alone(self, task: Task, suite: TestSuite) -> None:
        """Give it its only task, until that is answered."""
        self.add(task, suite)
        self.send()
        self.trial = task

    def add(self, task: Task, suite: TestSuite) -> None:
        """Put a task into the next chunk, and send that if it is full."""
        self._open.append(task)
        self._open_bytes += len(task.code) + sum(map(len, (task.files or {}).values()))
        self._open_processes += suite.count if suite.kind is TestKind.STDIN else 1
        if suite.digest not in self._suites:
            self._suites[suite.digest] = suite
            self._open_bytes += len(suite.packed)
        if self._open_processes >= self._chunk_size or self._open_bytes >= _MAX_CHUNK_BYTES:
            self.send()

    def send(self) -> None:
        """Send what has been added."""
        if not self._open:
            return
        for task in self._open:
            self.outstanding[task.number] = task
        if not self._chunks:
            self._chunk_started = time.monotonic()
        self._chunks.append(len(self._open))
        chunk = Chunk(tuple(self._open), self._suites)
        self._open, self._suites = [], {}
        self._open_bytes = self._open_processes = 0
        self.worker.submit(chunk)

    def outcomes(self) -> list[tuple[int, Answer]]:
        """Read the outcomes that have come.

        A list, not an iterator: a consumer may stop in the middle, and what the worker has answered must be
        counted all the same, or it would be taken for busy for ever.

        Raises:
            IsolationError: If a server does not hold what it should; says which layer.
            WorkerLostError: If the process died, or can't bring up a server.
        """
        known = [
            (number, answer)
            for number, answer in self.worker.poll()
            if self.outstanding.pop(number, None) is not None
        ]
        for _ in known:
            self._count_down()
        if self.worker.info.pool_size and known:
            self._keep_pace()
        return known

    def _keep_pace(self) -> None:
        """Chunks of a pool go by the pool's clock: by ours, they would get smaller because we are slow."""
        seconds = self.worker.pace() or _CHUNK_SECONDS
        most = _MAX_CHUNK * min(self._processes, _MOST_CHUNKS_IN_ONE)
        self._chunk_size = max(self._processes, min(most, round(_CHUNK_SECONDS / seconds)))

    def _count_down(self) -> None:
        self._chunks[0] -= 1
        if self._chunks[0]:
            return
        del self._chunks[0]
        now = time.monotonic()
        took, self._chunk_started = now - self._chunk_started, now
        if took < _CHUNK_SECONDS / 2:
            self._chunk_size = min(_MAX_CHUNK, self._chunk_size * 2)
        elif took > _CHUNK_SECONDS * 2:
            self._chunk_size = max(1, self._chunk_size // 2)


def _quietly(action: Callable[[], object]) -> None:
    # What can go wrong at an end (already ended, out of memory) is no reason to leave the rest running.
    with contextlib.suppress(Exception):
        action()


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep a spawned worker from importing the user's script, and torch and models with it.

    Workers need nothing from there, and a script without a main guard would start itself anew.
    """
    with _main_lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
