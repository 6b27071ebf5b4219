"""The judge process: holds what is expected, has programs run by its fork servers, compares.

Trusted, spawned by the host, one per worker. It reads jobs from a pipe (a thread of its own, so that
the host never waits for it), and writes outcomes to it. When the host is gone it ends at once, and the
kernel ends its fork servers and their programs with it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import resource
import signal
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.compare import get_profiles
from harness.runner import reruns
from harness.runner.costs import Costs
from harness.runner.judging import Judge, Run, make_outcome
from harness.runner.prepared import Preload, PreparedSuite, prepare
from harness.runner.server import ForkServer, ProgramRequest, Result, ServerLostError
from harness.types import Limits, Outcome, Status, TestOutcome, TestSuite

_BATCH_PROGRAMS = 16
_MAIN_STACK_MIB = 1024
"""Programs that raise the recursion limit expect a contest judge's stack, not a shell's 8 MiB."""
_FLUSH_SECONDS = 0.02
_KEPT_SUITES = 8
_START_ATTEMPTS = 5
_MAX_LOSSES = 5
"""Servers that may be lost over one program. Not two: a server killed from outside, and its successor
again while it starts, are no sign that the program had any part in it."""


@dataclass(frozen=True, slots=True)
class Task:
    """A job as it travels to a judge."""

    number: int
    task_id: str
    sample_id: int | str
    code: str
    digest: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some jobs and the suites that they need."""

    tasks: Sequence[Task]
    suites: dict[str, TestSuite]


@dataclass(frozen=True, slots=True)
class Ready:
    """A judge's first message: its servers' layers of isolation, and what makes them quick."""

    layers: dict[str, str]
    shortcuts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Failed:
    """A judge's last message: why it can't work."""

    reason: str


@dataclass(eq=False)
class _Pending:
    task: Task
    request: ProgramRequest
    limits: Limits
    runs: list[Run] = field(default_factory=list)
    tests: list[TestOutcome] = field(default_factory=list)
    tries: list[Result] = field(default_factory=list)
    """Runs of its next tests that may have been over a limit by bad luck."""
    losses: int = 0

    def __post_init__(self) -> None:
        self.costs = Costs(self.limits, self.request.suite)

    def take(self, judge: Judge, result: Result) -> None:
        """Count a result as the program's; what is left to do begins behind it."""
        self.runs.append(result.run)
        judge.add(self.tests, self.request.suite, result.run)
        self.costs.add(result.run, self.tests)
        self.request = replace(
            self.request,
            first=result.following,
            cpu=self.request.cpu + result.run.cpu,
            idle=self.request.idle + result.run.idle,
        )

    def start_over(self) -> None:
        """Forget what it has done."""
        self.runs.clear()
        self.tests.clear()
        self.tries.clear()
        self.costs = Costs(self.limits, self.request.suite)
        self.request = replace(self.request, first=0, cpu=0.0, idle=0.0)


def judge_main(connection: Any, limits: Limits, profile_names: Sequence[str]) -> None:
    """Entry point of the process, which ends when the host closes its end, whatever it is doing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's to handle
    _allow_deep_stacks()
    inbox: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
    worker = _Worker(connection, limits, profile_names)
    threading.Thread(target=_read_chunks, args=(connection, inbox, worker), daemon=True).start()
    try:
        worker.start()
        while True:
            worker.grade(inbox.get())
    except ServerLostError as error:
        with contextlib.suppress(OSError):
            connection.send_bytes(pickle.dumps(Failed(str(error))))
    except BrokenPipeError:
        pass
    finally:
        worker.close()


def _read_chunks(connection: Any, inbox: queue.SimpleQueue[Chunk], worker: _Worker) -> None:
    while True:
        try:
            inbox.put(pickle.loads(connection.recv_bytes()))  # noqa: S301 - from our own host process
        except (EOFError, OSError):
            # The host is gone, or done: there is nobody to finish for.
            worker.close()
            os._exit(0)


def _allow_deep_stacks() -> None:
    """Before a server's exec, since it decides where the kernel puts everything else."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = _MAIN_STACK_MIB << 20
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


