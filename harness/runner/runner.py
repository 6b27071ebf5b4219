"""`Runner`: give it programs, get outcomes. The one runner, for evaluation and for rewards.

    with Runner() as runner:
        for outcome in runner.run(Job("mbpp/11", 0, code, problem) for …):
            print(outcome.verdicts["strict"])

Host → judges → servers → one process for each program. Promises: an outcome for every job, in any order;
jobs are taken from the iterable only as fast as they are graded; an identical program is graded once; a lost
process of the grader's own is replaced and never shows as a wrong answer; when the block ends, by whatever
cause, nothing is left running.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from multiprocess.connection import wait

from harness.compare import find_check, get_profiles
from harness.errors import HarnessError, IsolationError
from harness.runner.cache import VerdictCache
from harness.runner.cache_key import GRADER_VERSION, Keys, package_versions
from harness.runner.cleanup import sweep
from harness.runner.lost_programs import lost_outcome
from harness.runner.pool import Pool
from harness.runner.processors import available_processors
from harness.runner.worker import Task
from harness.runner.worker_handle import JudgeLostError, Worker
from harness.types import Job, Limits, Outcome, Status, TestSuite

_MAX_LOSSES = 3
"""Judges that may die over one program before it is tried alone."""
_MAX_SHARING = 1024
"""Jobs that may wait for another's outcome: a source that repeats itself must not keep the rest waiting."""
_POLL_SECONDS = 0.05
"""Between two questions to a source that has no job for the moment."""
_CANCEL_SECONDS = 0.2
"""Until `cancel` is noticed, at most."""
_NO_MORE = object()


@dataclass
class _Flight:
    """A program being graded, and everyone who asked for it."""

    task: Task
    suite: TestSuite
    key: bytes
    jobs: list[Job] = field(default_factory=list)
    losses: int = 0


