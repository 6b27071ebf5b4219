"""Problems that may reward: those whose own solution passes. Asked of the grader once, then remembered.

A problem whose reference solution fails has wrong tests, or tests that the grader cannot run; rewards from it
would teach nothing, or the wrong thing. Does not cover: supervised rows, which need no tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from harness.evaluate.evaluation import Grader
from harness.files import replace_file, writing
from harness.types import Benchmark, Job, Problem

TRIES = 3
"""Solutions of a problem of which one must pass: some of APPS's own fail on tests that others pass."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Which problems may reward, and how many may not."""

    sound: list[Problem]
    without_tests: int
    failing: int
    """None of the first solutions passes."""
    without_solutions: int
    """Among the sound: nothing could be asked."""


def audit(
    benchmark: Benchmark, grader: Grader, *, profile: str = "strict", cache: Path | None = None
) -> Audit:
    """Find the sound problems of `benchmark`.

    Args:
        benchmark: Of the training split.
        grader: Running; its limits and versions are part of what is remembered.
        profile: Under which a solution must pass.
        cache: Folder for what was found, for any selection of the same data; `None` for nowhere.

    Raises:
        InputError: If the cache cannot be written.
    """
    tested = [problem for problem in benchmark.problems if problem.suite.count]
    asked = [problem for problem in tested if problem.solutions]
    path = None if cache is None else cache / f"audit-{_key(benchmark, grader, profile)}.json"
    known = _read(path)
    new = [problem for problem in asked if problem.task_id not in known]
    if new:
        known |= _grade(new, grader, profile)
        _write(path, known)
    failing = {problem.task_id for problem in asked if not known.get(problem.task_id)}
    return Audit(
        sound=[problem for problem in tested if problem.task_id not in failing],
        without_tests=len(benchmark) - len(tested),
        failing=len(failing),
        without_solutions=len(tested) - len(asked),
    )


def _grade(problems: Sequence[Problem], grader: Grader, profile: str) -> dict[str, bool]:
    """Whether one of the first solutions passes; a problem that the grader failed on is not in it."""
    found: dict[str, bool] = {}
    left = list(problems)
    for number in range(TRIES):
        jobs = (
            Job(problem.task_id, number, problem.solutions[number], problem)
            for problem in left
            if number < len(problem.solutions)
        )
        for outcome in grader.run(jobs):
            if outcome.infrastructure_error is None:
                found[outcome.task_id] = outcome.passed(profile)
        left = [problem for problem in left if not found.get(problem.task_id)]
    return found


def _key(benchmark: Benchmark, grader: Grader, profile: str) -> str:
    described = grader.describe()
    decided = {name: described.get(name) for name in ("grader_version", "limits", "packages", "profiles")}
    text = json.dumps([benchmark.name, benchmark.split, benchmark.dataset_hash, profile, TRIES, decided])
    return sha256(text.encode()).hexdigest()[:16]


def _read(path: Path | None) -> dict[str, bool]:
    if path is None or not path.exists():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # damaged: asked again
    return {str(task): bool(sound) for task, sound in found.items()} if isinstance(found, dict) else {}


def _write(path: Path | None, known: Mapping[str, bool]) -> None:
    if path is None:
        return
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda stream: stream.write(json.dumps(known, sort_keys=True).encode()))
