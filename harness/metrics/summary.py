"""What the outcomes of a run add up to: the content of `metrics.json`.

Covers: pass@k with intervals, hendrycks' two averages, verdicts, exception types and the profiles'
disagreements, overall and per difficulty. The same outcomes give the same bytes: no times, nothing that
depends on the order of grading. Memory: a few numbers per problem, not per sample.

Who is in the denominator of pass@k:

- a problem without tests is unscorable: out, counted;
- a sample that the grader failed on twice is out, counted; a problem is out of pass@k, counted, where fewer
  than k samples are left;
- a problem without samples that the user allowed to be missing is in, as failed: no program counts as not
  solved, and leaving it out would reward giving up;
- it is out, counted, where the user asked for the covered problems alone, and where reference solutions are
  graded, since not every problem has one.

Does not cover: comparing runs (`harness.metrics.paired`), times (`harness.metrics.costs`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.metrics.pass_at_k import RESAMPLES, mean_interval, pass_at_k_interval
from harness.run_store.manifest import FORMAT
from harness.types import Benchmark, Outcome, Problem, Status

_UNRECORDED = ("introductory", "interview", "competition")
"""The order of difficulties in runs that record none: those of 0.1, which knew APPS's words alone, and those
whose order is this one, so that their metrics.json is what it was."""


@dataclass
class _Tally:
    """One problem's samples, added up."""

    problem: Problem
    graded: int = 0
    failed_to_grade: int = 0
    lost: int = 0
    """Of the graded: failed by costing the grader its processes."""
    cut_short: int = 0
    """Of the graded: failed, and too costly for all of their tests to be run."""
    unscorable: bool = False
    missing: bool = False
    passed: Counter[str] = field(default_factory=Counter)
    tests_passed: Counter[str] = field(default_factory=Counter)
    """By profile, all samples together, as hendrycks counts."""
    tests: int = 0
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By profile and status."""
    exceptions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By profile and type, where the verdict is a runtime error."""

    def add(self, outcome: Outcome) -> None:
        self.graded += 1
        self.lost += outcome.lost
        self.cut_short += outcome.cut_short
        self.tests += len(outcome.tests)
        for profile, verdict in outcome.verdicts.items():
            self.passed[profile] += verdict is Status.PASSED
            self.verdicts[profile, verdict] += 1
            if verdict is Status.RUNTIME_ERROR:
                self.exceptions[profile, outcome.error.type if outcome.error else "unknown"] += 1
            self.tests_passed[profile] += sum(
                test.statuses[profile] is Status.PASSED for test in outcome.tests
            )

    def scores(self, k: int, profile: str) -> tuple[int, int] | None:
        """`(n, c)` for pass@k; `None` where too few samples could be graded."""
        if self.missing:
            return k, 0
        return (self.graded, self.passed[profile]) if self.graded >= k else None


class Summary:
    """Outcomes added up, one at a time."""

    def __init__(
        self,
        benchmark: Benchmark,
        profiles: Sequence[str],
        *,
        missing: Iterable[str] = (),
        unscorable: Iterable[str] = (),
    ) -> None:
        """Start with none.

        Args:
            benchmark: What was graded.
            profiles: Names, in the order of the reports.
            missing: Problems without samples that count as failed.
            unscorable: Problems known to have no tests; others are found by their outcomes.
        """
        self._benchmark = benchmark
        self._profiles = list(profiles)
        self._tallies = {problem.task_id: _Tally(problem) for problem in benchmark.problems}
        self._only: Counter[str] = Counter()
        for task_id in missing:
            self._tallies[task_id].missing = True
        for task_id in unscorable:
            self._tallies[task_id].unscorable = True

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        tally = self._tallies[outcome.task_id]
        if outcome.infrastructure_error is not None:
            tally.failed_to_grade += 1
        elif is_unscorable(outcome):
            tally.unscorable = True
        else:
            tally.add(outcome)
            passing = [profile for profile in self._profiles if outcome.passed(profile)]
            if len(passing) < len(self._profiles):
                self._only.update(passing)

    def metrics(
        self, ks: Sequence[int], *, seed: int = 0, left_out: int = 0, skipped: int = 0
    ) -> dict[str, Any]:
        """The content of `metrics.json`.

        Args:
            ks: Budgets for pass@k; each at most the number of samples of every problem.
            seed: Of the bootstrap.
            left_out: Problems without a program, or a reference solution, that are not to count.
            skipped: Programs of the file that belong to no selected problem.
        """
        tallies = list(self._tallies.values())
        scored = [tally for tally in tallies if tally.graded or tally.missing]
        benchmark = self._benchmark
        return {
            "format": FORMAT,
            "benchmark": {
                "name": benchmark.name,
                "split": benchmark.split,
                "version": benchmark.version,
                "dataset_hash": benchmark.dataset_hash,
                **_recorded_order(benchmark),
            },
            "k": list(ks),
            "bootstrap": {"seed": seed, "resamples": RESAMPLES, "level": 0.95},
            "counts": {
                "problems": len(tallies),
                "scored_problems": len(scored),
                "samples": sum(tally.graded for tally in tallies),
                "missing_problems": sum(tally.missing for tally in tallies),
                "unscorable_problems": sum(tally.unscorable for tally in tallies),
                "infrastructure_errors": sum(tally.failed_to_grade for tally in tallies),
                "lost_programs": sum(tally.lost for tally in tallies),
                "cut_short": sum(tally.cut_short for tally in tallies),
                "problems_lost_to_infrastructure": sum(
                    tally.failed_to_grade > 0 and not tally.graded for tally in tallies
                ),
                "problems_left_out": left_out,
                "skipped_samples": skipped,
            },
            "disagreements": {f"only_{profile}": self._only[profile] for profile in self._profiles},
            "profiles": {
                profile: {
                    "overall": _group(scored, profile, ks, seed),
                    "difficulties": {
                        difficulty: _group(
                            [tally for tally in scored if tally.problem.difficulty == difficulty],
                            profile,
                            ks,
                            seed,
                        )
                        for difficulty in difficulties(benchmark)
                    },
                }
                for profile in self._profiles
            },
        }

    def without_outcome(self, task_ids: Iterable[str]) -> int:
        """How many of these problems have no graded sample."""
        return sum(not self._tallies[task_id].graded for task_id in task_ids)

    def with_failures(self, more: Mapping[str, int], ks: Sequence[int], *, seed: int = 0) -> dict[str, Any]:
        """pass@k by profile, as if each problem of `more` had so many samples more, none of them right."""
        found: dict[str, Any] = {}
        for profile in self._profiles:
            counts = [
                (tally.graded + more.get(task_id, 0), tally.passed[profile])
                for task_id, tally in self._tallies.items()
                if not tally.missing
            ]
            absent = sum(tally.missing for tally in self._tallies.values())
            found[profile] = {
                f"pass@{k}": _pass_at_k(
                    [each for each in counts if each[0] >= k] + [(k, 0)] * absent, k, seed
                )
                for k in ks
            }
        return found


