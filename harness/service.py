"""`GradingService`: many threads and coroutines, one runner, a future for each program.

    with GradingService(workers=8) as service:
        future = service.submit(job)                 # from any thread
        outcome = await service.grade(job)           # from any event loop
        outcomes = service.grade_all(jobs)           # in order
        done = service.execute("print(input())", "1\n").result()

One thread feeds `Runner.serve` from a queue; it sleeps on a pipe that `submit` writes to, so an idle service
answers at once and costs nothing. A copy made by fork or pickle opens a runner of its own at first use.
A runner that ends by an error fails those who wait for it; the next program opens another.
Does not cover: grading itself (`harness.runner`), or a bound on what is queued.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

from harness.compare import find_check
from harness.errors import InfrastructureError, IsolationError
from harness.runner import Runner, VerdictCache
from harness.runner.backend import WorkerFactory
from harness.runner.execution import Execution, check_files
from harness.runner.layer_check import lacking
from harness.runner.pool import PoolSource
from harness.runner.runner import Request
from harness.types import Job, Limits, Outcome, Problem, StdinTest, TestKind, TestSuite

_WINDOW = 1024
"""Jobs of one `run` that are queued or graded at a time."""
_KEPT_SUITES, _KEPT_MIB = 64, 256
"""Problems whose tests stay in memory, and how much of them: a server's clients bring tests of any size."""
_POLL_SECONDS = 0.05
_REOPEN_SECONDS = 1.0
"""After an error of the runner, before another is opened; twice as long after each in a row."""
_MOST_REOPEN_SECONDS = 60.0
_Answer = TypeVar("_Answer", Outcome, Execution)
_services: weakref.WeakSet[GradingService] = weakref.WeakSet()
_shared: dict[Any, GradingService] = {}
_shared_lock = threading.Lock()


class Grader(Protocol):
    """The least that a service can stand on, besides a `Runner`."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Outcomes in any order, one for each job."""


