"""The worker process: holds what is expected, has programs run by its fork servers, compares.

Trusted, spawned by the host, one per worker. It reads jobs from a pipe (a thread of its own, so that
the host never waits for it), and writes outcomes to it. When the host is gone it ends at once, and the
kernel ends its fork servers and their programs with it (`worker_life.py`). Every server proves itself before
it grades: by its layers, by a look from outside (`layer_check.py`), and by the canary.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import resource
import signal
import struct
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from harness.compare import get_profiles
from harness.errors import IsolationError
from harness.runner import borderline_retry, layer_check, self_check
from harness.runner.backend import Chunk, Task, Unprepared, WorkerStart, info_here
from harness.runner.comparison_budget import spent
from harness.runner.execution import ANYTHING, Ending, Execution, make_execution
from harness.runner.failed_costs import Costs
from harness.runner.fork_server import ForkServer, ProgramRequest, Result, ServerLostError, Unusable
from harness.runner.retry import SHORTAGE_ATTEMPTS, retried
from harness.runner.sandbox.dispatcher import MOST_WHY
from harness.runner.split_suite import PreparedSuite, WarmImports, prepare
from harness.runner.verdicts import ProcessResult, VerdictMaker, make_outcome
from harness.runner.worker_life import Heart, MemoryLimit, end_with_host
from harness.types import Limits, Outcome, Status, TestOutcome, TestSuite

_BATCH_PROGRAMS = 16
_MAIN_STACK_MIB = 1024
"""Programs that raise the recursion limit expect a contest judge's stack, not a shell's 8 MiB."""
_FLUSH_SECONDS = 0.02
FRAME = "!Q"
"""Before each message to the host: its length."""
_KEPT_SUITES = 8
_START_ATTEMPTS = {IsolationError: 3, ServerLostError: 5, OSError: SHORTAGE_ATTEMPTS}
_MOST_OTHER_SERVERS = 3
"""Fork servers with limits of a job's own that are kept at a time."""
_KEPT_MAKERS = 64
_Kind = tuple[WarmImports, Limits | None]
"""Of fork server: what it has imported; limits, where they are a job's own."""
_MAX_LOSSES = 5
"""Servers that may be lost over one program. Not two: a server killed from outside, and its successor
again while it starts, are no sign that the program had any part in it."""


