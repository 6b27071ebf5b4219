"""A judge as the host sees it: a process, a connection, and the chunks it still owes."""

from __future__ import annotations

import contextlib
import pickle
import sys
import threading
import time
import types
from collections.abc import Iterator, Sequence
from typing import Any

import multiprocess

from harness.errors import InfrastructureError
from harness.runner.judge import Chunk, Failed, Ready, Task, judge_main
from harness.types import Limits, Outcome, TestKind, TestSuite

_MAX_CHUNK = 128
"""Processes: a program on standard input has one for each test. In programs, some would take a minute."""
_CHUNK_SECONDS = 0.25
"""What a chunk should take: long enough to cost little to send, short enough to share out fairly."""
_MAX_CHUNK_BYTES = 4 << 20
_CHUNKS_AHEAD = 2
_STOP_SECONDS = 5.0
_main_lock = threading.Lock()
"""Runners may start in several threads, and there is one `__main__` to hide."""


class JudgeLostError(Exception):
    """The judge process is gone."""


class Worker:
    """One judge process and the tasks it has been given."""

    def __init__(self, limits: Limits, profiles: Sequence[str]) -> None:
        context = multiprocess.get_context("spawn")
        self.connection, other = context.Pipe()
        self._process = context.Process(target=judge_main, args=(other, limits, profiles), daemon=True)
        with _hidden_main():
            self._process.start()
        other.close()
        self.owed: dict[int, Task] = {}
        self.layers: dict[str, str] = {}
        self.shortcuts: dict[str, int] = {}
        self._open: list[Task] = []
        self._suites: dict[str, TestSuite] = {}
        self._open_bytes = self._open_processes = 0
        self._chunk_size = 1
        self._chunk_started = time.monotonic()
        self._chunks: list[int] = []

    @property
    def pid(self) -> int:
        """Process id of the judge."""
        pid: int = self._process.pid
        return pid

    def wait_ready(self) -> None:
        """Wait until its fork server is up.

        Raises:
            InfrastructureError: If it can't be brought up; says why.
            JudgeLostError: If the process died.
        """
        message = self._receive()
        if isinstance(message, Failed):
            raise InfrastructureError(f"grading cannot start: {message.reason}; see `rltf doctor`")
        self.layers, self.shortcuts = message.layers, message.shortcuts

    def has_room(self) -> bool:
        """Whether it should be given more: it works on one chunk while the next lies ready."""
        return len(self._chunks) < _CHUNKS_AHEAD

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
        # A dead judge shows when its answer is read; what it owes is known.
        with contextlib.suppress(OSError):
            self.connection.send_bytes(pickle.dumps(chunk))

    def outcomes(self) -> list[tuple[int, Outcome]]:
        """Read one message of outcomes.

        A list, not an iterator: a consumer may stop in the middle, and what the judge has answered must be
        counted all the same, or it would be taken for busy for ever.

        Raises:
            JudgeLostError: If the process died.
        """
        message = self._receive()
        if isinstance(message, Failed):
            raise JudgeLostError(message.reason)
        if isinstance(message, Ready):
            return []
        known = [(number, outcome) for number, outcome in message if self.owed.pop(number, None) is not None]
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

    def _receive(self) -> Any:
        try:
            # From our own judge; what a program made is only strings and numbers within.
            return pickle.loads(self.connection.recv_bytes())  # noqa: S301
        except (EOFError, OSError, pickle.UnpicklingError):
            raise JudgeLostError("the judge process ended") from None

    def close(self) -> None:
        """End the judge, and by that its fork servers and their programs."""
        with contextlib.suppress(OSError):
            self.connection.close()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


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
