"""`Runner`: give it programs, get outcomes. The one runner, for evaluation and for rewards.

    with Runner() as runner:
        for outcome in runner.run(Job("mbpp/11", 0, code, problem) for …):
            print(outcome.verdicts["strict"])

Host → judges → fork servers → one forked child per program. Promises: an outcome for every job, in any
order; jobs are taken from the iterable only as fast as they are graded; an identical program is graded
once; a lost process of the grader's own is replaced and never shows as a wrong answer; when the block
ends, by whatever cause, nothing is left running.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from multiprocess.connection import wait

from harness.compare import get_profiles
from harness.errors import InfrastructureError, IsolationError
from harness.processors import available_processors
from harness.runner.cache import VerdictCache
from harness.runner.canary import check_canary
from harness.runner.judge import Task
from harness.runner.keys import GRADER_VERSION, Keys, package_versions
from harness.runner.server import SCRATCH_PREFIX
from harness.runner.workers import JudgeLostError, Worker
from harness.types import Job, Limits, Outcome, Status, TestSuite

_MAX_LOSSES = 3
"""Judges that may die over one program before it is given up as an infrastructure error."""
_MAX_START_FAILURES = 5
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
            profiles: Names of the comparisons to judge by; see `harness.compare`.
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
        self._judges: list[Worker] = []
        self._flights: dict[int, _Flight] = {}
        self._numbers: dict[bytes, int] = {}
        self._orphans: deque[_Flight] = deque()
        self._sharing = 0
        self._next_number = 0
        self._running = False
        self._cancelled = False

    # --- life ------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start the judges and hold the canary.

        Raises:
            IsolationError: If the canary does not hold, or this is not Linux.
            InfrastructureError: If the judges do not come up.
        """
        if sys.platform != "linux":
            raise IsolationError(
                f"programs are confined by the Linux kernel, and this is {sys.platform}: use Linux"
            )
        _sweep_scratch()
        try:
            self._judges = [self._start_judge() for _ in range(self.workers)]
            for index in range(self.workers):
                self._wait_ready(index)
            check_canary(self)
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
        while self._judges:
            self._judges.pop().close()
        if self._cache is not None:
            self._cache.flush()
            if self._owns_cache:
                self._cache.close()
                self._cache = None

    def _start_judge(self) -> Worker:
        return Worker(self.limits, [profile.name for profile in self._profiles])

    def _wait_ready(self, index: int) -> None:
        for _ in range(_MAX_START_FAILURES):
            try:
                return self._judges[index].wait_ready()
            except JudgeLostError:
                self._judges[index].close()
                self._judges[index] = self._start_judge()
        raise InfrastructureError(
            f"a judge process died {_MAX_START_FAILURES} times while starting; see `rltf doctor`"
        )

    # --- what it is ------------------------------------------------------------------------------

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of the profiles judged by."""
        return tuple(profile.name for profile in self._profiles)

    @property
    def layers(self) -> dict[str, str]:
        """Layers of isolation: `"on"`, or why not. Empty before the block is entered."""
        return dict(self._judges[0].layers) if self._judges else {}

    @property
    def shortcuts(self) -> dict[str, int]:
        """What makes a fork cheap here, which changes no verdict: `pinned_bytes`, `huge_text_bytes` a server.

        0 where the kernel has none of it. Empty before the block is entered.
        """
        return dict(self._judges[0].shortcuts) if self._judges else {}

    def describe(self) -> dict[str, Any]:
        """All that a verdict depends on here, for a run's manifest."""
        return {
            "grader_version": GRADER_VERSION,
            "profiles": {profile.name: profile.version for profile in self._profiles},
            "limits": asdict(self.limits),
            "isolation": self.layers,
            "packages": package_versions(),
            "workers": self.workers,
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
            InfrastructureError: If judges can't be kept alive.
        """
        if not self._judges:
            raise RuntimeError("use the runner as a context manager: `with Runner() as runner:`")
        if self._running:
            raise RuntimeError("this runner is already running; a second run needs a runner of its own")
        self._running, self._cancelled = True, False
        try:
            yield from self._run(iter(jobs))
        finally:
            # What an abandoned run still had in flight is answered later and then ignored.
            self._running = False
            self._flights.clear()
            self._numbers.clear()
            self._orphans.clear()
            self._sharing = 0
            if self._cache is not None:
                self._cache.flush()

    def _run(self, jobs: Iterator[Job | None]) -> Iterator[Outcome]:
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
            if exhausted and not self._flights:
                return
            # Without flights, the judges are still busy with what an abandoned run left to them.
            yield from self._collect(_POLL_SECONDS if idle else _CANCEL_SECONDS)

    def _judge_with_room(self) -> Worker | None:
        if self._sharing >= _MAX_SHARING:
            return None
        judge = min(self._judges, key=lambda judge: len(judge.owed))
        return judge if judge.has_room() else None

    def _accept(self, job: Job, judge: Worker) -> Iterator[Outcome]:
        """Answer a job at once if that is possible, else hand it to the judge."""
        suite = job.problem.suite
        if suite.count == 0:
            yield Outcome(job.task_id, job.sample_id, self._not_run())
            return
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
        for connection in wait(list(by_connection), seconds):
            judge = by_connection[connection]
            try:
                for number, outcome in judge.outcomes():
                    yield from self._deliver(number, outcome)
            except JudgeLostError as error:
                yield from self._replace(judge, str(error))

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
        judge.close()
        index = self._judges.index(judge)
        self._judges[index] = self._start_judge()
        self._wait_ready(index)
        if owed:
            owed[0].losses += 1  # tasks are graded in order: it was this one, or none
            if owed[0].losses >= _MAX_LOSSES:
                flight = owed.pop(0)
                task = flight.task
                failed = Outcome(task.task_id, task.sample_id, self._not_run(), infrastructure_error=reason)
                yield from self._deliver(task.number, failed)
        self._orphans.extend(owed)

    def _give_orphans(self, judge: Worker) -> None:
        while self._orphans and judge.has_room():
            flight = self._orphans.popleft()
            judge.add(flight.task, flight.suite)


def _addressed(outcome: Outcome, job: Job, *, cached: bool) -> Outcome:
    return replace(outcome, task_id=job.task_id, sample_id=job.sample_id, cached=cached)


def _sweep_scratch() -> None:
    """Remove the empty folders that judges left behind when they were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH_PREFIX}*"):
        pid = folder.name.removeprefix(SCRATCH_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            try:
                folder.rmdir()
            except OSError:
                continue
