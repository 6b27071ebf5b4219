"""From a model's answer and a ground truth to a reward: what all adapters call.

    scorer = Scorer(benchmark="mbpp", reward="pass_ratio")
    scored = scorer.score_all([(answer, "mbpp/11"), (other, "mbpp/12")])

A failure of the grader, and tests that can't be read, are no reward (`None`), never 0. One grading service
per process serves all scorers with the same options; copies by pickle or fork open their own. Does not
cover: what each trainer calls and wants back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.compare import get_profiles
from harness.errors import InputError
from harness.extraction import Wanted, extract, extract_program, find_rule
from harness.integrations.ground_truth import problem_of
from harness.prompts import find_format, make_prompt
from harness.service import GradingService
from harness.types import Benchmark, Job, Limits, Outcome, Problem, Status

Reward = Callable[[Outcome, str], float]
"""A reward of one's own: outcome and profile to a number; a function of a module, so that it can be
pickled."""
TRIES = 3
"""For a program that the grader failed on."""


def passed(outcome: Outcome, profile: str) -> float:
    """1 if all tests passed, else 0."""
    return float(outcome.passed(profile))


def pass_ratio(outcome: Outcome, profile: str) -> float:
    """Share of the tests that passed."""
    return outcome.pass_ratio(profile)


REWARDS: Mapping[str, Reward] = {"passed": passed, "pass_ratio": pass_ratio}


class Service(Protocol):
    """What a scorer needs of a `GradingService`; `harness.integrations.remote` has another."""

    def submit(self, job: Job) -> Future[Outcome]:
        """Have a program graded."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What is said of one answer."""

    reward: float | None
    """`None`: nothing can be said, and nothing may be learned from it."""
    code: str = ""
    """The program in the answer."""
    outcome: Outcome | None = None
    """Of the grader; `None` where no program was found, or no tests."""
    problem: Problem | None = None
    cause: str = ""
    """Why there is no reward."""

    def verdict(self, profile: str) -> str:
        """A word: a status, `no_program`, `infrastructure_error`, `unscorable`."""
        if self.outcome is None:
            return "unscorable" if self.reward is None else "no_program"
        if self.outcome.infrastructure_error is not None:
            return "infrastructure_error"
        return self.outcome.verdicts[profile].value

    def error(self) -> str:
        """`TypeError line 2`, or nothing."""
        error = self.outcome.error if self.outcome else None
        if error is None:
            return self.cause
        return error.type if error.line is None else f"{error.type} line {error.line}"


