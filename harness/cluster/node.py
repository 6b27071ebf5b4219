"""The part on each node: an actor around a `Runner` that has the node's processors.

Lost processes are replaced there, and programs that cost processes are tried alone there, as on one machine:
an answer is final. Errors go back as plain data too: Ray would pickle an exception with all that it holds.
Does not cover: which programs a node gets (`harness.runner.runner`), or when it is given up (`pool`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

import harness
from harness.cluster.plain import packed, unpacked
from harness.run_store import environment
from harness.runner.backend import Chunk, WorkerStart, info_here
from harness.runner.cache_key import grading_versions
from harness.runner.runner import Request, Runner
from harness.types import Job, Problem, TestSuite

KEPT_SUITE_BYTES = 512 << 20
"""Of packed tests that a node keeps."""
_GATHER_SECONDS = 0.1
"""Answers that come within it travel together while programs are left here: a call costs about 1 ms."""
_RECENT = 512
"""Programs after which earlier ones count half."""


def rules(profiles: tuple[str, ...]) -> dict[str, str]:
    """All that a verdict depends on in this process, by name: nodes and driver must agree on it."""
    here, versions = info_here(), grading_versions(profiles)
    return {
        "the processor's architecture": here.machine,
        "Python": f"{here.implementation} {here.python}",
        **{f"profile {name}": version for name, version in versions["profiles"].items()},
        **{name: version for name, version in versions["grader"].items() if name != "version"},
        "the code of harness (SHA-256)": _source_hash()[:12],
    }


@cache
def _source_hash() -> str:
    root = Path(harness.__file__).parent
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class _Numbered(Request):
    """A request, with the number by which the driver knows it."""

    number: int = -1


class NodeGrader:
    """The actor. Its methods take and return what `plain` packs, and raise nothing.

    `open` starts a thread that feeds the runner until `close`. The other methods leave it programs and fetch
    its answers, each in a thread of Ray's.
    """

    CALLS = 6
    """That may be under way at a time: one `collect`, three `grade`, `beat` and `close`."""

    def __init__(self, start: bytes, processes: int) -> None:
        """
        Args:
            start: A `WorkerStart`, packed.
            processes: Programs at a time.
        """
        self._start: WorkerStart = unpacked(start)
        self._processes = processes
        self._runner = Runner(processes, self._start.limits, tuple(self._start.profiles))
        self._thread = threading.Thread(target=self._drive, name="runner", daemon=True)
        self._opened: SimpleQueue[Any] = SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        """Of the tests that are kept."""
        self._problems: OrderedDict[str, Problem] = OrderedDict()
        self._kept_bytes = 0
        self._asked: deque[_Numbered] = deque()
        self._answers: deque[tuple[int, Any]] = deque()
        self._answered = threading.Event()
        self._work = _Work(processes)
        self._closed = False
        self._over: str | None = None
        """Why nothing more is graded here."""

    def open(self) -> bytes:
        """Start the runner: `(WorkerInfo, rules, facts)`, or text that says why there is none."""
        self._thread.start()
        return packed(self._opened.get())

    def grade(self, data: bytes) -> bytes:
        """Begin to grade the programs of a `Chunk`; `collect` has the answers.

        Returns the digests of tests that the chunk does not bring and that are not, or no longer, here: then
        nothing of it is graded. Text: why nothing more is graded here.
        """
        try:
            with self._lock:
                return packed(self._begun(unpacked(data)))
        except Exception as error:
            return packed(_said(error))

    def collect(self) -> bytes:
        """Wait for answers: those that have come, `(number, answer)`, and the node's pace; see `Worker.pace`.

        Text: why nothing more is graded here.
        """
        try:
            self._answered.wait()
            self._work.none_left.wait(_GATHER_SECONDS)
            self._answered.clear()
            answers = []
            while self._answers:
                answers.append(self._answers.popleft())
            if self._over is not None:
                self._answered.set()
                if not answers:
                    return packed(self._over)
            return packed((answers, self._work.pace()))
        except Exception as error:
            return packed(_said(error))

    def beat(self) -> None:
        """Answer."""

    def close(self) -> None:
        """End the runner and its programs."""
        self._closed = True
        self._runner.cancel()
        os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None:
            self._thread.join()

    # --- the tests that are kept -----------------------------------------------------------------

    def _begun(self, chunk: Chunk) -> tuple[str, ...]:
        for digest, suite in chunk.suites.items():
            self._keep(digest, suite)
        lacking = {task.digest for task in chunk.tasks} - self._problems.keys()
        if lacking:
            return tuple(sorted(lacking))
        self._work.begin(len(chunk.tasks))
        for task in chunk.tasks:
            self._problems.move_to_end(task.digest)
            problem = self._problems[task.digest]
            job = Job(task.task_id, task.sample_id, task.code, problem, task.limits, task.files or {})
            self._asked.append(_Numbered(job, task.execute, task.number))
        os.eventfd_write(self._wake, 1)
        self._forget()
        return ()

    def _keep(self, digest: str, suite: TestSuite) -> None:
        suite = replace(suite)  # its digest is computed, not believed
        if suite.digest != digest:
            raise ValueError(f"tests of SHA-256 {digest} arrived as {suite.digest}")
        if digest not in self._problems:
            self._problems[digest] = Problem(f"tests {digest}", "", load_suite=lambda: suite)
            self._kept_bytes += len(suite.packed)

    def _forget(self) -> None:
        while self._kept_bytes > KEPT_SUITE_BYTES and len(self._problems) > 1:
            _, problem = self._problems.popitem(last=False)
            self._kept_bytes -= len(problem.suite.packed)

    # --- the runner's thread ---------------------------------------------------------------------

    def _drive(self) -> None:
        try:
            with self._runner as runner:
                described = runner.describe()
                info = info_here(described["isolation"], cgroup=tuple(described["cgroup"]))
                facts = {**environment.versions(), **environment.hardware()}
                self._opened.put((replace(info, pool_size=self._processes), rules(runner.profiles), facts))
                for request, answer in runner.serve(self._requests(), wake=self._wake):
                    self._answers.append((cast("_Numbered", request).number, answer))
                    self._work.end_one()
                    if not self._answered.is_set():
                        self._answered.set()
        except Exception as error:
            self._over = _said(error)
            self._opened.put(self._over)
        finally:
            self._over = self._over or "it was closed"
            self._work.none_left.set()
            self._answered.set()

    def _requests(self) -> Iterator[Request | None]:
        while not self._closed:
            if not self._asked:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            # Looked at again: what was asked before that reading wakes nobody.
            yield self._asked.popleft() if self._asked else None


def _said(error: Exception) -> str:
    return (
        f"{error}" if isinstance(error, harness.errors.HarnessError) else f"{type(error).__name__}: {error}"
    )


class _Work:
    """How long programs take here, counted while there are some: by the clock of the node alone."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._lock = threading.Lock()
        self._waiting = 0
        self._busy, self._done = 0.0, 0
        self._since = time.monotonic()
        self.none_left = threading.Event()

    def begin(self, programs: int) -> None:
        """So many more are here."""
        with self._lock:
            self._count()
            self._waiting += programs
            self.none_left.clear()

    def end_one(self) -> None:
        """One has been answered."""
        with self._lock:
            self._count()
            self._waiting -= 1
            self._done += 1
            if not self._waiting:
                self.none_left.set()

    def _count(self) -> None:
        now = time.monotonic()
        self._busy += (now - self._since) * min(1.0, self._waiting / self._processes)
        self._since = now

    def pace(self) -> float | None:
        """Seconds for one program, of late."""
        with self._lock:
            found = self._busy / self._done if self._done else None
            if self._done > _RECENT:
                self._busy, self._done = self._busy / 2, self._done // 2
            return found