class GradingService:
    """A thread-safe front of one runner. A context manager; without one, it starts at first use."""

    def __init__(
        self,
        workers: int | Sequence[WorkerFactory] | PoolSource | None = None,
        limits: Limits | None = None,
        profiles: Sequence[str] = ("strict",),
        cache: VerdictCache | str | Path | None = None,
        runner: Runner | Grader | None = None,
    ) -> None:
        """
        Args:
            workers: As of `harness.Runner`.
            limits: As of `harness.Runner`; a job may have its own.
            profiles: As of `harness.Runner`.
            cache: As of `harness.Runner`; a copy in another process shares it if it is a folder.
            runner: One that is running already, and is this service's alone until that is closed; the options
                above are not looked at then, but by copies in other processes.
        """
        if isinstance(runner, Runner):
            workers, limits, profiles = runner.given_workers, runner.limits, runner.profiles
        self._options: dict[str, Any] = {
            "workers": workers, "limits": limits, "profiles": tuple(profiles), "cache": cache,
        }  # fmt: skip
        self._reset(runner)

    def _reset(self, runner: Runner | Grader | None) -> None:
        """Begin anew: nothing started, nothing queued."""
        self._given = runner
        self._runner: Runner | Grader | None = None
        self._lock = threading.Lock()
        self._queue: deque[tuple[Request, Future[Any]]] = deque()
        self._answers: dict[Request, Future[Any]] = {}
        self._packed: dict[Problem, Problem] = {}
        self._packed_bytes = 0
        self._thread: threading.Thread | None = None
        self._ready, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._errors_in_a_row, self._closed_until = 0, 0.0
        self._layers: Mapping[str, str] = {}
        self._idle = self._closed = False
        self._wake, self._waker = -1, -1
        _services.add(self)

    # --- copies ----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """The options: a copy opens a runner of its own. A cache that is open is not part of it."""
        options = dict(self._options)
        if isinstance(options["cache"], VerdictCache):
            options["cache"] = options["cache"].path.parent
        return options

    def __setstate__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._reset(None)

    def _forked(self) -> None:
        """In the child of a fork: the runner is the parent's, and so is all that waits for it."""
        for fd in (self._wake, self._waker):
            if fd >= 0:
                os.close(fd)
        # Kept, so that nothing of the parent's is closed by its being collected here.
        _strangers.append((self._given, self._runner, self._queue, self._answers))
        self._options = self.__getstate__()
        self._reset(None)

    @classmethod
    def shared(
        cls,
        workers: int | None = None,
        limits: Limits | None = None,
        profiles: Sequence[str] = ("strict",),
        cache: str | Path | None = None,
    ) -> GradingService:
        """The one service of this process with these options; it is closed when the process ends."""
        key = workers, limits, tuple(profiles), None if cache is None else Path(cache)
        with _shared_lock:
            service = _shared.get(key)
            if service is None or service._closed:
                service = _shared[key] = cls(workers, limits, profiles, cache)
            return service

    # --- life ------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start the runner, and wait until it is ready.

        Raises:
            HarnessError: What starting it raises.
        """
        try:
            self._wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(wait=error is None)

    def close(self, *, wait: bool = False) -> None:
        """End the runner and all that it started; to be called twice is no error.

        Args:
            wait: First grade what has been submitted. Otherwise those futures are cancelled, and the ones
                whose programs are running get a `CancelledError`.
        """
        with self._lock:
            self._closed = True
            thread, ended = self._thread, self._ended
            runner = self._runner
        if thread is None:
            return
        if not wait:
            self._fail(CancelledError())
            cancel = getattr(runner, "cancel", None)
            if cancel is not None:
                cancel()
        self._notify()
        if thread is not threading.current_thread():
            ended.wait()  # not `join`: interrupted by Ctrl-C, it takes a thread for ended (until 3.13)

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("this grading service is closed; open another")
            if self._thread is None or self._may_reopen():
                self._error, self._runner, self._idle = None, None, False
                self._ready, self._ended = threading.Event(), threading.Event()
                self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
                self._thread = threading.Thread(target=self._drive, name="grading service", daemon=True)
                self._thread.start()

    def _may_reopen(self) -> bool:
        """Whether the runner has ended by an error that another need not have, and long enough ago."""
        return (
            self._ended.is_set()
            and self._given is None
            and not isinstance(self._error, IsolationError)
            and time.monotonic() >= self._closed_until
        )

    def _wait_ready(self) -> None:
        self._start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    @property
    def broken(self) -> BaseException | None:
        """What has ended the runner, `CancelledError` for `close`; `None` while it is well or opens again."""
        return self._error

    # --- asking ----------------------------------------------------------------------------------

    def submit(self, job: Job) -> Future[Outcome]:
        """Have a program graded. The future's `cancel` keeps it from being started, if it has not been.

        Raises:
            InputError: For files of the job that can't be there.
            RuntimeError: If the service is closed.
        """
        future: Future[Outcome] = self.ask(Request(job))
        return future

    def execute(
        self,
        code: str,
        stdin: str = "",
        *,
        files: Mapping[str, str | bytes] | None = None,
        limits: Limits | None = None,
    ) -> Future[Execution]:
        """Run one program on one input, without a verdict; what it did is `tests[0]` of the execution.

        Args:
            code: A script.
            stdin: What it reads.
            files: Small files that it finds in its folder, by plain names.
            limits: What it may use; the runner's by default. A set of limits that is new costs a start of
                half a second, and few sets are kept ready: do not vary them by program.

        Raises:
            InputError: For a file that can't be there.
            RuntimeError: If the service is closed, or stands on something that only grades.
        """
        if self._given is not None and not hasattr(self._given, "serve"):
            raise RuntimeError("this service's grader does not execute; give it a harness.Runner")
        suite = TestSuite.pack(TestKind.STDIN, [StdinTest(stdin, "")])
        problem = Problem("execute", "", load_suite=lambda: suite)
        data = {
            name: text.encode() if isinstance(text, str) else text for name, text in (files or {}).items()
        }
        job = Job("execute", 0, code, problem, limits, data)
        future: Future[Execution] = self.ask(Request(job, execute=True))
        return future

    def ask(self, request: Request) -> Future[Any]:
        """Grade or execute: what `submit` and `execute` are made of."""
        future: Future[Any] = Future()
        self._put(request, future)
        return future

    async def grade(self, job: Job) -> Outcome:
        """The outcome of a program; cancelling this cancels its future."""
        import asyncio  # noqa: PLC0415 - in callers of this it is there already; to others it is a large part of a start

        return await asyncio.wrap_future(self.submit(job))

    def grade_all(self, jobs: Iterable[Job]) -> list[Outcome]:
        """The outcomes of programs, in their order."""
        futures = [self.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """As `Runner.run`, for several callers at once."""
        done: SimpleQueue[Future[Outcome]] = SimpleQueue()
        source, exhausted, waiting = iter(jobs), False, set[Future[Outcome]]()
        try:
            while waiting or not exhausted:
                idle = False
                while not (exhausted or idle) and len(waiting) < _WINDOW and done.empty():
                    job = next(source, _NO_MORE)
                    exhausted, idle = job is _NO_MORE, job is None
                    if isinstance(job, Job):
                        future = self.submit(job)
                        waiting.add(future)
                        future.add_done_callback(done.put)
                with contextlib.suppress(Empty):
                    future = done.get(bool(waiting) or idle, _POLL_SECONDS if idle else None)
                    waiting.discard(future)
                    try:
                        outcome = future.result()
                    except BaseException:  # what was graded before is not lost with it
                        yield from _graded(waiting)
                        raise
                    yield outcome
        finally:
            for future in waiting:
                future.cancel()

    def cancel(self) -> None:
        """As `Runner.cancel`, for good: what is queued or running is given up, for all who wait."""
        self.close()

    def describe(self) -> dict[str, Any]:
        """As `Runner.describe`; starts the runner."""
        self._wait_ready()
        runner = cast("Any", self._runner)
        described: dict[str, Any] = dict(runner.describe())
        return described

    def _put(self, request: Request, future: Future[Any]) -> None:
        check_files(request.job.files)
        if not isinstance(request.job.code, str):
            raise TypeError(f"a program is text, not {type(request.job.code).__name__}")
        self._start()
        with self._lock:
            if self._closed:
                raise RuntimeError("this grading service is closed; open another")
            if self._error is not None:
                future.set_exception(self._error)
                return
            self._queue.append((request, future))
            wanted, self._idle = self._idle, False
        if wanted:
            self._notify()

    # --- the feeding thread ----------------------------------------------------------------------

    def _notify(self) -> None:
        with self._lock, contextlib.suppress(OSError):  # full: it is readable as it is; or closed
            os.write(self._waker, b".")

    def _drive(self) -> None:
        try:
            with self._opened() as runner:
                self._check_layers(runner)
                self._runner = runner
                self._ready.set()
                serve = getattr(runner, "serve", None)
                served = serve(self._requests(), wake=self._wake) if serve else self._by_batches(runner)
                with contextlib.closing(served):
                    for request, answer in served:
                        self._deliver(request, answer)
        except BaseException as error:  # it reaches everyone who waits
            wait = min(_REOPEN_SECONDS * 2 ** min(self._errors_in_a_row, 10), _MOST_REOPEN_SECONDS)
            self._errors_in_a_row, self._closed_until = self._errors_in_a_row + 1, time.monotonic() + wait
            self._fail(error)
        finally:
            self._fail(CancelledError())
            with self._lock:
                for fd in (self._wake, self._waker):
                    os.close(fd)
                self._wake = self._waker = -1
            self._ready.set()
            self._ended.set()

    def _opened(self) -> AbstractContextManager[Runner | Grader]:
        return Runner(**self._options) if self._given is None else nullcontext(self._given)

    def _check_layers(self, runner: Runner | Grader) -> None:
        """A runner that is opened after another may not have less isolation, like a worker after another."""
        layers = getattr(runner, "layers", {})
        if fewer := lacking(self._layers, layers):
            raise IsolationError(f"opened again, the runner is without {'; '.join(fewer)}; see `rltf doctor`")
        self._layers = self._layers or layers

    def _requests(self) -> Iterator[Request | None]:
        """For `Runner.serve`: `None` while nothing is queued; ends when the service is closed."""
        while True:
            with self._lock:
                taken = self._queue.popleft() if self._queue else None
            if taken is None:
                # Emptied before the last look: what is written after that look stays, and wakes.
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 1 << 16)
                with self._lock:
                    if self._queue:
                        continue
                    if self._closed:
                        return
                    self._idle = True
                yield None
            elif (request := self._begun(*taken)) is not None:
                yield request

    def _begun(self, request: Request, future: Future[Any]) -> Request | None:
        """What the runner is to get, unless it is cancelled, or its tests can't be loaded."""
        if not future.set_running_or_notify_cancel():
            return None
        try:
            request = replace(request, job=replace(request.job, problem=self._loaded(request.job.problem)))
            suite = request.job.problem.suite
            # What the runner could make no digest of would end it, and with it all others' jobs.
            _ = suite.digest
            if suite.checker is not None:
                find_check(suite.checker)
        except Exception as error:  # a benchmark's code and data: this job's trouble, and no other's
            future.set_exception(error)
            return None
        self._answers[request] = future
        return request

    def _loaded(self, problem: Problem) -> Problem:
        """The problem with its tests in memory; the newest few are kept."""
        loaded = self._packed.get(problem)
        if loaded is None:
            loaded = self._packed[problem] = problem.loaded()
            self._packed_bytes += len(loaded.suite.packed)
            while self._packed and (len(self._packed) > _KEPT_SUITES or self._packed_bytes > _KEPT_MIB << 20):
                self._packed_bytes -= len(self._packed.pop(next(iter(self._packed))).suite.packed)
        return loaded

    def _by_batches(self, runner: Grader) -> Generator[tuple[Request, Outcome]]:
        """Serve with a grader that only runs jobs to their end: all that is queued, then all queued since."""
        requests = self._requests()
        waiting: list[Request] = []
        while True:
            for request in requests:
                if request is None:
                    break
                waiting.append(request)
            # Outcomes are known by their ids: programs that share them go one after the other.
            batch: dict[tuple[str, int | str], Request] = {}
            later = []
            for request in waiting:
                if batch.setdefault((request.job.task_id, request.job.sample_id), request) is not request:
                    later.append(request)
            waiting = later
            if batch:
                for outcome in runner.run([request.job for request in batch.values()]):
                    yield batch.pop((outcome.task_id, outcome.sample_id)), outcome
                if batch and not self._closed:  # nobody would ever answer them
                    task_id, sample_id = next(iter(batch))
                    raise InfrastructureError(
                        f"the grader left out {task_id} sample {sample_id} and {len(batch) - 1} more"
                    )
            elif self._closed:
                return
            else:
                select.select([self._wake], [], [])

    def _deliver(self, request: Request, answer: Outcome | Execution) -> None:
        self._errors_in_a_row = 0
        future = self._answers.pop(request, None)
        if future is not None:
            _settle(future.set_result, answer)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
            queued = [future for _, future in self._queue]
            self._queue.clear()
        for future in queued:
            if isinstance(error, CancelledError):
                future.cancel()
            elif future.set_running_or_notify_cancel():
                _settle(future.set_exception, error)
        while self._answers:
            try:
                _, future = self._answers.popitem()
            except KeyError:  # the feeding thread took the last
                break
            _settle(future.set_exception, error)


def _graded(futures: Iterable[Future[Outcome]]) -> Iterator[Outcome]:
    """Outcomes of those that have one."""
    for future in futures:
        if future.done() and not future.cancelled() and future.exception() is None:
            yield future.result()


def _settle(setter: Callable[[Any], None], what: object) -> None:
    with contextlib.suppress(InvalidStateError):
        setter(what)


_NO_MORE = object()
_strangers: list[Any] = []


def _close_all() -> None:
    for service in list(_services):
        service.close()


def _forget_all() -> None:
    for service in list(_services):
        service._forked()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
