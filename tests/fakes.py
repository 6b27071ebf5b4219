"""Stand-ins that several tests share: a grader without processes, outcomes, problems with a test and without.

Does not cover: models and servers, which each folder of tests has a stand-in of its own for.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from harness.errors import InfrastructureError
from harness.types import (
    Benchmark,
    ErrorInfo,
    Job,
    Limits,
    Outcome,
    Problem,
    Status,
    StdinTest,
    TestKind,
    TestOutcome,
    TestSuite,
)

PROFILES = ("strict", "apps")
ONE_TEST = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")])
NO_TESTS = TestSuite.pack(TestKind.STDIN, [])


def outcome_of(
    job: Job, status: Status, error: ErrorInfo | None = None, profiles: Iterable[str] = PROFILES
) -> Outcome:
    """An outcome of one test, the same under every profile."""
    statuses = dict.fromkeys(profiles, status)
    return Outcome(job.task_id, job.sample_id, statuses, (TestOutcome(statuses, error),), error)


def lost(job: Job, profiles: Iterable[str] = PROFILES) -> Outcome:
    """An infrastructure error."""
    return not_run(job, profiles, "worker lost")


def not_run(job: Job, profiles: Iterable[str] = PROFILES, error: str | None = None) -> Outcome:
    """The outcome of a program whose problem has no tests, or that got none for the reason given."""
    verdicts = dict.fromkeys(profiles, Status.NOT_RUN)
    return Outcome(job.task_id, job.sample_id, verdicts, infrastructure_error=error)


def passes_if_it_says_so(job: Job) -> Outcome:
    """Right if the program begins with `pass`."""
    return outcome_of(job, Status.PASSED if job.code.startswith("pass") else Status.WRONG_ANSWER)


def made_benchmark(*suites: TestSuite, **changes: Any) -> Benchmark:
    """Problems `made/0`, … with these tests, of the split `test`."""
    problems = [
        Problem(f"made/{number}", f"Question {number}?", lambda suite=suite: suite)  # type: ignore[misc]
        for number, suite in enumerate(suites)
    ]
    return Benchmark("made", "test", "1", problems, "hash", "made here", **changes)


class FakeGrader:
    """A grader that needs no processes: what a program is worth is what `grade` says."""

    def __init__(
        self,
        grade: Callable[[Job], Outcome] = passes_if_it_says_so,
        *,
        profiles: tuple[str, ...] = PROFILES,
        limits: Limits | None = None,
        fail_after: int | None = None,
        description: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            grade: The outcome of a program.
            profiles: That it says it has.
            limits: That it says it has.
            fail_after: Raises an `InfrastructureError` after so many programs.
            description: What `describe` gives.
        """
        self.grade, self.profiles, self.limits = grade, profiles, limits or Limits()
        self.fail_after = fail_after
        self.description = description or {"isolation": "none, a fake"}
        self.asked: list[Job] = []
        self.cancelled = threading.Event()

    @property
    def graded(self) -> list[tuple[str, int | str]]:
        """Ids of the programs so far."""
        return [(job.task_id, job.sample_id) for job in self.asked]

    def describe(self) -> Mapping[str, Any]:
        return self.description

    def cancel(self) -> None:
        """End the run under way, as `Runner.cancel` does."""
        self.cancelled.set()

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        self.cancelled.clear()
        for job in jobs:
            if self.cancelled.wait(0.001 if job is None else 0):
                return
            if job is not None:
                yield self._graded(job)

    def _graded(self, job: Job) -> Outcome:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise InfrastructureError("workers die")
        self.asked.append(job)
        return self.grade(job)


class InPairs(FakeGrader):
    """Gives outcomes two by two, each pair in reverse, as two workers may."""

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        held: list[Outcome] = []
        for outcome in super().run(jobs):
            held.append(outcome)
            if len(held) == 2:
                yield from held[::-1]
                held = []
        yield from held