class Runner:
    """Grades programs on `workers` processes. A context manager."""

    def __init__(
        self,
        workers: int | None = None,
        limits: Limits | None = None,
        profiles: Sequence[str] = ("strict", "apps"),
        cache: VerdictCache | str | Path | None = None,
    ) -> None:
        """
        Args:
            workers: Judges, each with one program running at a time; default the processors available.
            limits: What a program may use.
            profiles: Names of the comparisons to judge by; see `harness.compare.get_profiles`.
            cache: Where verdicts are kept between runs: an open cache, a folder, or `None` for nowhere.

        Raises:
            InputError: For an unknown profile or an unusable cache.
            ValueError: If `workers` is less than 1.
        """
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        self.workers = workers or available_processors()
        self.limits = limits or Limits()
        self._profiles = get_profiles(profiles)
        self._owns_cache = isinstance(cache, str | Path)
        self._cache = VerdictCache(cache) if isinstance(cache, str | Path) else cache
        self._keys = Keys(self.limits, self._profiles)
        self._pool = Pool(self.limits, tuple(profiles))
        self._judges = self._pool.workers
        self._suspects: deque[_Flight] = deque()
        """To be tried alone, each in a fresh judge."""
        self._flights: dict[int, _Flight] = {}
        self._numbers: dict[bytes, int] = {}
        self._orphans: deque[_Flight] = deque()
        self._sharing = 0
        self._next_number = 0
        self._running = False
        self._cancelled = False
        self._wake_lock = threading.Lock()
        """Held to write and to close: a descriptor's number may be another file's right after."""
        self._wake_out, self._wake_in = -1, -1

    # --- life ------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start the judges, each of which holds the canary.

        Raises:
            IsolationError: If a canary does not hold, or this is not Linux.
            InfrastructureError: If the judges do not come up.
        """
        if sys.platform != "linux":
            raise IsolationError(
                f"programs are confined by the Linux kernel, and this is {sys.platform}: use Linux"
            )
        sweep()
        try:
            self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._pool.start(self.workers)
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
        self._pool.close()
        with self._wake_lock:
            ends, (self._wake_out, self._wake_in) = (self._wake_out, self._wake_in), (-1, -1)
            for end in ends:
                if end >= 0:
                    os.close(end)
        if self._cache is not None:
            self._cache.flush()
            if self._owns_cache:
                self._cache.close()
                self._cache = None

    # --- what it is ------------------------------------------------------------------------------

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of the profiles judged by."""
        return tuple(profile.name for profile in self._profiles)

    @property
    def layers(self) -> dict[str, str]:
        """Layers of isolation of every server: `"on"`, or why not. Empty before the block is entered."""
        return dict(self._pool.layers)

    @property
    def shortcuts(self) -> dict[str, int]:
        """What makes a fork cheap here, which changes no verdict: `pinned_bytes`, `huge_text_bytes` a server.

        0 where the kernel has none of it. Empty before the block is entered.
        """
        return dict(self._judges[0].shortcuts) if self._judges else {}

    @property
    def cgroup(self) -> tuple[str, ...]:
        """Which limits a control group holds for all of a server's programs: `pids`, `memory`, or none."""
        return self._judges[0].cgroup if self._judges else ()

    def describe(self) -> dict[str, Any]:
        """All that a verdict depends on here, for a run's manifest."""
        return {
            "grader_version": GRADER_VERSION,
            "profiles": {profile.name: profile.version for profile in self._profiles},
            "limits": asdict(self.limits),
            "isolation": self.layers,
            "cgroup": list(self.cgroup),
            "packages": package_versions(),
            "workers": self.workers,
        }

    # --- grading ---------------------------------------------------------------------------------

    def cancel(self) -> None:
        """End a run that another thread is in; it yields no more outcomes. The only method for any thread."""
        self._cancelled = True

    def wake(self) -> None:
        """Have `run` ask its source for jobs now, should it be waiting. For any thread."""
        with self._wake_lock, suppress(BlockingIOError):  # full of wake-ups
            if self._wake_in >= 0:
                os.write(self._wake_in, b"w")

    def run(self, jobs: Iterable[Job | None], *, poll_seconds: float = _POLL_SECONDS) -> Iterator[Outcome]:
        """Grade jobs; yields one outcome for each, as they become known.

        Args:
            jobs: Taken only as fast as they are graded. A source that is not at its end but has no job for
                the moment gives `None`: what it gave before is graded meanwhile, and it is asked again soon.
            poll_seconds: Until such a source is asked again, unless `wake` is called.

        Raises:
            RuntimeError: If the runner is not entered, or is already running.
            InputError: If a problem's checker cannot be loaded.
            InfrastructureError: If judges can't be kept alive.
            IsolationError: If one that replaces another does not hold what the first did.
        """
        if not self._judges:
            raise RuntimeError("use the runner as a context manager: `with Runner() as runner:`")
        if self._running:
            raise RuntimeError("this runner is already running; a second run needs a runner of its own")
        self._running, self._cancelled = True, False
        try:
            yield from self._run(iter(jobs), poll_seconds)
        finally:
            # What an abandoned run still had in flight is answered later and then ignored.
            self._running = False
            self._flights.clear()
            self._numbers.clear()
            self._orphans.clear()
            self._suspects.clear()
            self._sharing = 0
            if self._cache is not None:
                self._cache.flush()

    def _run(self, jobs: Iterator[Job | None], poll_seconds: float) -> Iterator[Outcome]:
        exhausted = False
        while not self._cancelled:
            if not self._judges:
                raise RuntimeError("this run outlived its runner: take its outcomes within the `with` block")
            idle = False
            while not (exhausted or idle) and (judge := self._judge_with_room()) is not None:
                self._give_orphans(judge)
                job = next(jobs, _NO_MORE)
                if isinstance(job, Job):
                    yield from self._accept(job, judge)
                else:
                    exhausted, idle = job is _NO_MORE, job is None
            for judge in self._judges:
                self._give_orphans(judge)
                judge.send()
            self._try_suspects()
            if exhausted and not self._flights:
                return
            # Without flights, the judges are still busy with what an abandoned run left to them.
            yield from self._collect(poll_seconds if idle else _CANCEL_SECONDS)

    def _judge_with_room(self) -> Worker | None:
        if self._sharing >= _MAX_SHARING:
            return None
        judges = self._judges[1:] if self._suspects else self._judges  # the first is on its way to be free
        with_room = [judge for judge in judges if judge.has_room()]
        return min(with_room, key=lambda judge: len(judge.owed), default=None)

    def _accept(self, job: Job, judge: Worker) -> Iterator[Outcome]:
        """Answer a job at once if that is possible, else hand it to the judge."""
        suite = job.problem.suite
        if suite.count == 0:
            yield Outcome(job.task_id, job.sample_id, self._not_run())
            return
        if suite.checker is not None:
            find_check(suite.checker)  # refused here, in words, and not by a worker that dies of it
        key = self._keys.key(job.code, suite.digest)
        number = self._numbers.get(key)
        if number is not None:
            self._flights[number].jobs.append(job)
            self._sharing += 1
            return
        known = self._cache.get(key) if self._cache is not None else None
        if known is not None:
            yield _addressed(known, job, cached=True)
            return
        number = self._next_number
        self._next_number += 1
        task = Task(number, job.task_id, job.sample_id, job.code, suite.digest)
        self._flights[number] = _Flight(task, suite, key, [job])
        self._numbers[key] = number
        judge.add(task, suite)

    def _not_run(self) -> dict[str, Status]:
        return dict.fromkeys(self.profiles, Status.NOT_RUN)

    def _collect(self, seconds: float) -> Iterator[Outcome]:
        """Wait that long for some outcomes and deliver them."""
        by_connection = {judge.connection: judge for judge in self._judges}
        ready = wait([*by_connection, self._wake_out], seconds)
        if self._wake_out in ready:
            os.read(self._wake_out, 4096)
        for connection, judge in by_connection.items():
            try:
                answered = judge.outcomes() if connection in ready else []
                judge.check_pulse()
            except JudgeLostError as error:
                yield from self._replace(judge, str(error))
                continue
            for number, outcome in answered:
                yield from self._take(number, outcome, judge)

    def _take(self, number: int, outcome: Outcome, judge: Worker) -> Iterator[Outcome]:
        """Deliver an outcome, unless it is a loss: then the program is tried alone, or has been."""
        on_trial, judge.trial = judge.trial, None
        reason = outcome.infrastructure_error
        if reason is None or number not in self._flights:
            yield from self._deliver(number, outcome)
        elif on_trial is None:
            self._suspects.append(self._flights[number])
        else:
            yield from self._fail(self._flights[number], reason, judge)

    def _fail(self, flight: _Flight, reason: str, judge: Worker) -> Iterator[Outcome]:
        """Fail a program that was lost alone, if the grader is well: the second canary, in a fresh judge.

        Where it is not, the runner can't go on, and says so.
        """
        task, count = flight.task, flight.suite.count
        try:
            self._pool.replace(judge, prove_all=True)
        except HarnessError:
            unknown = Outcome(task.task_id, task.sample_id, self._not_run(), infrastructure_error=reason)
            yield from self._deliver(task.number, unknown)
            raise
        yield from self._deliver(task.number, lost_outcome(task, count, self.profiles, reason))

    def _try_suspects(self) -> None:
        """Try a suspect alone, in a fresh judge whose canaries hold, once the first judge owes nothing."""
        judge = self._judges[0]
        if self._suspects and not judge.owed and judge.trial is None:
            flight = self._suspects.popleft()
            fresh = self._pool.replace(judge, prove_all=True)
            fresh.try_alone(replace(flight.task, alone=True), flight.suite)

    def _deliver(self, number: int, outcome: Outcome) -> Iterator[Outcome]:
        flight = self._flights.pop(number, None)
        if flight is None:
            return
        del self._numbers[flight.key]
        self._sharing -= len(flight.jobs) - 1
        if self._cache is not None:
            self._cache.put(flight.key, outcome)
        for index, job in enumerate(flight.jobs):
            yield _addressed(outcome, job, cached=index > 0)

    def _replace(self, judge: Worker, reason: str) -> Iterator[Outcome]:
        """Replace a dead judge and hand on what it owed."""
        owed = [self._flights[number] for number in judge.owed if number in self._flights]
        if judge.trial is not None and owed:
            yield from self._fail(owed[0], reason, judge)
            return
        self._pool.replace(judge)
        if owed:
            owed[0].losses += 1  # tasks are graded in order: it was this one, or none
            if owed[0].losses >= _MAX_LOSSES:
                self._suspects.append(owed.pop(0))
        self._orphans.extend(owed)

    def _give_orphans(self, judge: Worker) -> None:
        if self._suspects and judge is self._judges[0]:
            return  # it is on its way to be free
        while self._orphans and judge.has_room():
            flight = self._orphans.popleft()
            judge.add(flight.task, flight.suite)


def _addressed(outcome: Outcome, job: Job, *, cached: bool) -> Outcome:
    return replace(outcome, task_id=job.task_id, sample_id=job.sample_id, cached=cached)
