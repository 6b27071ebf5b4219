"""`make load`: the same programs on an idle and on an overloaded machine must get the same verdicts.

    python studies/load.py [--every N] [--out FILE]

Grades the parity set of `$RLTF_DATA` (554 real programs, some slow, some endless), or without it mini's
solutions and a family of slow programs, twice: with a worker for each processor and nothing else running,
and with four times as many workers beside as many busy loops. Lists every program whose verdict differs.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import section

from harness import Job, Outcome, Runner, load_benchmark

REPORT = Path(__file__).parents[1] / "results" / "reports" / "load.md"
FACTOR = 4


def main() -> None:
    """Grade twice, compare, write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=REPORT)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth program")
    args = parser.parse_args()
    jobs, source = parity_jobs() if os.environ.get("RLTF_DATA") else mini_jobs()
    if args.every > 1:
        jobs, source = jobs[:: args.every], f"every {args.every}th program of {source}"
    processors = len(os.sched_getaffinity(0))
    idle = grade(jobs, processors)
    with busy_loops(FACTOR * processors):
        loaded = grade(jobs, FACTOR * processors)
    page = report(source, idle, loaded)
    args.out.write_text(page)
    print(f"{page}\nwritten to {args.out}")


def parity_jobs() -> tuple[list[Job], str]:
    """The parity set."""
    problems = load_benchmark("apps", split="test").by_id()
    with gzip.open(Path(os.environ["RLTF_DATA"], "parity", "apps_reference_verdicts.jsonl.gz"), "rt") as file:
        rows = [json.loads(line) for line in file]
    jobs = []
    for number, row in enumerate(rows):
        task = f"apps/test/{row['problem_id']}"
        jobs.append(Job(task, number, row["code"], problems[task]))
    return jobs, "the parity set"


def mini_jobs() -> tuple[list[Job], str]:
    """Mini's solutions, and each of them made slow: a loop of 0 to 6 seconds before it."""
    jobs = []
    for number, problem in enumerate(load_benchmark("mini").problems[:60]):
        wait = f"import time\nwhile time.process_time() < {number / 10}:\n    pass\n"
        for sample, code in enumerate((problem.solutions[0], wait + problem.solutions[0])):
            jobs.append(Job(problem.task_id, sample, code, problem))
    return jobs, "mini's solutions, plain and after a loop of 0 to 6 CPU seconds"


@dataclass(frozen=True)
class Graded:
    """One pass over the programs."""

    outcomes: Mapping[tuple[str, int | str], Outcome]
    seconds: float
    runner: Mapping[str, Any]
    """`Runner.describe()`."""


def grade(jobs: list[Job], workers: int) -> Graded:
    """Grade them all, with as many workers."""
    started = time.perf_counter()
    with Runner(workers) as runner:
        outcomes = {(outcome.task_id, outcome.sample_id): outcome for outcome in runner.run(jobs)}
        return Graded(outcomes, time.perf_counter() - started, runner.describe())


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Processes that do nothing but use a processor."""
    # Each ends with whoever started it: a kill would leave them to slow down everything after.
    loop = f"import os\nwhile os.getppid() == {os.getpid()}:\n    for _ in range(10**6): pass"
    loops = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def report(source: str, idle: Graded, loaded: Graded) -> str:
    """The page that is committed."""
    pairs = {key: (outcome, loaded.outcomes[key]) for key, outcome in idle.outcomes.items()}
    different = [key for key, (before, after) in pairs.items() if _tests(before) != _tests(after)]
    verdicts = [key for key in different if pairs[key][0].verdicts != pairs[key][1].verdicts]
    inflation = _cpu_seconds(loaded) / _cpu_seconds(idle)
    processors, more = idle.runner["workers"], loaded.runner["workers"]
    lines = [
        "# The same programs on an idle and on an overloaded machine",
        "",
        f"{len(pairs)} programs ({source}), graded twice.",
        "",
        "| | workers | busy loops beside | wall seconds | verdicts (strict) |",
        "|---|---|---|---|---|",
        f"| idle | {processors} | 0 | {idle.seconds:.0f} | {_counts(idle)} |",
        f"| loaded | {more} | {more} | {loaded.seconds:.0f} | {_counts(loaded)} |",
        "",
        f"Programs with another verdict: {len(verdicts)};",
        f"with another status of any test: {len(different)}.",
        f"CPU seconds of all programs together, loaded against idle: × {inflation:.2f}.",
        "",
    ]
    for key in different:
        before, after = pairs[key]
        slowest = [max(test.cpu_seconds for test in outcome.tests) for outcome in (before, after)]
        lines.append(
            f"- {key[0]}, program {key[1]}: {before.verdicts['strict']} → {after.verdicts['strict']};"
            f" slowest test {slowest[0]:.2f} → {slowest[1]:.2f} CPU seconds"
        )
    return "\n".join(lines) + "\n\n" + section("make load", idle.runner, source)


def _tests(outcome: Outcome) -> list[dict[str, str]]:
    return [dict(test.statuses) for test in outcome.tests]


def _cpu_seconds(graded: Graded) -> float:
    return sum(outcome.cpu_seconds for outcome in graded.outcomes.values())


def _counts(graded: Graded) -> str:
    counts = Counter(outcome.verdicts["strict"].value for outcome in graded.outcomes.values())
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
