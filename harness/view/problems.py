"""Statements and tests of the problems that a run graded, which its folder does not hold.

Only benchmarks that are installed here are read, with the data that is here, and only where the run's hash
says that these are its problems: what a manifest names is not to be trusted.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.registry import benchmark_names, load_benchmark
from harness.report.programs import cut
from harness.text import one_line
from harness.types import Benchmark, CallTest, Problem, StdinTest, Test, ValueTest
from harness.view.places import NotThereError
from harness.view.runs import RunSummary
from harness.view.values import mapping, text

_TESTS = 100
"""Of a problem; no more are sent."""
_TEXT = 2_000
"""Characters of an input or an output."""


class Problems:
    """The benchmarks of the runs that are looked at; asked from several threads."""

    def __init__(self, data_dir: Path | None) -> None:
        self._data_dir = data_dir
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, str], tuple[Benchmark, dict[str, Problem]]] = {}

    def facts(self, run: RunSummary, task: str) -> dict[str, Any]:
        """Difficulty, statement, erratum and tests of a problem.

        Raises:
            NotThereError: If the benchmark is not here, or is another; says why.
        """
        benchmark, problems = self._benchmark(mapping(run.identity.get("benchmark")))
        problem = problems.get(task)
        if problem is None:
            raise NotThereError(f"{benchmark.name} has no problem {task}")
        suite = problem.suite
        return {
            "level": problem.difficulty,
            "statement": cut(problem.question),
            "erratum": benchmark.errata.get(task),
            "entry_point": suite.entry_point,
            "tests": [_test(test) for test in suite.tests()[:_TESTS]],
            "of": suite.count,
        }

    def _benchmark(self, about: Mapping[str, Any]) -> tuple[Benchmark, dict[str, Problem]]:
        name, split = text(about.get("name")), text(about.get("split"))
        if name not in benchmark_names() or not re.fullmatch(r"[\w.:-]{1,64}", split):
            raise NotThereError(f"the benchmark {one_line(name)!r} is not installed here")
        with self._lock:  # one reader: a benchmark may have gigabytes
            if (name, split) not in self._loaded:
                try:
                    benchmark = load_benchmark(name, split=split, data_dir=self._data_dir)
                except HarnessError as error:
                    raise NotThereError(one_line(str(error))) from None
                self._loaded[name, split] = benchmark, {each.task_id: each for each in benchmark.problems}
            benchmark, problems = self._loaded[name, split]
        if benchmark.dataset_hash != about.get("dataset_hash"):
            raise NotThereError(f"the data of {name} here is not the data that the run was graded with")
        return benchmark, problems


def _test(test: Test) -> dict[str, str]:
    if isinstance(test, StdinTest):
        return {"input": cut(test.input, _TEXT), "output": cut(test.output, _TEXT)}
    if isinstance(test, CallTest):
        arguments = ", ".join(map(_shown, test.args))
        return {"input": cut(arguments, _TEXT), "output": cut(_shown(test.expected), _TEXT)}
    if isinstance(test, ValueTest):
        return {"input": cut(test.source, _TEXT), "output": cut(test.expected, _TEXT)}
    return {"input": cut(test.source, _TEXT)}


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # an integer with too many digits to be written
        return "…"
