"""What all routes stand on: programs into the queue, outcomes out, failures as statuses of HTTP.

A failure of the grader is status 504, which verl's, SandboxFusion's and ROLL's clients take for a reason to
ask again; it never is a verdict. A full queue is 503. Does not cover: what requests and answers look like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

from harness.errors import InputError
from harness.integrations.ground_truth import problem_of
from harness.runner.execution import Execution
from harness.server.fair_queue import MOST_RESULTS, FairQueue, QueueFullError
from harness.server.guard import busy
from harness.server.meters import Meters
from harness.server.origins import Refusal
from harness.server.settings import Settings
from harness.service import GradingService
from harness.types import Job, Limits, Outcome, Problem

_PER_WORKER = 4
"""Programs that the service has for each worker: enough that none waits for the queue's next, and few, since
a client's first program waits for them."""
_MOST_RESULTS = MOST_RESULTS // 4
"""Of one request: tests times programs."""
_Answer = TypeVar("_Answer", Outcome, Execution)
_Made = TypeVar("_Made")


class Engine:
    """Grades for all routes."""

    def __init__(self, service: GradingService, settings: Settings, meters: Meters, workers: int) -> None:
        """
        Args:
            service: Whose profiles and limits are those of the settings; ended by whoever made it.
            settings: Of the server.
            meters: Told of every program.
            workers: How many programs are graded at a time.
        """
        self.settings, self._service, self._meters = settings, service, meters
        self.queue = FairQueue(settings.most_waiting, workers * _PER_WORKER)
        self.problems: dict[str, Problem] = {}
        for benchmark in settings.benchmarks:
            self.problems |= benchmark.by_id()
        self.profile = settings.profiles[0]
        self._digests: dict[str, str] = {}
        """Of the tests of these problems, as far as a client has asked."""
        self._preparing = FairQueue(settings.most_requests, 1)
        self._preparer = ThreadPoolExecutor(1, "prepare")
        self._counts: WeakKeyDictionary[Problem, int] = WeakKeyDictionary()
        """Of the tests of problems that clients have named or sent."""
        meters.watch("rltf_waiting_programs", "In the queue", lambda: self.queue.waiting)
        meters.watch("rltf_running_programs", "With the grader workers", lambda: self.queue.running)

    def problem(self, ground_truth: object, preferred: str | None = None) -> Problem:
        """The problem that a client names, or the one that its tests make.

        Raises:
            Refusal: With status 400, if there is none, or it has no tests.
        """
        try:
            problem = problem_of(ground_truth, self.problems, entry_point=preferred)
        except InputError as error:
            raise Refusal(400, str(error)) from None
        suite = problem.suite
        self._counts[problem] = suite.count
        if suite.count == 0:
            raise Refusal(400, "no tests: nothing can be said of a program")
        if suite.preamble and problem.task_id not in self.problems:
            # It is run in the process that programs are copied from, those of other clients among them.
            raise Refusal(400, "tests with a preamble are taken from the server's benchmarks only")
        return problem

    def check_tests(self, problem: Problem, digest: str) -> None:
        """Hold that the tests of a benchmark's problem are those that a client has.

        Raises:
            Refusal: With status 400, if they are others.
        """
        task_id = problem.task_id
        if task_id not in self._digests:
            self._digests[task_id] = problem.suite.content_digest
        if self._digests[task_id] != digest:
            raise Refusal(
                400, f"{task_id} has other tests here; use the same data, and the same version, on both sides"
            )

    async def prepare(self, client: str, make: Callable[[], _Made]) -> _Made:
        """What `make` makes of a request: its tests as problems, its answers as programs.

        In a thread, since long tests take seconds, in which all other requests would wait; in one only, since
        they may take two GiB meanwhile. Clients take turns, and what one sent that has left is let go of.

        Raises:
            Refusal: As `make` does; 503 if too many wait for it.
        """
        try:
            (made,) = await self._preparing.run(client, [partial(self._preparer.submit, make)])
        except QueueFullError:
            raise busy("too many requests are made ready") from None
        return made

    async def grade(self, client: str, jobs: Sequence[Job]) -> list[Outcome]:
        """Outcomes in order.

        Raises:
            Refusal: 413 for more results than are answered at a time; 503 if the queue has no room; 504 if
                the grader failed on one of them, or is broken.
        """
        results = sum(self._counts.get(job.problem, 0) for job in jobs)
        if results > _MOST_RESULTS and len(jobs) > 1:
            raise Refusal(413, f"a request may have {_MOST_RESULTS} tests of programs; send fewer at a time")
        return await self._run(client, [partial(self._service.submit, job) for job in jobs], results)

    async def execute(
        self, client: str, code: str, stdin: str, files: Mapping[str, bytes], limits: Limits
    ) -> Execution:
        """What a program does; not cached.

        Raises:
            Refusal: As of `grade`; 400 for files that can't be there.
        """

        def start() -> Future[Execution]:
            return self._service.execute(code, stdin, files=files, limits=limits)

        (done,) = await self._run(client, [start])
        return done

    async def cause_of_failure(self) -> str | None:
        """Why nothing can be graded now; `None` if it can.

        A runner that has ended is opened again by the next program, which is one of this method's: a server
        that says that it is broken may get no other.
        """
        if self._service.broken is not None:
            with suppress(Refusal):
                await self.execute("", "pass", "", {}, self.settings.limits)
        broken = self._service.broken
        return None if broken is None else type(broken).__name__

    def check_count(self, programs: int) -> None:
        """Refuse more than will ever fit into the queue, before anything is made of them.

        Raises:
            Refusal: With status 413.
        """
        if programs > self.queue.most_waiting:
            raise Refusal(413, f"a request may have {self.queue.most_waiting} programs")

    async def _run(
        self, client: str, starts: Sequence[Callable[[], Future[_Answer]]], results: int = 0
    ) -> list[_Answer]:
        try:
            answers = await self.queue.run(client, starts, results)
        except QueueFullError:
            raise busy("the queue is full") from None
        except Exception as error:
            # What has ended the runner, a broken cache say, is nothing that the client could mend.
            if isinstance(error, InputError) and error is not self._service.broken:
                raise Refusal(400, str(error)) from None
            raise Refusal(504, f"the grader failed: {type(error).__name__}") from None
        for answer in answers:
            if answer.unusable_tests:
                raise Refusal(400, answer.infrastructure_error or "")
        self._meters.count(answers)
        if any(answer.infrastructure_error is not None for answer in answers):
            raise Refusal(504, "the grader failed; ask again")
        return answers