_LOSSES = (
    ServerLostError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What costs the program that was being graded, and no other: its server is gone, or its data set off a bug
of ours or met the worker's limit on memory."""


@dataclass(frozen=True, slots=True)
class WorkerArguments:
    """What a worker is told when it is started."""

    start: WorkerStart
    tie: Any
    """Reading end of a pipe that ends with the host."""
    beats: Any
    """Writing end of the pipe for its beats."""
    host: int
    """Process id."""
    of_main_thread: bool
    """Whether the host's main thread starts it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A grader worker's last message: why it can't work."""

    reason: str
    unsafe: bool = False
    """Whether a server of it does not hold what it should: no other worker would do better."""


@dataclass(eq=False)
class _Pending:
    task: Task
    request: ProgramRequest
    limits: Limits
    maker: VerdictMaker
    runs: list[ProcessResult] = field(default_factory=list)
    tests: list[TestOutcome] = field(default_factory=list)
    tries: list[Result] = field(default_factory=list)
    """Runs of its next tests that may have been over a limit by bad luck."""
    losses: int = 0

    def __post_init__(self) -> None:
        self.costs = Costs(self.limits, self.request.suite)

    def take(self, result: Result) -> None:
        """Count a result as the program's; what is left to do begins behind it."""
        # What many processes left behind would fill the worker's memory.
        self.runs.append(result.run if self.task.execute else result.run.without_data())
        began = spent()
        self.maker.add(self.tests, self.request.suite, result.run)
        self.costs.add(result.run, self.tests, spent() - began)
        asked = self.request
        cpu, idle = asked.cpu + result.run.cpu, asked.idle + result.run.idle
        self.request = replace(asked, first=result.following, cpu=cpu, idle=idle)

    def start_over(self) -> None:
        """Forget what it has done."""
        self.runs.clear()
        self.tests.clear()
        self.tries.clear()
        self.costs = Costs(self.limits, self.request.suite)
        self.request = replace(self.request, first=0, cpu=0.0, idle=0.0)


def worker_main(connection: Any, arguments: WorkerArguments) -> None:
    """Entry point of the process, which ends when the host closes its end, whatever it is doing."""
    end_with_host(arguments.tie, arguments.host, of_main_thread=arguments.of_main_thread)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's to handle
    memory, heart = MemoryLimit(), Heart(arguments.beats)
    _allow_deep_stacks()
    inbox: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
    worker = GraderWorker(connection, arguments, memory, heart)
    heart.start()
    memory.set()
    threading.Thread(target=_read_chunks, args=(connection, inbox, worker), daemon=True).start()
    try:
        worker.start()
        while True:
            worker.grade(inbox.get())
    except (ServerLostError, IsolationError) as error:
        with contextlib.suppress(OSError):
            _send(connection, Failed(str(error), unsafe=isinstance(error, IsolationError)))
    except BrokenPipeError:
        pass
    finally:
        worker.close()


def _read_chunks(connection: Any, inbox: queue.SimpleQueue[Chunk], worker: GraderWorker) -> None:
    while True:
        try:
            inbox.put(pickle.loads(connection.recv_bytes()))  # noqa: S301 - from our own host process
        except (EOFError, OSError, MemoryError):
            # The host is gone, or done: there is nobody to finish for. Or what it said met the limit on
            # memory: nobody must wait for a worker that hears no more.
            worker.close()
            os._exit(0)


def _send(connection: Any, message: object) -> None:
    """Write a message in a frame of its own: the host reads what has come and waits for nothing more."""
    data = pickle.dumps(message)
    frame = memoryview(struct.pack(FRAME, len(data)) + data)
    while frame:
        frame = frame[os.write(connection.fileno(), frame) :]


def _allow_deep_stacks() -> None:
    """Before a server's exec, since it decides where the kernel puts everything else."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = _MAIN_STACK_MIB << 20
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


class GraderWorker:
    """Grades chunks with up to three fork servers, by what programs import; each is started at first use."""

    def __init__(
        self, connection: Any, arguments: WorkerArguments, memory: MemoryLimit, heart: Heart
    ) -> None:
        self._connection = connection
        self._memory, self._heart = memory, heart
        start = arguments.start
        self._wanted, self._prove_all = dict(start.layers), start.prove_all
        self._proofs: list[Outcome] = []
        self._limits = start.limits
        self._profiles = get_profiles(start.profiles)
        self._functions = any(profile.runs_in_function for profile in self._profiles)
        self._makers: dict[tuple[Limits, bool], VerdictMaker] = {}
        self._servers: dict[_Kind, ForkServer] = {}
        self._suites: OrderedDict[str, PreparedSuite] = OrderedDict()
        self._finished: list[tuple[int, Outcome | Execution | Unprepared]] = []
        self._flushed = time.monotonic()

    def start(self) -> None:
        """Start the first server and tell the host how it is isolated."""
        server = self._server((WarmImports.NONE, None))
        layers, shortcuts = dict(server.layers), server.shortcuts
        if self._prove_all:
            for warm_imports in WarmImports:
                self._server((warm_imports, None))
        _send(self._connection, info_here(layers, shortcuts, server.cgroup))

    def close(self) -> None:
        """End the servers."""
        for server in list(self._servers.values()):
            server.close()

    def grade(self, chunk: Chunk) -> None:
        """Grade every job of a chunk and send the outcomes."""
        split: dict[_Kind, list[_Pending]] = {(warm_imports, None): [] for warm_imports in WarmImports}
        for task in chunk.tasks:
            try:
                suite = self._prepared(chunk.suites[task.digest])
            except Exception as error:  # a benchmark's data may be anything, and its checker raise anything
                self._deliver(task.number, Unprepared(f"{type(error).__name__}: {error}"[:MOST_WHY]))
                continue
            request = ProgramRequest(task.number, task.code, suite, capture=task.execute, files=task.files)
            kind = suite.warm_imports(task.code), task.limits
            split.setdefault(kind, []).append(self._pending(task, request))
        for kind, left in split.items():
            while left:
                left[:] = self._grade_with_server(left, kind)
        self._flush()

    def _prepared(self, suite: TestSuite) -> PreparedSuite:
        prepared = self._suites.get(suite.digest)
        if prepared is None:
            try:
                prepared = prepare(suite)
            except MemoryError:  # what is kept of other problems is no fault of this one's
                self._suites.clear()
                prepared = prepare(suite)
            self._suites[suite.digest] = prepared
            while len(self._suites) > _KEPT_SUITES:
                self._suites.popitem(last=False)
        return prepared

    def _server(self, kind: _Kind) -> ForkServer:
        if kind not in self._servers:
            self._make_room(kind)
            retried(lambda: self._start_server(kind), _START_ATTEMPTS)
        return self._servers[kind]

    def _make_room(self, kind: _Kind) -> None:
        """Servers of the runner's limits stay; of those of a job's, the oldest gives way."""
        others = [each for each in self._servers if each[1] is not None]
        if kind[1] is not None and len(others) >= _MOST_OTHER_SERVERS:
            self._drop_server(others[0])

    def _start_server(self, kind: _Kind) -> None:
        """Start one and have it prove itself."""
        warm_imports, limits = kind
        with self._memory.lifted():
            server = ForkServer(limits or self._limits, warm_imports, functions=self._functions)
        self._servers[kind] = server
        try:
            self._check_layers(server)
            self._check_canaries(server, kind)
        except BaseException:
            self._drop_server(kind)
            raise
        self._wanted = self._wanted or dict(server.layers)

    def _check_layers(self, server: ForkServer) -> None:
        if layer_check.exposes_judge(server.layers, os.geteuid()):
            reasons = [f"{name}: {server.layers[name]}" for name in ("landlock", "user namespace")]
            raise IsolationError(
                "grading cannot start: programs could read and write the memory of the process that judges"
                f" them ({'; '.join(reasons)}). Use Linux 5.13 or later with Landlock, allow user namespaces"
                " (sysctl user.max_user_namespaces), or start as root, which runs programs as another user"
            )
        fewer = layer_check.lacking(self._wanted, server.layers)
        untrue = layer_check.not_in_effect(server.pid, server.layers, server.cgroup_names)
        if fewer or untrue:
            found = [*(f"without {name}" for name in fewer), *(f"{name}, not as it says" for name in untrue)]
            raise IsolationError(
                "a process that runs programs came up with less isolation than the first:"
                f" {'; '.join(found)}; nothing more was graded. Run `rltf doctor`"
            )

    def _check_canaries(self, server: ForkServer, kind: _Kind) -> None:
        known = self_check.canaries(server.layers, kind[1] or self._limits)
        self._proofs = []
        pending = []
        for index, each in enumerate(known):
            task = Task(-1 - index, each.name, 0, each.code, each.suite.digest, alone=True, limits=kind[1])
            request = ProgramRequest(task.number, each.code, self._prepared(each.suite))
            pending.append(self._pending(task, request))
        while pending:
            if self._servers.get(kind) is not server:
                raise ServerLostError("the fork server was lost over the start-up check")
            pending = self._grade_with_server(pending, kind)
        for each, outcome in zip(known, self._proofs, strict=True):
            if outcome.infrastructure_error is not None:
                raise ServerLostError(outcome.infrastructure_error)
            self_check.check(each, outcome)

    def _pending(self, task: Task, request: ProgramRequest) -> _Pending:
        limits = task.limits or self._limits
        key = limits, task.execute
        maker = self._makers.get(key)
        if maker is None:
            if len(self._makers) >= _KEPT_MAKERS:
                self._makers.clear()
            profiles = (ANYTHING,) if task.execute else self._profiles
            maker = self._makers[key] = VerdictMaker(profiles, limits, self._suites.clear)
        return _Pending(task, request, limits, maker)

    def _grade_with_server(self, pending: list[_Pending], kind: _Kind) -> list[_Pending]:
        """Grade until done or until the server is lost; returns what is left to do with another."""
        server = self._server(kind)
        waiting = list(pending)
        sent: list[_Pending] = []
        try:
            newest = self._send_batch(server, waiting, sent)
            results = self._heart.marking(server.results())
            while sent:
                result = next(results)
                item = sent[0]
                if result.number != item.task.number:
                    raise ServerLostError(
                        f"the fork server answered program {result.number}, not {item.task.number}"
                    )
                if isinstance(result, Unusable):
                    self._deliver(item.task.number, Unprepared(result.reason))
                    sent.remove(item)
                elif result.so_far:
                    server.answer(go_on=not self._too_costly_so_far(item, result))
                    continue
                else:
                    if self._is_done(server, item, result):
                        # Taken out only when that went well: what is lost on the way is still to be answered.
                        self._finish(item)
                        sent.remove(item)
                    if result.retires:
                        # Nothing is lost: the server makes way for one without a past.
                        self._drop_server(kind)
                        break
                # An answer to the newest batch means that the pipe is empty: send more while the server
                # works. With an unread batch in it a write could block, and the server on us in turn.
                fits = waiting and item in newest and waiting[0].request.size < server.batch_bytes
                if fits or (waiting and not sent):
                    newest = self._send_batch(server, waiting, sent)
        except _LOSSES as error:
            if isinstance(error, MemoryError):
                self._suites.clear()
            self._drop_server(kind)
            if sent:
                self._lose(sent, error)
        return sent + waiting

    def _is_done(self, server: ForkServer, item: _Pending, result: Result) -> bool:
        """Take a result; whether the program is done with, which the server is told if it asks."""
        settled = borderline_retry.settled(item.tries, result)
        if settled is not None:
            item.take(settled)
        done = settled is not None and (result.last or self._decided(item))
        if result.asks:
            server.answer(go_on=not done)
        return done

    def _decided(self, item: _Pending) -> bool:
        """Whether no further test of the program is to be run."""
        return item.maker.decided(item.tests) or item.costs.cut_at(item.tests) is not None

    def _too_costly_so_far(self, item: _Pending, result: Result) -> bool:
        """Whether what a process has done until now is enough; the test that it is at counts as it is."""
        tests, costs = list(item.tests), item.costs.copy()
        item.maker.add(tests, item.request.suite, result.run)
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

    def _lose(self, sent: list[_Pending], error: Exception) -> None:
        """The program that was running is tried again; those behind it had no part in it."""
        sent[0].losses += 1
        sent[0].start_over()
        if sent[0].losses >= (1 if sent[0].task.alone else _MAX_LOSSES):
            self._finish_failed(sent.pop(0), str(error) or type(error).__name__)

    def _drop_server(self, kind: _Kind) -> None:
        server = self._servers.pop(kind, None)
        if server is not None:
            server.close()

    def _finish(self, item: _Pending) -> None:
        cut = item.costs.cut_at(item.tests)
        tests = item.tests if cut is None else item.maker.cut(item.tests, cut)
        complete = item.maker.complete(tests, item.request.suite)
        task = item.task
        if task.execute:
            suite = item.request.suite
            self._deliver(
                task.number, make_execution(task.task_id, task.sample_id, suite, complete, item.runs)
            )
            return
        outcome = make_outcome(
            task.task_id, task.sample_id, complete, item.runs, self._profiles, cut_short=cut is not None
        )
        self._deliver(task.number, outcome)

    def _finish_failed(self, item: _Pending, reason: str) -> None:
        task = item.task
        if task.execute:
            ended = Execution(task.task_id, task.sample_id, Ending.NOT_RUN, infrastructure_error=reason)
            self._deliver(task.number, ended)
            return
        verdicts = {profile.name: Status.NOT_RUN for profile in self._profiles}
        outcome = Outcome(task.task_id, task.sample_id, verdicts, infrastructure_error=reason)
        self._deliver(task.number, outcome)

    def _deliver(self, number: int, outcome: Outcome | Execution | Unprepared) -> None:
        if number < 0 and isinstance(outcome, Outcome):
            self._proofs.append(outcome)
            return
        self._finished.append((number, outcome))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._finished:
            _send(self._connection, self._finished)
            self._finished = []
        self._flushed = time.monotonic()
