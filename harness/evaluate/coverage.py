"""Which problems the samples of a run cover, checked before anything is run.

Covers: problems without a sample, and `k` larger than the number of samples. Does not cover: samples that the
grader or a server fails on later (`harness.metrics.summary`, `harness.metrics.lost_samples`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import InputError
from harness.run_store.records import Key
from harness.types import Benchmark

DEFAULT_KS = (1, 5, 10, 100)


@dataclass(frozen=True)
class Coverage:
    """Which problems the samples cover, and the k that they allow."""

    ks: list[int]
    missing: list[str]
    """To count as failed."""
    unscorable: list[str]
    """Without samples and without tests."""
    left_out: int


@dataclass(frozen=True)
class CoverageRules:
    """What the user asked for."""

    label: str
    """Of the programs, for errors."""
    ks: Sequence[int] | None = None
    """For pass@k; `None` takes those of `DEFAULT_KS` that every problem's samples allow."""
    allow_missing: bool = False
    """Count problems without samples as failed."""
    ignore_missing: bool = False
    """Leave problems without samples out of every number."""


def cover(benchmark: Benchmark, keys: Sequence[Key], rules: CoverageRules) -> Coverage:
    """Compare the samples with the problems.

    Raises:
        InputError: If problems have no samples and the rules do not say what to do then, or some `k` is
            larger than the number of samples of a problem.
    """
    counts = Counter(task_id for task_id, _ in keys)
    absent = [problem for problem in benchmark.problems if not counts[problem.task_id]]
    if rules.ignore_missing:
        return Coverage(_ks(benchmark, counts, rules), [], [], len(absent))
    # Only the absent: finding out whether a problem has tests means unpacking them.
    missing = [problem.task_id for problem in absent if problem.suite.count]
    unscorable = [problem.task_id for problem in absent if not problem.suite.count]
    if missing and not rules.allow_missing:
        raise InputError(
            f"{len(missing)} of {len(benchmark)} problems have no program ({_some(missing)}); pass"
            " --allow-missing to count them as failed, --covered-only to leave them out, or select with --ids"
        )
    return Coverage(_ks(benchmark, counts, rules), missing, unscorable, 0)


def _ks(benchmark: Benchmark, counts: Counter[str], rules: CoverageRules) -> list[int]:
    if not counts:
        raise InputError(f"nothing to grade: {rules.label} has no program for {benchmark.name}")
    fewest = min(counts.values())
    if rules.ks is None:
        return [k for k in DEFAULT_KS if k <= fewest]
    ks = sorted(set(rules.ks))
    if fewest < ks[-1]:
        for problem in benchmark.problems:
            n = counts[problem.task_id]
            if 0 < n < ks[-1] and problem.suite.count:
                raise InputError(
                    f"pass@{ks[-1]} needs {ks[-1]} samples of every problem, but {problem.task_id} has {n};"
                    f" pass --k with numbers up to {fewest}"
                )
    return ks


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