def is_unscorable(outcome: Outcome) -> bool:
    """Whether nothing can be said of the program because its problem has no tests."""
    no_verdict = all(verdict is Status.NOT_RUN for verdict in outcome.verdicts.values())
    return no_verdict and outcome.unscorable


def difficulties(benchmark: Benchmark) -> list[str]:
    """The difficulties that occur, from easy to hard."""
    occurring = {p.difficulty for p in benchmark.problems if p.difficulty is not None}
    return from_easy_to_hard(occurring, benchmark.difficulties)


def from_easy_to_hard(names: Iterable[str], order: Sequence[str] = ()) -> list[str]:
    """Difficulties as in `order` (`Benchmark.difficulties`, or `order_of` runs), others behind them."""
    known = list(order or _UNRECORDED)
    return sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))


def order_of(metrics: Iterable[Mapping[str, Any]]) -> list[str]:
    """The order of difficulties that runs record in their metrics.json, one after the other."""
    orders = (each["benchmark"].get("difficulties", _UNRECORDED) for each in metrics)
    return list(dict.fromkeys(name for order in orders for name in order))


def _recorded_order(benchmark: Benchmark) -> dict[str, list[str]]:
    """The benchmark's order, unless readers would come to the same without it."""
    order = difficulties(benchmark)
    return {} if order == from_easy_to_hard(order) else {"difficulties": order}


def _group(tallies: Sequence[_Tally], profile: str, ks: Sequence[int], seed: int) -> dict[str, Any]:
    group: dict[str, Any] = {
        "problems": len(tallies),
        "samples": sum(tally.graded for tally in tallies),
        "strict_accuracy": _mean([_all_passed(tally, profile) for tally in tallies], seed),
        "test_case_average": _mean([_share_passed(tally, profile) for tally in tallies], seed),
        "verdicts": _counts([tally.verdicts for tally in tallies], profile),
        "runtime_errors": _counts([tally.exceptions for tally in tallies], profile),
    }
    for k in ks:
        counts = [scores for tally in tallies if (scores := tally.scores(k, profile)) is not None]
        group[f"pass@{k}"] = _pass_at_k(counts, k, seed)
    return group


def _pass_at_k(counts: Sequence[tuple[int, int]], k: int, seed: int) -> dict[str, Any] | None:
    if not counts:
        return None
    interval = pass_at_k_interval(counts, k, seed=seed)
    return _interval(interval.value, interval.low, interval.high, len(counts))


def _all_passed(tally: _Tally, profile: str) -> float:
    """Hendrycks' strict accuracy of one problem: every test of every sample."""
    return float(0 < tally.tests == tally.tests_passed[profile])


def _share_passed(tally: _Tally, profile: str) -> float:
    """Hendrycks' test case average of one problem."""
    return tally.tests_passed[profile] / tally.tests if tally.tests else 0.0


def _mean(values: Sequence[float], seed: int) -> dict[str, Any] | None:
    if not values:
        return None
    interval = mean_interval(values, seed=seed)
    return _interval(interval.value, interval.low, interval.high, len(values))


def _interval(value: float, low: float, high: float, problems: int) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "problems": problems}


def _counts(counters: Iterable[Mapping[tuple[str, str], int]], profile: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counter in counters:
        for (name, item), count in counter.items():
            if name == profile:
                total[str(item)] += count
    return dict(sorted(total.items()))