class _Worker:
    """Grades chunks with up to three fork servers, by what programs import; each is started at first use."""

    def __init__(self, connection: Any, limits: Limits, profile_names: Sequence[str]) -> None:
        self._connection = connection
        self._limits = limits
        self._profiles = get_profiles(profile_names)
        self._functions = any(profile.runs_in_function for profile in self._profiles)
        self._judge = Judge(self._profiles, limits)
        self._servers: dict[Preload, ForkServer] = {}
        self._suites: OrderedDict[str, PreparedSuite] = OrderedDict()
        self._finished: list[tuple[int, Outcome]] = []
        self._flushed = time.monotonic()

    def start(self) -> None:
        """Start the first server and tell the host how it is isolated."""
        server = self._server(Preload.NOTHING)
        self._connection.send_bytes(pickle.dumps(Ready(server.layers, server.shortcuts)))

    def close(self) -> None:
        """End the servers."""
        for server in list(self._servers.values()):
            server.close()

    def grade(self, chunk: Chunk) -> None:
        """Grade every job of a chunk and send the outcomes."""
        split: dict[Preload, list[_Pending]] = {preload: [] for preload in Preload}
        for task in chunk.tasks:
            suite = self._prepared(chunk.suites[task.digest])
            request = ProgramRequest(task.number, task.code, suite)
            split[suite.preload(task.code)].append(_Pending(task, request, self._limits))
        for preload, left in split.items():
            while left:
                left[:] = self._grade_with_server(left, preload)
        self._flush()

    def _prepared(self, suite: TestSuite) -> PreparedSuite:
        prepared = self._suites.get(suite.digest)
        if prepared is None:
            prepared = self._suites[suite.digest] = prepare(suite)
            while len(self._suites) > _KEPT_SUITES:
                self._suites.popitem(last=False)
        return prepared

    def _server(self, preload: Preload) -> ForkServer:
        for attempt in range(_START_ATTEMPTS):
            if preload in self._servers:
                break
            try:
                self._servers[preload] = ForkServer(self._limits, preload, functions=self._functions)
            except ServerLostError:
                if attempt == _START_ATTEMPTS - 1:
                    raise
        return self._servers[preload]

    def _grade_with_server(self, pending: list[_Pending], preload: Preload) -> list[_Pending]:
        """Grade until done or until the server is lost; returns what is left to do with another."""
        server = self._server(preload)
        waiting = list(pending)
        sent: list[_Pending] = []
        try:
            newest = self._send_batch(server, waiting, sent)
            results = server.results()
            while sent:
                result = next(results)
                item = sent[0]
                if result.number != item.task.number:
                    raise ServerLostError(
                        f"the fork server answered program {result.number}, not {item.task.number}"
                    )
                if result.so_far:
                    server.answer(go_on=not self._too_costly_so_far(item, result))
                    continue
                settled = reruns.settled(item.tries, result)
                if settled is not None:
                    item.take(self._judge, settled)
                done = settled is not None and (result.last or self._decided(item))
                if result.asks:
                    server.answer(go_on=not done)
                if done:
                    self._finish(sent.pop(0))
                if result.retires:
                    # Nothing is lost: the server makes way for one without a past.
                    self._drop_server(preload)
                    break
                # An answer to the newest batch means that the pipe is empty: send more while the server
                # works. With an unread batch in it a write could block, and the server on us in turn.
                fits = waiting and item in newest and waiting[0].request.size < server.batch_bytes
                if fits or (waiting and not sent):
                    newest = self._send_batch(server, waiting, sent)
        except ServerLostError as error:
            self._drop_server(preload)
            if sent:
                self._lose(sent, error)
        return sent + waiting

    def _decided(self, item: _Pending) -> bool:
        """Whether no further test of the program is to be run."""
        return self._judge.decided(item.tests) or item.costs.cut_at(item.tests) is not None

    def _too_costly_so_far(self, item: _Pending, result: Result) -> bool:
        """Whether what a process has done until now is enough; the test that it is at counts as it is."""
        tests, costs = list(item.tests), item.costs.copy()
        self._judge.add(tests, item.request.suite, result.run)
        costs.add(result.run, tests)
        return costs.cut_at(tests) is not None

    def _send_batch(
        self, server: ForkServer, waiting: list[_Pending], sent: list[_Pending]
    ) -> list[_Pending]:
        """Move the next programs from `waiting` to `sent` and to the server; returns them."""
        batch: list[_Pending] = []
        size = 0
        while waiting and len(batch) < _BATCH_PROGRAMS:
            if batch and size + waiting[0].request.size >= server.batch_bytes:
                break
            item = waiting.pop(0)
            size += item.request.size
            batch.append(item)
        sent.extend(batch)
        server.send([item.request for item in batch])
        return batch

    def _lose(self, sent: list[_Pending], error: ServerLostError) -> None:
        """The program that was running is tried again; those behind it had no part in it."""
        sent[0].losses += 1
        sent[0].start_over()
        if sent[0].losses >= _MAX_LOSSES:
            self._finish_failed(sent.pop(0), str(error))

    def _drop_server(self, preload: Preload) -> None:
        server = self._servers.pop(preload, None)
        if server is not None:
            server.close()

    def _finish(self, item: _Pending) -> None:
        cut = item.costs.cut_at(item.tests)
        tests = item.tests if cut is None else self._judge.cut(item.tests, cut)
        complete = self._judge.complete(tests, item.request.suite)
        task = item.task
        outcome = make_outcome(
            task.task_id, task.sample_id, complete, item.runs, self._profiles, cut_short=cut is not None
        )
        self._deliver(task.number, outcome)

    def _finish_failed(self, item: _Pending, reason: str) -> None:
        verdicts = {profile.name: Status.NOT_RUN for profile in self._profiles}
        outcome = Outcome(item.task.task_id, item.task.sample_id, verdicts, infrastructure_error=reason)
        self._deliver(item.task.number, outcome)

    def _deliver(self, number: int, outcome: Outcome) -> None:
        self._finished.append((number, outcome))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._finished:
            self._connection.send_bytes(pickle.dumps(self._finished))
            self._finished = []
        self._flushed = time.monotonic()