class Scorer:
    """Scores answers; to be called from any thread, and pickled."""

    def __init__(
        self,
        benchmark: str | Benchmark | None = None,
        *,
        split: str | None = None,
        data_dir: str | Path | None = None,
        reward: str | Reward = "passed",
        profile: str | None = "strict",
        extraction: str = "chat",
        prompt_format: str | None = None,
        no_code: float = 0.0,
        workers: int | None = None,
        limits: Limits | None = None,
        url: str | None = None,
    ) -> None:
        """
        Args:
            benchmark: Whose task ids may be ground truths; a name, or one that can be pickled.
            split: Of the benchmark.
            data_dir: Of the benchmark.
            reward: `passed`, `pass_ratio`, or a function.
            profile: Comparison profile, a name or `"module:attribute"`; `None` takes the benchmark's first.
            extraction: Rule by which the program is taken out of an answer.
            prompt_format: Of the benchmark, by which the answers were asked for: programs are taken out as
                `rltf eval` does there, and `extraction` is not looked at.
            no_code: Reward of an answer without a program.
            workers: Programs graded at a time; processors by default.
            limits: What a program may use; the benchmark's by default.
            url: Of an `rltf serve` that grades instead of this process.

        Raises:
            InputError: If benchmark, reward, extraction or profile is unknown.
        """
        if isinstance(reward, str) and reward not in REWARDS:
            raise InputError(f"unknown reward {reward!r}; available: {', '.join(REWARDS)}, or a function")
        find_rule(extraction)
        if isinstance(benchmark, str):
            from harness.registry import find_loader  # noqa: PLC0415 - not when a trainer imports this

            find_loader(benchmark)  # a misspelt one is told before a model is loaded, not after
        self._source = benchmark, split, data_dir
        self.reward = REWARDS[reward] if isinstance(reward, str) else reward
        if profile is not None:
            get_profiles([profile])
        self._profile, self._no_code = profile, no_code
        self._extraction, self._prompt_format = extraction, prompt_format
        self._options: tuple[int | None, Limits | None, str | None] = workers, limits, url
        self._benchmark: Benchmark | None = None
        self._problems: dict[str, Problem] = {}
        self._lock = threading.Lock()
        self._service: Service | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Options alone."""
        fresh: dict[str, Any] = {"_benchmark": None, "_problems": {}, "_lock": None, "_service": None}
        return self.__dict__ | fresh

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_lock": threading.Lock()}

    # --- scoring ---------------------------------------------------------------------------------

    def score_all(self, answers: Sequence[tuple[str | None, object]]) -> list[Scored]:
        """Score answers with their ground truths, in order; returns when all are graded.

        Raises:
            InputError: If the benchmark cannot be loaded, nothing answers at `url`, or what answers cannot
                grade the benchmark: no answer of this run could be scored.
        """
        self.problems()
        prepared = [self._prepared(answer, truth) for answer, truth in answers]
        jobs = [each for each in prepared if isinstance(each, Job)]
        for_jobs = iter(self._graded(jobs))
        return [self._scored(next(for_jobs), each) if isinstance(each, Job) else each for each in prepared]

    async def score_all_async(self, answers: Sequence[tuple[str | None, object]]) -> list[Scored]:
        """As `score_all`, without blocking the event loop."""
        return await asyncio.to_thread(self.score_all, answers)

    def _prepared(self, answer: str | None, truth: object) -> Job | Scored:
        """What is to be graded; or what is said of an answer that is not."""
        try:
            problem = problem_of(truth, self.problems())
        except InputError as error:
            return Scored(None, cause=str(error))
        code = self._program(answer or "", problem)
        if not code.strip():
            return Scored(self._no_code, problem=problem)
        return Job(problem.task_id, 0, code, problem, self._limits())

    def _program(self, answer: str, problem: Problem) -> str:
        benchmark = self.benchmark()
        if self._prompt_format is None or benchmark is None:
            return extract(answer, self._extraction, wanted=Wanted.of(problem)).code
        return extract_program(answer, make_prompt(find_format(benchmark, self._prompt_format), problem)).code

    def _graded(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Outcomes in order; what the grader failed on is tried again."""
        service = self.service()
        futures = [service.submit(job) for job in jobs]
        outcomes = [future.result() for future in futures]
        for _ in range(TRIES - 1):
            failed = [
                n for n, each in enumerate(outcomes) if each.infrastructure_error and not each.unusable_tests
            ]
            again = {n: service.submit(jobs[n]) for n in failed}
            for n, future in again.items():
                outcomes[n] = future.result()
        return outcomes

    def _scored(self, outcome: Outcome, job: Job) -> Scored:
        if outcome.infrastructure_error is not None:
            return Scored(None, job.code, outcome, job.problem, outcome.infrastructure_error)
        profile = self.profile
        if outcome.unscorable or outcome.verdicts[profile] is Status.NOT_RUN:
            return Scored(None, job.code, None, job.problem, "no tests")
        return Scored(self.reward(outcome, profile), job.code, outcome, job.problem)

    # --- what it stands on -----------------------------------------------------------------------

    @property
    def profile(self) -> str:
        """Name of the comparison profile."""
        return get_profiles([self._profile_target()])[0].name

    def _profile_target(self) -> str:
        """By which another process finds it, too."""
        benchmark = self.benchmark() if self._profile is None else None
        return self._profile or (benchmark.profiles[0] if benchmark else "strict")

    def benchmark(self) -> Benchmark | None:
        """Loaded at first use, once in each process."""
        source, split, data_dir = self._source
        if isinstance(source, Benchmark) or source is None:
            return source
        with self._lock:
            if self._benchmark is None:
                from harness.registry import load_benchmark  # noqa: PLC0415 - not when a trainer imports this

                self._benchmark = load_benchmark(source, split=split, data_dir=data_dir)
            return self._benchmark

    def loaded(self) -> Benchmark:
        """The benchmark.

        Raises:
            InputError: If none was named.
        """
        benchmark = self.benchmark()
        if benchmark is None:
            raise InputError("no benchmark was named")
        return benchmark

    def problems(self) -> Mapping[str, Problem]:
        """Of the benchmark, by task id."""
        if not self._problems:
            benchmark = self.benchmark()
            self._problems = {} if benchmark is None else benchmark.by_id()
        return self._problems

    def _limits(self) -> Limits | None:
        benchmark = self.benchmark()
        return self._options[1] or (benchmark.limits if benchmark else None)

    def service(self) -> Service:
        """The grading service of this process, or the server."""
        workers, limits, url = self._options
        if url is None:
            return self._service or GradingService.shared(workers, limits, (self._profile_target(),))
        profile, benchmark = self.profile, self.benchmark()  # each takes the lock
        with self._lock:
            if self._service is None:
                from harness.integrations.remote import RemoteService  # noqa: PLC0415 - where it is used

                remote = RemoteService(url, profile)
                if benchmark is not None:
                    remote.check_benchmark(benchmark)
                self._service = remote
            return self._service

    def use(self, service: Service) -> None:
        """Grade with this one; for tests, and for those who have a service of their own."""
        self._service = service
