"""What grading measured: numbers that another run of the same programs may find different.

They go into `manifest.json`, not into `metrics.json`, which is the same bytes for the same programs. Covers:
CPU seconds of a program, over the samples that have a verdict. Does not cover: how long grading took.
"""

from __future__ import annotations

from array import array
from statistics import median

from harness.metrics.summary import is_unscorable
from harness.types import Benchmark, Outcome

MEDIAN_CPU_SECONDS = "median_cpu_seconds"


class Costs:
    """CPU seconds by difficulty and over all; 8 bytes per sample and group."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._levels = {problem.task_id: problem.difficulty for problem in benchmark.problems}
        self._seconds: dict[str, array[float]] = {}

    def add(self, outcome: Outcome) -> None:
        """Count one outcome, if it has a verdict."""
        if outcome.infrastructure_error is not None or is_unscorable(outcome):
            return
        for group in ("all", self._levels[outcome.task_id]):
            if group is not None:
                self._seconds.setdefault(group, array("d")).append(outcome.cpu_seconds)

    def measured(self) -> dict[str, dict[str, float]]:
        """By group (a difficulty or `all`): the numbers by name; seconds."""
        return {group: {MEDIAN_CPU_SECONDS: median(found)} for group, found in sorted(self._seconds.items())}
