"""The runs behind `gold.py`: first solutions, further solutions where the first one fails, what they give.

Each step leaves a run folder under `results/runs/` and is read from there the next time. Not covered:
what the results mean (`gold_classes.py`), and how they are told (`gold_report.py`).
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from gold_classes import Failure, Fault, Shown, classify
from outputs import Outputs
from parity_causes import reference_form

from harness import Benchmark, Limits, Outcome, Runner
from harness.compare import PROFILES
from harness.evaluate.evaluation import Plan, evaluate
from harness.programs.source import Programs, ReferenceSolutions, Sample
from harness.report.progress import progress_on
from harness.run_store.records import read_outcomes
from harness.runner.cache_key import GRADER_VERSION, package_versions
from harness.types import Problem, Status, TestKind

RUNS = Path(__file__).resolve().parents[1] / "results" / "runs"
MOST_SOLUTIONS = 6
"""Looked at of a problem whose first one fails. More would find a passing one more often, and take longer."""
SHOWN_TESTS = 3
_RETURN = (Fault.RETURN, Fault.NONLOCAL)


@dataclass
class ChosenSolutions:
    """Some solutions of some problems, each as it stands or in the form in which the reference runs it."""

    numbers: Mapping[str, Sequence[int]]
    form: bool = False
    skipped: int = field(default=0, init=False)
    notices: list[str] = field(default_factory=list, init=False)

    @property
    def label(self) -> str:
        return "gold-forms" if self.form else "gold-more"

    def fingerprint(self) -> str:
        return repr((self.form, sorted(self.numbers.items())))

    def read(self, benchmark: Benchmark) -> Iterator[Sample]:
        for problem in benchmark.problems:
            solutions = problem.solutions
            for number in self.numbers.get(problem.task_id, ()):
                if number < len(solutions):
                    code = solutions[number]
                    yield Sample(problem.task_id, number, reference_form(code) if self.form else code)


@dataclass(frozen=True)
class Graded:
    """A run folder's content."""

    benchmark: Benchmark
    metrics: Mapping[str, Any]
    manifest: Mapping[str, Any]
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Examined:
    """A problem whose first solution fails, and what was seen of its solutions."""

    first: Failure
    failures: Sequence[Failure]
    """Whatever fails under `strict`: solutions as they stand, and in the form in which the reference runs
    them. Empty where the first solution fails under `apps` only."""
    passed: int
    repaired: int
    solutions: int
    """How many were looked at."""


def grade(benchmark: Benchmark, programs: Programs, name: str, workers: int) -> Graded:
    """Grade in `results/runs/gold-NAME`, or continue there, or read what is there."""
    limits = Limits()
    plan = Plan(
        benchmark=benchmark,
        programs=programs,
        limits=limits,
        profiles={profile: each.version for profile, each in PROFILES.items()},
        grader={"version": GRADER_VERSION, **package_versions()},
        ks=[1],
        ignore_missing=True,
        command="make gold",
    )
    folder = RUNS / f"gold-{name}"
    metrics = evaluate(plan, folder, partial(Runner, workers, limits), progress_on(sys.stderr))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return Graded(benchmark, metrics, manifest, list(read_outcomes(folder / "outcomes.jsonl")))


def fails(outcome: Outcome) -> bool:
    """Whether the problem has tests and some profile does not pass the program."""
    return bool(outcome.tests) and not all(outcome.passed(profile) for profile in PROFILES)


def examine(first: Graded, name: str, workers: int) -> list[Examined]:
    """Look at further solutions of every problem whose first one fails."""
    bad = {outcome.task_id: outcome for outcome in first.outcomes if fails(outcome)}
    if not bad:
        return []
    benchmark = replace(
        first.benchmark, problems=[each for each in first.benchmark.problems if each.task_id in bad]
    )
    further = {task_id: range(1, MOST_SOLUTIONS) for task_id in bad}
    # A problem with one solution only has no second to grade, and a run without programs is refused.
    more = _grade_some(benchmark, ChosenSolutions(further), f"{name}-more", workers)
    outcomes: dict[str, list[Outcome]] = {task_id: [outcome] for task_id, outcome in bad.items()}
    for outcome in more:
        outcomes[outcome.task_id].append(outcome)
    faulty = {
        task_id: [int(each.sample_id) for each in of if classify(Failure(task_id, 0, each)) in _RETURN]
        for task_id, of in outcomes.items()
        if benchmark.by_id()[task_id].suite.kind is TestKind.STDIN
    }
    numbers = {task_id: found for task_id, found in faulty.items() if found}
    forms: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in _grade_some(benchmark, ChosenSolutions(numbers, form=True), f"{name}-forms", workers):
        forms[outcome.task_id].append(outcome)
    problems = benchmark.by_id()
    with Outputs() as asked:
        return [_examined(problems[task_id], of, forms[task_id], asked) for task_id, of in outcomes.items()]


def _grade_some(
    benchmark: Benchmark, programs: ChosenSolutions, name: str, workers: int
) -> Sequence[Outcome]:
    ids = {sample.task_id for sample in programs.read(benchmark)}
    if not ids:
        return []
    some = replace(benchmark, problems=[each for each in benchmark.problems if each.task_id in ids])
    return grade(some, programs, name, workers).outcomes


def _examined(
    problem: Problem, outcomes: Sequence[Outcome], forms: Sequence[Outcome], asked: Outputs
) -> Examined:
    solutions = problem.solutions
    found = [
        _failure(problem, each, solutions[int(each.sample_id)], asked) for each in outcomes if fails(each)
    ]
    again = [
        _failure(problem, each, reference_form(solutions[int(each.sample_id)]), asked)
        for each in forms
        if not each.passed("strict")
    ]
    return Examined(
        first=found[0],
        failures=[each for each in [*found, *again] if not each.outcome.passed("strict")],
        passed=sum(outcome.passed("strict") for outcome in outcomes),
        repaired=sum(outcome.passed("strict") for outcome in forms),
        solutions=len(outcomes),
    )


def _failure(problem: Problem, outcome: Outcome, code: str, asked: Outputs) -> Failure:
    """The failure, with what the program gave on the first tests that it got wrong."""
    failure = Failure(problem.task_id, outcome.sample_id, outcome)
    if failure.status is not Status.WRONG_ANSWER:
        return failure
    profile = "apps" if outcome.passed("strict") else "strict"
    wrong = [n for n, test in enumerate(outcome.tests) if test.statuses[profile] is failure.status]
    given = asked.of(code, problem.suite, wrong[:SHOWN_TESTS])
    return replace(failure, shown=tuple(Shown(*each) for each in given))


def first_solutions(benchmark: Benchmark, name: str, workers: int) -> Graded:
    """Grade the first solution of every problem that has one."""
    return grade(benchmark, ReferenceSolutions(), name, workers)
