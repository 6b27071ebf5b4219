"""How much of the runner's rate many clients get who each wait for one program at a time.

    python studies/service.py

Grades the same number of programs straight through `Runner.run`, by threads and by coroutines of one
`GradingService`, in turn, and prints the ratios. Does not cover: programs that take long, where any way is as
quick.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Iterator

from harness import Job, Outcome, Problem, Runner, TestSuite
from harness.service import GradingService
from harness.types import StdinTest, TestKind

_SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "1\n"), StdinTest("2\n", "2\n")])
_PROBLEM = Problem("echo", "", load_suite=lambda: _SUITE)


def jobs(name: str, count: int) -> Iterator[Job]:
    """Programs unlike any other, every third of them wrong."""
    for number in range(count):
        yield Job("echo", number, f"print({'input()' if number % 3 else 0})  # {name} {number}", _PROBLEM)


def right(number: int, outcome: Outcome) -> bool:
    """Whether an outcome is the asker's."""
    return outcome.sample_id == number and (outcome.verdicts["strict"] == "passed") == bool(number % 3)


def by_threads(service: GradingService, name: str, count: int, clients: int) -> float:
    """Seconds."""
    source, lock, wrong = jobs(name, count), threading.Lock(), []

    def client() -> None:
        while True:
            with lock:
                job = next(source, None)
            if job is None:
                return
            if not right(int(job.sample_id), service.submit(job).result()):
                wrong.append(job.sample_id)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if wrong:
        raise SystemExit(f"{len(wrong)} outcomes went to another asker, or were wrong")
    return seconds


async def by_coroutines(service: GradingService, name: str, count: int, clients: int) -> float:
    """Seconds."""
    source, wrong = jobs(name, count), []

    async def client() -> None:
        for job in source:
            if not right(int(job.sample_id), await service.grade(job)):
                wrong.append(job.sample_id)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - started
    if wrong:
        raise SystemExit(f"{len(wrong)} outcomes went to another asker, or were wrong")
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--workers", type=int)
    args = parser.parse_args()
    with Runner(workers=args.workers, profiles=("strict",)) as runner:
        list(runner.run(jobs("warm", 500)))
        started = time.perf_counter()
        list(runner.run(jobs("straight", args.programs)))
        straight = time.perf_counter() - started
        with GradingService(runner=runner) as service:
            threads = by_threads(service, "threads", args.programs, args.clients)
            coroutines = asyncio.run(by_coroutines(service, "coroutines", args.programs, args.clients))
        started = time.perf_counter()
        list(runner.run(jobs("again", args.programs)))
        straight = (straight + time.perf_counter() - started) / 2
    print(f"runner: {args.programs / straight:.0f} programs/s")
    for name, seconds in (("threads", threads), ("coroutines", coroutines)):
        print(
            f"{args.clients} {name}: {args.programs / seconds:.0f} programs/s, ratio {straight / seconds:.2f}"
        )


if __name__ == "__main__":
    main()
