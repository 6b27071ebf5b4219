"""The part on each node: an actor around a `GradingService`, whose runner has the node's processors.

Lost processes are replaced there, and programs that cost processes are tried alone there, as on one machine:
an answer is final. Errors go back as plain data too: Ray would pickle an exception with all that it holds.
Does not cover: which programs a node gets (`harness.runner.runner`), or when it is given up (`pool`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import Future
from dataclasses import replace
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import harness
from harness.cluster.plain import packed, unpacked
from harness.run_store import environment
from harness.runner.backend import Chunk, Unprepared, WorkerStart, info_here
from harness.runner.cache_key import grading_versions
from harness.runner.runner import Request, unusable
from harness.service import GradingService
from harness.types import Job, Problem, TestSuite

KEPT_SUITE_BYTES = 512 << 20
"""Of packed tests that a node keeps."""
_GATHER_SECONDS = 0.03
"""Answers that come within it travel together."""
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


class NodeGrader:
    """The actor. Its methods take and return what `plain` packs, and raise nothing."""

    def __init__(self, start: bytes, processes: int) -> None:
        """
        Args:
            start: A `WorkerStart`, packed.
            processes: Programs at a time.
        """
        self._start: WorkerStart = unpacked(start)
        self._processes = processes
        self._service: GradingService | None = None
        self._problems: OrderedDict[str, Problem] = OrderedDict()
        self._kept_bytes = 0
        self._answers: deque[tuple[int, Future[Any]]] = deque()
        self._answered = asyncio.Event()
        self._work = _Work(processes)

    async def open(self) -> bytes:
        """Start the runner: `(WorkerInfo, rules, facts)`, or text that says why there is none."""
        try:
            return packed(await asyncio.to_thread(self._opened))
        except Exception as error:
            return packed(_said(error))

    def _opened(self) -> Any:
        start, profiles = self._start, tuple(self._start.profiles)
        service = GradingService(self._processes, start.limits, profiles)
        self._service = service.__enter__()
        described = service.describe()
        info = replace(
            info_here(described["isolation"], cgroup=tuple(described["cgroup"])), pool_size=self._processes
        )
        return info, rules(profiles), {**environment.versions(), **environment.hardware()}

    async def grade(self, data: bytes) -> bytes:
        """Begin to grade the programs of a `Chunk`; `collect` has the answers.

        Returns the digests of tests that the chunk does not bring and that are not, or no longer, here: then
        nothing of it is graded. Text: why nothing more is graded here.
        """
        try:
            return packed(self._begun(unpacked(data)))
        except Exception as error:
            return packed(_said(error))

    async def collect(self) -> bytes:
        """Wait for answers: those that have come, `(number, answer)`, and the node's pace; see `Worker.pace`.

        Text: why nothing more is graded here.
        """
        try:
            await self._answered.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._answered.clear()
            answers = []
            while self._answers:
                number, future = self._answers.popleft()
                answers.append((number, _final(future.result())))
            return packed((answers, self._work.pace()))
        except Exception as error:
            return packed(_said(error))

    async def beat(self) -> None:
        """Answer."""

    async def close(self) -> None:
        """End the runner and its programs."""
        if self._service is not None:
            await asyncio.to_thread(self._service.close)

    def _begun(self, chunk: Chunk) -> tuple[str, ...]:
        service = self._service
        if service is None:
            raise RuntimeError("the node's runner is not open")
        for digest, suite in chunk.suites.items():
            self._keep(digest, suite)
        lacking = {task.digest for task in chunk.tasks} - self._problems.keys()
        if lacking:
            return tuple(sorted(lacking))
        loop = asyncio.get_running_loop()
        for task in chunk.tasks:
            self._problems.move_to_end(task.digest)
            problem = self._problems[task.digest]
            job = Job(task.task_id, task.sample_id, task.code, problem, task.limits, task.files or {})
            self._work.add(1)
            future = service.ask(Request(job, execute=task.execute))
            future.add_done_callback(partial(self._take, loop, task.number))
        self._forget()
        return ()

    def _take(self, loop: asyncio.AbstractEventLoop, number: int, future: Future[Any]) -> None:
        """In the service's thread, thousands a second: the loop is woken once for many."""
        self._work.add(-1)
        self._answers.append((number, future))
        if not self._answered.is_set():
            loop.call_soon_threadsafe(self._answered.set)

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


def _said(error: Exception) -> str:
    return (
        f"{error}" if isinstance(error, harness.errors.HarnessError) else f"{type(error).__name__}: {error}"
    )


def _final(answer: Any) -> Any:
    """What the driver's runner is to take as it is: a living runner fails only over the problem's tests."""
    reason = answer.infrastructure_error
    return answer if reason is None else Unprepared(reason.removeprefix(unusable(answer.task_id, "")))


class _Work:
    """How long programs take here, counted while there are some: by the clock of the node alone."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._lock = threading.Lock()
        self._waiting = 0
        self._busy, self._done = 0.0, 0
        self._since = time.monotonic()

    def add(self, programs: int) -> None:
        """So many more, or fewer, are here."""
        with self._lock:
            now = time.monotonic()
            self._busy += (now - self._since) * min(1.0, self._waiting / self._processes)
            self._since = now
            self._waiting += programs
            self._done += programs < 0

    def pace(self) -> float | None:
        """Seconds for one program, of late."""
        with self._lock:
            found = self._busy / self._done if self._done else None
            if self._done > _RECENT:
                self._busy, self._done = self._busy / 2, self._done // 2
            return found
