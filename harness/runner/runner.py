"""`Runner`: give it programs, get outcomes. The one runner, for evaluation and for rewards.

    with Runner() as runner:
        for outcome in runner.run(Job("mbpp/11", 0, code, problem) for …):
            print(outcome.verdicts["strict"])

Host → workers → servers → one process for each program. Promises: an outcome for every job, in any order;
jobs are taken from the iterable only as fast as they are graded; an identical program is graded once; a lost
process of the grader's own is replaced and never shows as a wrong answer; when the block ends, by whatever
cause, nothing is left running.
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from multiprocess.connection import wait

from harness.compare import find_check, get_profiles
from harness.errors import HarnessError, InfrastructureError, IsolationError
from harness.machine_limits import available_processors
from harness.runner.backend import Task, Unprepared, WorkerFactory, WorkerLostError, info_here
from harness.runner.cache import VerdictCache
from harness.runner.cache_key import GRADER_VERSION, Keys
from harness.runner.cleanup import sweep
from harness.runner.execution import Ending, Execution, check_files
from harness.runner.lost_programs import lost_outcome
from harness.runner.pool import FixedPool, Pool, PoolSource
from harness.runner.worker_handle import LocalWorker, WorkerHandle
from harness.types import Job, Limits, Outcome, Status, TestSuite

_MAX_LOSSES = 3
"""Workers that may die over one program before it is tried alone."""
_MAX_SHARING = 1024
"""Jobs that may wait for another's outcome: a source that repeats itself must not keep the rest waiting."""
_POLL_SECONDS = 0.05
"""Between two questions to a source that has no job for the moment."""
_CANCEL_SECONDS = 0.2
"""Until `cancel` is noticed, at most."""
_NO_MORE = object()


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A job, and what is wanted of it."""

    job: Job
    execute: bool = False
    """What it does, an `Execution`, instead of an `Outcome`."""


@dataclass
class InFlight:
    """A program being graded, and everyone who asked for it."""

    task: Task
    suite: TestSuite
    key: bytes | None
    """Of its verdict; `None` for an execution."""
    requests: list[Request] = field(default_factory=list)
    losses: int = 0


class Runner:
    """Grades programs on `workers` processes. A context manager."""

    def __init__(
        self,
        workers: int | Sequence[WorkerFactory] | PoolSource | None = None,
        limits: Limits | None = None,
        profiles: Sequence[str] = ("strict", "apps"),
        cache: VerdictCache | str | Path | None = None,
    ) -> None:
        """
        Args:
            workers: Grader workers, each with one program running at a time: how many processes of this
                machine (default: the processors available), or what starts each, see `runner.backend`; or
                `harness.cluster.RayNodes`.
            limits: What a program may use.
            profiles: Names of the comparisons to grade by; see `harness.compare`.
            cache: Where verdicts are kept between runs: an open cache, a folder, or `None` for nowhere.

        Raises:
            InputError: For an unknown profile or an unusable cache.
            ValueError: If `workers` is less than 1.
        """
        self.given_workers = workers
        """As they were asked for, for another runner of the kind."""
        self.limits = limits or Limits()
        self._profiles = get_profiles(profiles)
        self._owns_cache = isinstance(cache, str | Path)
        self._cache = VerdictCache(cache) if isinstance(cache, str | Path) else cache
        self._keys = Keys(self.limits, self._profiles)
        """Of this machine's versions, until the workers have told theirs."""
        self._pool = _pool(workers, self.limits, tuple(profiles))
        self._workers = self._pool.workers
        self._filled: WorkerHandle | None = None
        """The worker whose next chunk is being filled."""
        self._suspects: deque[InFlight] = deque()
        """To be tried alone, each in a fresh worker."""
        self._in_flight: dict[int, InFlight] = {}
        self._numbers: dict[bytes, int] = {}
        self._unassigned: deque[InFlight] = deque()
        self._sharing = 0
        self._next_number = 0
        self._running = False
        self._cancelled = False
        self._entered = False

    # --- life ------------------------------------------------------------------------------------

    def expect(self, programs: int) -> None:
        """Be told, before the block begins, how many programs there will be: no more workers are started."""
        self._pool.limit(max(1, programs))

    def __enter__(self) -> Self:
        """Start the workers, each of which holds the canary.

        Raises:
            IsolationError: If a canary does not hold, or this is not Linux.
            InfrastructureError: If the workers do not come up, or do not have the same versions.
        """
        if sys.platform != "linux":
            raise IsolationError(
                f"programs are confined by the Linux kernel, and this is {sys.platform}: use Linux"
            )
        sweep()
        try:
            self._pool.start()
            self._keys = Keys(self.limits, self._profiles, self._pool.first)
            self._entered = True
        except BaseException:
            self.close()
            raise
        missing = {name: why for name, why in self.layers.items() if why != "on"}
        if missing:
            listed = "; ".join(f"{name} ({why})" for name, why in sorted(missing.items()))
            warnings.warn(f"programs run with less isolation than they could: {listed}", stacklevel=2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything that was started."""
        self._entered = False
        self._pool.close()
        if self._cache is not None:
            self._cache.flush()
            if self._owns_cache:
                self._cache.close()
                self._cache = None

    # --- what it is ------------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        """Programs graded at a time. Of a cluster, 0 before the block is entered."""
        return self._pool.processes

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of the profiles judged by."""
        return tuple(profile.name for profile in self._profiles)

    @property
    def layers(self) -> dict[str, str]:
        """Layers of isolation of every server: `"on"`, or why not. Empty before the block is entered."""
        return dict(self._pool.first.layers) if self._pool.first else {}

    @property
    def fork_optimizations(self) -> dict[str, int]:
        """What makes a fork cheap here, which changes no verdict: `pinned_bytes`, `huge_text_bytes` a server.

        0 where the kernel has none of it. Empty before the block is entered.
        """
        return dict(self._pool.first.fork_optimizations) if self._pool.first else {}

    @property
    def cgroup(self) -> tuple[str, ...]:
        """Which limits a control group holds for all of a server's programs: `pids`, `memory`, or none."""
        return self._pool.first.cgroup if self._pool.first else ()

    def describe(self) -> dict[str, Any]:
        """All that a verdict depends on here, for a run's manifest."""
        infos = [handle.worker.info for handle in self._workers] or [info_here()]
        return {
            "grader_version": GRADER_VERSION,
            "profiles": {profile.name: profile.version for profile in self._profiles},
            "limits": asdict(self.limits),
            "isolation": self.layers,
            "cgroup": list(self.cgroup),
            "packages": dict(infos[0].packages),
            "workers": self.workers,
            "hosts": sorted({info.host for info in infos}),
            "machine": infos[0].machine,
            **self._pool.describe(),
        }

    # --- grading ---------------------------------------------------------------------------------

    def cancel(self) -> None:
        """End a run that another thread is in; it yields no more outcomes. The only method for any thread."""
        self._cancelled = True

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """Grade jobs; yields one outcome for each, as they become known.

        Args:
            jobs: Taken only as fast as they are graded. A source that is not at its end but has no job for
                the moment gives `None`: what it gave before is graded meanwhile, and it is asked again soon.

        Raises:
            RuntimeError: If the runner is not entered, or is already running.
            InfrastructureError: If workers can't be kept alive.
            IsolationError: If one that replaces another does not hold what the first did.
            InputError: For files of a job that can't be there.
        """
        yield from self._answers(None if job is None else Request(job) for job in jobs)

    def execute(self, jobs: Iterable[Job | None]) -> Iterator[Execution]:
        """Run programs on their problems' inputs and yield what they did, without a verdict.

        As `run`, but expected values play no part (they may be empty), nothing is cached, and programs alike
        are run each. Programs on standard input give one process for each test; others are imported once, and
        called, or asked for one side of an assert, test after test.
        """
        yield from self._answers(None if job is None else Request(job, execute=True) for job in jobs)

    def _answers(self, requests: Iterable[Request | None]) -> Iterator[Any]:
        with closing(self.serve(requests)) as served:
            for _, answer in served:
                yield answer

    def serve(
        self, requests: Iterable[Request | None], *, wake: int | None = None
    ) -> Generator[tuple[Request, Outcome | Execution]]:
        """Grade and execute, mixed: each request with what came of it. What `run` and `execute` are made of.

        Args:
            requests: As the jobs of `run`.
            wake: A descriptor that is readable once there may be a request again after a `None`: the source
                is asked then, and not by the clock. Whoever writes to it also empties it.
        """
        if not self._entered:
            raise RuntimeError("use the runner as a context manager: `with Runner() as runner:`")
        if self._running:
            raise RuntimeError("this runner is already running; a second run needs a runner of its own")
        self._running, self._cancelled = True, False
        try:
            yield from self._serve(iter(requests), wake)
        finally:
            # What an abandoned run still had in flight is answered later and then ignored.
            self._running = False
            self._in_flight.clear()
            self._numbers.clear()
            self._unassigned.clear()
            self._suspects.clear()
            self._sharing = 0
            self._filled = None
            if self._cache is not None:
                self._cache.flush()

    def _serve(
        self, requests: Iterator[Request | None], wake: int | None
    ) -> Iterator[tuple[Request, Outcome | Execution]]:
        exhausted = False
        while not self._cancelled:
            if not self._entered:
                raise RuntimeError("this run outlived its runner: take its outcomes within the `with` block")
            self._pool.adopt()
            idle = False
            while not (exhausted or idle) and (worker := self._worker_with_room()) is not None:
                self._give_unassigned(worker)
                request = next(requests, _NO_MORE)
                if isinstance(request, Request):
                    yield from self._accept(request, worker)
                else:
                    exhausted, idle = request is _NO_MORE, request is None
            for worker in self._workers:
                self._give_unassigned(worker)
                worker.send()
            self._try_suspects()
            if exhausted and not self._in_flight:
                return
            # With nothing in flight, workers may still be busy with what an abandoned run left to them.
            watched = [wake] if wake is not None and idle else []
            seconds = _POLL_SECONDS if idle and wake is None else _CANCEL_SECONDS
            yield from self._collect(seconds, watched)

    def _worker_with_room(self) -> WorkerHandle | None:
        if self._sharing >= _MAX_SHARING:
            return None
        if self._filled is not None and self._filled.filling:
            return self._filled
        workers = self._workers[1:] if self._suspects else self._workers  # the first is on its way to be free
        with_room = [worker for worker in workers if worker.has_room()]
        self._filled = min(with_room, key=lambda worker: worker.load, default=None)
        return self._filled

    def _accept(
        self, request: Request, worker: WorkerHandle
    ) -> Iterator[tuple[Request, Outcome | Execution]]:
        """Answer a request at once if that is possible, else hand it to the worker."""
        job, suite = request.job, request.job.problem.suite
        check_files(job.files)
        if suite.count == 0:
            nothing = Execution(job.task_id, job.sample_id, Ending.NOT_RUN)
            outcome = Outcome(job.task_id, job.sample_id, self._not_run())
            yield request, nothing if request.execute else outcome
            return
        if suite.checker is not None:
            find_check(suite.checker)  # refused here, in words, and not by a worker that dies of it
        key = None
        if not request.execute:
            key = self._keys.key(job.code, suite.digest, job.limits, job.files)
        if key is not None:
            number = self._numbers.get(key)
            if number is not None:
                self._in_flight[number].requests.append(request)
                self._sharing += 1
                return
            known = self._cache.get(key) if self._cache is not None else None
            if known is not None:
                yield request, _addressed(known, job, cached=True)
                return
        number = self._next_number
        self._next_number += 1
        limits = None if job.limits == self.limits else job.limits
        task = Task(
            number, job.task_id, job.sample_id, job.code, suite.digest,
            limits=limits, files=dict(job.files) or None, execute=request.execute,
        )  # fmt: skip
        self._in_flight[number] = InFlight(task, suite, key, [request])
        if key is not None:
            self._numbers[key] = number
        worker.add(task, suite)

    def _not_run(self) -> dict[str, Status]:
        return dict.fromkeys(self.profiles, Status.NOT_RUN)

    def _collect(
        self, seconds: float, watched: Sequence[int] = ()
    ) -> Iterator[tuple[Request, Outcome | Execution]]:
        """Wait that long for some outcomes and deliver them; less if there is something in `watched`."""
        workers = list(self._workers)
        ready = wait([*workers, *watched], seconds)
        for worker in workers:
            try:
                answered = worker.outcomes() if worker in ready else []
                worker.worker.check_alive()
            except WorkerLostError as error:
                yield from self._replace(worker, str(error))
                continue
            for number, outcome in answered:
                yield from self._take(number, outcome, worker)

    def _take(
        self, number: int, outcome: Outcome | Execution | Unprepared, worker: WorkerHandle
    ) -> Iterator[tuple[Request, Outcome | Execution]]:
        """Deliver an outcome, unless it is a loss: then the program is tried alone, or has been."""
        on_trial, worker.trial = worker.trial, None
        if isinstance(outcome, Unprepared):
            if number in self._in_flight:
                task = self._in_flight[number].task
                said = f"the tests of {task.task_id} can't be used: {outcome.reason}"
                yield from self._deliver(number, replace(self._ungraded(task, said), unusable_tests=True))
            return
        self._check_profiles(outcome, worker)
        reason = outcome.infrastructure_error
        if reason is None or outcome.unusable_tests or number not in self._in_flight:
            yield from self._deliver(number, outcome)
        elif on_trial is None:
            self._suspects.append(self._in_flight[number])
        else:
            yield from self._fail(self._in_flight[number], reason, worker)

    def _check_profiles(self, outcome: Outcome | Execution, worker: WorkerHandle) -> None:
        """Refuse a worker that does not judge by all that was asked for.

        Raises:
            InfrastructureError: Names it, and the profiles.
        """
        if isinstance(outcome, Execution) or outcome.infrastructure_error is not None:
            return
        lacking = [profile.name for profile in self._profiles if profile.name not in outcome.verdicts]
        if lacking:
            raise InfrastructureError(
                f"the worker on {worker.worker.info.host} gave no verdict by {', '.join(lacking)}: a worker"
                " judges by all profiles of its WorkerStart"
            )

    def _fail(
        self, flight: InFlight, reason: str, worker: WorkerHandle
    ) -> Iterator[tuple[Request, Outcome | Execution]]:
        """Fail a program that was lost alone, if the grader is well: its self-check holds in a fresh worker.

        Where it does not, the runner can't go on, and says so.
        """
        task, count = flight.task, flight.suite.count
        if worker.worker.info.pool_size:
            self._pool.replace(worker)
            why = f"every node that it was given to was lost, at last alone: {reason}"
            yield from self._deliver(task.number, self._ungraded(task, why))
            return
        try:
            self._pool.replace(worker, prove_all=True)
        except HarnessError:
            yield from self._deliver(task.number, self._ungraded(task, reason))
            raise
        if task.execute:
            yield from self._deliver(task.number, Execution(task.task_id, task.sample_id, Ending.LOST))
        else:
            yield from self._deliver(task.number, lost_outcome(task, count, self.profiles, reason))

    def _ungraded(self, task: Task, reason: str) -> Outcome | Execution:
        """What is said of a program that could not be graded for no fault of its own."""
        if task.execute:
            return Execution(task.task_id, task.sample_id, Ending.NOT_RUN, infrastructure_error=reason)
        return Outcome(task.task_id, task.sample_id, self._not_run(), infrastructure_error=reason)

    def _try_suspects(self) -> None:
        """Try a suspect alone, in a fresh worker whose self-checks hold, once the first worker is free."""
        worker = self._workers[0] if self._workers else None
        if self._suspects and worker is not None and not worker.outstanding and worker.trial is None:
            flight = self._suspects.popleft()
            fresh = self._pool.fresh(worker)
            fresh.try_alone(replace(flight.task, alone=True), flight.suite)

    def _deliver(
        self, number: int, outcome: Outcome | Execution
    ) -> Iterator[tuple[Request, Outcome | Execution]]:
        flight = self._in_flight.pop(number, None)
        if flight is None:
            return
        if isinstance(outcome, Execution):
            yield flight.requests[0], outcome
            return
        self._sharing -= len(flight.requests) - 1
        if flight.key is not None:
            del self._numbers[flight.key]
            if self._cache is not None:
                self._cache.put(flight.key, outcome)
        for index, request in enumerate(flight.requests):
            yield request, _addressed(outcome, request.job, cached=index > 0)

    def _replace(self, worker: WorkerHandle, reason: str) -> Iterator[tuple[Request, Outcome | Execution]]:
        """Replace a dead worker and hand on what it had outstanding."""
        outstanding = [self._in_flight[number] for number in worker.outstanding if number in self._in_flight]
        if worker.trial is not None and outstanding:
            yield from self._fail(outstanding[0], reason, worker)
            return
        # A single process grades in order: it was the first, or none. Of a pool's, it may be any.
        blamed = outstanding if worker.worker.info.pool_size else outstanding[:1]
        self._pool.replace(worker)
        for flight in blamed:
            flight.losses += 1
        for flight in outstanding:
            (self._suspects if flight.losses >= _MAX_LOSSES else self._unassigned).append(flight)

    def _give_unassigned(self, worker: WorkerHandle) -> None:
        if self._suspects and worker is self._workers[0]:
            return  # it is on its way to be free
        while self._unassigned and worker.has_room():
            flight = self._unassigned.popleft()
            worker.add(flight.task, flight.suite)


def _pool(
    workers: int | Sequence[WorkerFactory] | PoolSource | None, limits: Limits, profiles: Sequence[str]
) -> Pool:
    if isinstance(workers, int | None):
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        workers = [LocalWorker] * (workers or available_processors())
    if not isinstance(workers, Sequence):
        return workers.open_pool(limits, profiles)
    if not workers:
        raise ValueError("workers must be at least 1, got none")
    return FixedPool(workers, limits, profiles)


def _addressed(outcome: Outcome, job: Job, *, cached: bool) -> Outcome:
    return replace(outcome, task_id=job.task_id, sample_id=job.sample_id, cached=cached)
