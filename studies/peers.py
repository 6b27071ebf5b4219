"""Tests per second: our runner beside one new interpreter for each test, as the peers run stdin problems.

Both ways run the same trusted programs, the reference solutions of `mini`'s stdin problems, on the same
number of processors, in turn. The peers' way has no isolation, no limits and no comparison: what is
measured is the price of its processes, so it comes off better than it is. Not covered: untrusted programs,
which are run nowhere but in the runner.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.apps.suite import PREAMBLE
from harness import Job, Problem, Runner, load_benchmark
from harness.types import StdinTest, TestKind

ROUNDS = 3
PROGRAMS = 20
"""Of as many problems, all their tests each: a few seconds a round of the peers' way."""


@dataclass(frozen=True)
class Rates:
    """Tests per second, medians over rounds."""

    runner: float
    interpreter: float
    """`python program.py < input` for each test."""
    preamble: float
    """The same with the benchmark's imports before the program, numpy among them, as RLTF's grader does."""
    programs: int
    tests: int
    rounds: int


def measure(workers: int) -> Rates:
    """Run the three ways in turn."""
    every = load_benchmark("mini", split="test").problems
    problems = [problem for problem in every if problem.suite.kind is TestKind.STDIN][:PROGRAMS]
    tests = sum(problem.suite.count for problem in problems)
    with Runner(workers) as runner, TemporaryDirectory() as folder:
        plain = _write(problems, Path(folder), "")
        full = _write(problems, Path(folder), "".join(part.text for part in PREAMBLE))
        # As many tests for every way would be over in no time for ours: it grades the set several times.
        ways: dict[str, tuple[Callable[[int], None], int]] = {
            "runner": (lambda round_: _ours(runner, problems, round_), 10),
            "interpreter": (lambda round_: _interpreters(plain, workers), 1),
            "preamble": (lambda round_: _interpreters(full, workers), 1),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for round_ in range(ROUNDS):
            for name, (way, times) in ways.items():
                started = time.perf_counter()
                way(round_)
                rates[name].append(times * tests / (time.perf_counter() - started))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    return Rates(**medians, programs=len(problems), tests=tests, rounds=ROUNDS)


def _ours(runner: Runner, problems: Sequence[Problem], round_: int) -> None:
    jobs = [
        # A comment that differs, so that no program is graded for another.
        Job(problem.task_id, copy, f"{problem.solutions[0]}\n# {round_} {copy}\n", problem)
        for copy in range(10)
        for problem in problems
    ]
    for outcome in runner.run(jobs):
        if not outcome.passed("strict"):
            raise RuntimeError(f"{outcome.task_id}: its own solution failed, {outcome.error}")


def _write(problems: Sequence[Problem], folder: Path, preamble: str) -> list[tuple[Path, StdinTest]]:
    cases = []
    for number, problem in enumerate(problems):
        path = folder / f"{number}_{len(preamble)}.py"
        path.write_text(preamble + problem.solutions[0], encoding="utf-8")
        cases += [(path, test) for test in problem.suite.tests() if isinstance(test, StdinTest)]
    return cases


def _interpreters(cases: Sequence[tuple[Path, StdinTest]], workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        for done in pool.map(_interpreter, cases):
            if not done:
                raise RuntimeError("a solution gave a wrong answer in a plain interpreter")


def _interpreter(case: tuple[Path, StdinTest]) -> bool:
    path, test = case
    done = subprocess.run(
        [sys.executable, str(path)], input=test.input, capture_output=True, text=True, check=False
    )
    return done.stdout.split() == test.output.split()
