"""A judge as the host sees it: a process, a connection, and the chunks it still owes."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import multiprocess

from harness.errors import IsolationError
from harness.runner.channels import Inbox, Outbox, Pulse
from harness.runner.worker import Charge, Chunk, Failed, Ready, Task, judge_main
from harness.types import Limits, Outcome, TestKind, TestSuite

_MAX_CHUNK = 128
"""Processes: a program on standard input has one for each test. In programs, some would take a minute."""
_CHUNK_SECONDS = 0.25
"""What a chunk should take: long enough to cost little to send, short enough to share out fairly."""
_MAX_CHUNK_BYTES = 4 << 20
_CHUNKS_AHEAD = 2
_STOP_SECONDS = 5.0
_SILENT_SECONDS = 20.0
"""Without a beat, which comes every second, before a judge is taken for lost."""
_SILENT_SECONDS_AT_START = 120.0
"""The same until it is ready: it has an interpreter to start first, and the machine may be busy."""
_LOOK_SECONDS = 0.2
_live: weakref.WeakSet[Worker] = weakref.WeakSet()
_main_lock = threading.Lock()
"""Runners may start in several threads, and there is one `__main__` to hide."""


class JudgeLostError(Exception):
    """The judge process is gone, or it is stuck."""


class Worker:
    """One judge process and the tasks it has been given."""

    def __init__(
        self,
        limits: Limits,
        profiles: Sequence[str],
        layers: Mapping[str, str] | None = None,
        *,
        prove_all: bool = False,
    ) -> None:
        """Start the process.

        Args:
            limits: What a program may use.
            profiles: Names of the comparisons.
            layers: Of isolation, that its servers must have.
            prove_all: Whether it is to try a server of each kind before it is ready.

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
            charge = Charge(
                limits, profiles, tie, beats, os.getpid(), of_main_thread, dict(layers or {}), prove_all
            )
            self._process = context.Process(target=judge_main, args=(other, charge), daemon=True)
            with _hidden_main():
                self._process.start()
            ends.pop_all()
        for end in (other, tie, beats):
            end.close()
        self._inbox, self._outbox = Inbox(self.connection), Outbox(self.connection)
        self._pulse = Pulse(self._beats)
        self.trial: Task | None = None
        """The one task that it was started for."""
        self.owed: dict[int, Task] = {}
        self.layers: dict[str, str] = {}
        self.shortcuts: dict[str, int] = {}
        self.cgroup: tuple[str, ...] = ()
        self._open: list[Task] = []
        self._suites: dict[str, TestSuite] = {}
        self._open_bytes = self._open_processes = 0
        self._chunk_size = 1
        self._chunk_started = time.monotonic()
        self._chunks: list[int] = []
        _live.add(self)

    @property
    def pid(self) -> int:
        """Process id of the judge."""
        pid: int = self._process.pid
        return pid

    def wait_ready(self) -> None:
        """Wait until its fork server is up, and has proved itself.

        Raises:
            IsolationError: If a server does not hold what it should; says which layer.
            JudgeLostError: If it can't be brought up, or the process died or is stuck.
        """
        while True:
            if self.connection.poll(_LOOK_SECONDS):
                for message in self._receive():
                    self.layers, self.shortcuts = message.layers, message.shortcuts
                    self.cgroup = message.cgroup
                    return
            self.check_pulse(_SILENT_SECONDS_AT_START)

    def check_pulse(self, most: float | None = None) -> None:
        """Look for a beat.

        Raises:
            JudgeLostError: If there was none for so many seconds in which this was called.
        """
        if self._pulse.silence() > (_SILENT_SECONDS if most is None else most):
            raise JudgeLostError("the judge process gave no sign of life")

    def has_room(self) -> bool:
        """Whether it should be given more: it works on one chunk while the next lies ready.

        A source that gives few programs at a time makes small chunks, which count by their programs.
        """
        few = len(self.owed) + len(self._open) < self._chunk_size
        return self.trial is None and (len(self._chunks) < _CHUNKS_AHEAD or few)

    def try_alone(self, task: Task, suite: TestSuite) -> None:
        """Give it its only task, until that is answered."""
        self.add(task, suite)
        self.send()
        self.trial = task

    def add(self, task: Task, suite: TestSuite) -> None:
        """Put a task into the next chunk, and send that if it is full."""
        self._open.append(task)
        self._open_bytes += len(task.code)
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
            self.owed[task.number] = task
        if not self._chunks:
            self._chunk_started = time.monotonic()
        self._chunks.append(len(self._open))
        chunk = Chunk(tuple(self._open), self._suites)
        self._open, self._suites = [], {}
        self._open_bytes = self._open_processes = 0
        self._outbox.put(chunk)

    def outcomes(self) -> list[tuple[int, Outcome]]:
        """Read the outcomes that have come.

        A list, not an iterator: a consumer may stop in the middle, and what the judge has answered must be
        counted all the same, or it would be taken for busy for ever.

        Raises:
            IsolationError: If a server does not hold what it should; says which layer.
            JudgeLostError: If the process died, or can't bring up a server.
        """
        known = [
            (number, outcome)
            for message in self._receive()
            if not isinstance(message, Ready)
            for number, outcome in message
            if self.owed.pop(number, None) is not None
        ]
        for _ in known:
            self._count_down()
        return known

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

    def _receive(self) -> list[Any]:
        try:
            messages = list(self._inbox.read())
        except (EOFError, OSError, pickle.UnpicklingError):
            raise JudgeLostError("the judge process ended") from None
        for message in messages:
            if isinstance(message, Failed):
                raise (IsolationError if message.unsafe else JudgeLostError)(message.reason)
        return messages

    def close(self, *, at_once: bool = False) -> None:
        """End the judge, and by that its fork servers and their programs; raises nothing.

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
        # Last: the end of the tie kills a judge, which could not remove its folders.
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


def _quietly(action: Callable[[], object]) -> None:
    # What can go wrong at an end (already ended, out of memory) is no reason to leave the rest running.
    with contextlib.suppress(Exception):
        action()


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep a spawned judge from importing the user's script, and torch and models with it.

    Judges need nothing from there, and a script without a main guard would start itself anew.
    """
    with _main_lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
