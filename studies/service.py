"""`make service`: the rate of `GradingService` with one program in flight per caller, beside the runner's.

    python studies/service.py [--programs N] [--callers N] [--rounds N]

The same programs in turn, in one run: a list to `Runner.run`; threads; coroutines. Each caller waits for its
outcome before it asks again. Every outcome must be its asker's. Not covered: callers in other processes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from rates import SUITES, TEXTS

from harness import GradingService, Job, Outcome, Problem, Runner

PROBLEM = Problem("service/asserts", "", load_suite=lambda: SUITES["asserts"])


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=5000)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    numbers, callers = itertools.count(), args.callers
    ways: dict[str, list[float]] = {"runner": [], "threads": [], "coroutines": []}

    def measure(way: str, grade: Callable[[list[Job]], None]) -> None:
        jobs = list(itertools.islice(all_jobs(numbers), args.programs))
        started = time.perf_counter()
        grade(jobs)
        ways[way].append(len(jobs) / (time.perf_counter() - started))

    with Runner(profiles=("strict",)) as runner:
        for _ in range(args.rounds):
            measure("runner", lambda jobs: check(runner.run(jobs), len(jobs)))
            with GradingService(runner=runner) as service:
                measure("threads", lambda jobs, service=service: by_threads(service, jobs, callers))
                measure(
                    "coroutines",
                    lambda jobs, service=service: asyncio.run(by_coroutines(service, jobs, callers)),
                )
            print("  ".join(f"{name} {rates[-1]:,.0f}/s" for name, rates in ways.items()), flush=True)
    for name in ("threads", "coroutines"):
        ratios = [rate / own for rate, own in zip(ways[name], ways["runner"], strict=True)]
        print(f"{callers} {name}: {statistics.median(ratios):.2f} of the runner's rate", end="")
        print(f" ({min(ratios):.2f} to {max(ratios):.2f})")


def all_jobs(numbers: Iterator[int]) -> Iterator[Job]:
    """Right programs whose texts differ."""
    for number in numbers:
        yield Job("service", number, f"{TEXTS['asserts']}# {number}\n", PROBLEM)


def check(outcomes: Iterator[Outcome], count: int) -> None:
    """Hold that all passed."""
    assert sum(outcome.passed("strict") for outcome in outcomes) == count


def by_threads(service: GradingService, jobs: list[Job], callers: int) -> None:
    """One job after the other in each of so many threads."""

    def ask(job: Job) -> bool:
        outcome = service.submit(job).result()
        return outcome.sample_id == job.sample_id and outcome.passed("strict")

    with ThreadPoolExecutor(callers) as threads:
        assert all(threads.map(ask, jobs))


async def by_coroutines(service: GradingService, jobs: list[Job], callers: int) -> None:
    """One job after the other in each of so many coroutines."""
    left = iter(jobs)

    async def ask() -> None:
        for job in left:
            outcome = await service.grade(job)
            assert outcome.sample_id == job.sample_id
            assert outcome.passed("strict")

    await asyncio.gather(*(ask() for _ in range(callers)))


if __name__ == "__main__":
    main()
