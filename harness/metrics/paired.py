"""Two runs on the same problems, problem by problem; and one run filtered by another (n@k).

Covers: paired difference of pass@k per profile with interval and p-value, problems gained and lost, how the
shares of outcomes changed; n@k where one run holds the verdicts on example tests (`harness.metrics.n_at_k`).
Does not cover: unpaired comparison. Runs on different problems are refused; the error names the first that
differs.

Memory: a few numbers per problem, and for n@k two bits per sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from harness.errors import InputError
from harness.metrics.lost_samples import tasks_lost
from harness.metrics.n_at_k import FewSurvivors, count_filtered, n_at_k
from harness.metrics.pass_at_k import Difference, Interval, mean_interval, paired_difference, pass_at_k
from harness.metrics.summary import is_unscorable
from harness.run_store.finished_run import Run
from harness.types import Status


@dataclass(frozen=True)
class PairedScore:
    """One difference, in shares."""

    profile: str
    k: int
    first: float
    second: float
    difference: Difference
    """Second minus first."""
    problems: int


@dataclass(frozen=True)
class Paired:
    """What changed from the first run to the second."""

    scores: Sequence[PairedScore]
    gained: dict[str, list[str]]
    """By profile: problems that only the second run solves, with any of its samples."""
    lost: dict[str, list[str]]
    """By profile: problems that only the first run solves."""
    shift: dict[str, dict[Status, tuple[float, float]]]
    """By profile and status: share of the samples in the first and in the second run."""
    left_out: int
    """Problems that are unscorable, or that the grader failed on in a run."""


@dataclass
class _Counts:
    """One run, added up."""

    task_ids: list[str] = field(default_factory=list)
    """In the fixed order, unscorable ones included."""
    graded: Counter[str] = field(default_factory=Counter)
    passed: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: Counter[tuple[str, Status]] = field(default_factory=Counter)


def compare_runs(first: Run, second: Run, *, seed: int = 0) -> Paired:
    """Compare two runs on the same problems.

    Problems without programs in both runs contribute 0.

    Raises:
        InputError: If the runs are on different benchmarks or problems; names the first difference.
    """
    _check_same_benchmark(first, second)
    a, b = _count(first), _count(second)
    away = _leave_out_unanswered((first, a), (second, b))
    _check_same_problems(first, second, a.task_ids, b.task_ids)
    missing = first.metrics["counts"]["missing_problems"]
    if missing != second.metrics["counts"]["missing_problems"]:
        raise InputError(
            f"{first.path} and {second.path} count different numbers of problems without a program as failed;"
            " score both with the same --ids"
        )
    profiles = [name for name in first.profiles if name in second.profiles]
    scored = [task for task in a.task_ids if a.graded[task] and b.graded[task]]
    ks = sorted(set(first.metrics["k"]) & set(second.metrics["k"]))
    return Paired(
        scores=[s for p in profiles for k in ks if (s := _score((a, b), p, k, missing, seed)) is not None],
        gained={p: [t for t in scored if b.passed[p, t] and not a.passed[p, t]] for p in profiles},
        lost={p: [t for t in scored if a.passed[p, t] and not b.passed[p, t]] for p in profiles},
        shift={p: _shift(a, b, p) for p in profiles},
        left_out=away + len(a.task_ids) - len(scored),
    )


def _check_same_benchmark(first: Run, second: Run) -> None:
    for name in ("name", "split", "version", "dataset_hash"):
        a, b = first.metrics["benchmark"][name], second.metrics["benchmark"][name]
        if a != b:
            raise InputError(
                f"the runs are not on the same problems: benchmark {name} is {a} in {first.path},"
                f" {b} in {second.path}"
            )


def _leave_out_unanswered(*runs: tuple[Run, _Counts]) -> int:
    """Take out of all runs the problems that a server gave one of them no answer to; their number."""
    away = {task for run, counts in runs for task in tasks_lost(run.path).difference(counts.task_ids)}
    for _, counts in runs:
        counts.task_ids[:] = [task for task in counts.task_ids if task not in away]
    return len(away)


def _check_same_problems(first: Run, second: Run, a: Sequence[str], b: Sequence[str]) -> None:
    for place, (x, y) in enumerate(zip_longest(a, b), start=1):
        if x != y:
            names = [f"{each} in {run.path}" for each, run in ((x, first), (y, second)) if each is not None]
            raise InputError(
                f"the runs are not on the same problems: number {place} is {' and '.join(names)}"
                f"{'' if x and y else ', the other run has ended'}; score both with the same --ids"
            )


def _count(run: Run) -> _Counts:
    counts = _Counts()
    for outcome in run.verdicts():
        task = outcome.task_id
        if not counts.task_ids or counts.task_ids[-1] != task:
            counts.task_ids.append(task)
        if outcome.infrastructure_error is not None or is_unscorable(outcome):
            continue
        counts.graded[task] += 1
        for profile, status in outcome.verdicts.items():
            counts.passed[profile, task] += status is Status.PASSED
            counts.statuses[profile, status] += 1
    return counts


def _score(
    runs: tuple[_Counts, _Counts], profile: str, k: int, missing: int, seed: int
) -> PairedScore | None:
    tasks = [task for task in runs[0].task_ids if min(run.graded[task] for run in runs) >= k]
    first, second = (
        [pass_at_k(run.graded[task], run.passed[profile, task], k) for task in tasks] + [0.0] * missing
        for run in runs
    )
    if not first:
        return None
    difference = paired_difference(second, first, seed=seed)
    n = len(first)
    return PairedScore(profile, k, sum(first) / n, sum(second) / n, difference, n)


def _shift(a: _Counts, b: _Counts, profile: str) -> dict[Status, tuple[float, float]]:
    totals = [max(sum(run.graded.values()), 1) for run in (a, b)]
    shares = {
        status: (a.statuses[profile, status] / totals[0], b.statuses[profile, status] / totals[1])
        for status in Status
    }
    return {status: pair for status, pair in shares.items() if any(pair)}


@dataclass(frozen=True)
class FilteredScore:
    """n@k of a run, in shares."""

    profile: str
    n: int
    k: int
    score: Interval
    problems: int


def filtered_scores(
    run: Run,
    examples: Run,
    ns: Sequence[int],
    *,
    few: FewSurvivors = FewSurvivors.SUBMIT_FEWER,
    seed: int = 0,
) -> list[FilteredScore]:
    """n@k of `run` for each of its k and each n <= k, filtered by the verdicts of `examples`.

    A sample on whose problem `examples` has no tests survives. A program that the grader failed on, in either
    run, is left out, and so is a problem that is left with fewer than k.

    Raises:
        InputError: If the two runs did not grade the same programs.
    """
    if run.manifest["samples_sha256"] != examples.manifest["samples_sha256"]:
        raise InputError(
            f"{examples.path} did not grade the programs of {run.path} (samples.jsonl differs);"
            " score the same file with the same --ids on both benchmarks"
        )
    missing = run.metrics["counts"]["missing_problems"]
    scores = []
    for profile in run.profiles:
        pairs = _verdict_pairs(run, examples, profile)
        for k in run.metrics["k"]:
            counts = [count_filtered(samples) for samples in pairs.values() if len(samples) >= k]
            for n in sorted({n for n in ns if n <= k}):
                values = [n_at_k(each, n, k, few) for each in counts] + [0.0] * missing
                if values:
                    scores.append(FilteredScore(profile, n, k, mean_interval(values, seed=seed), len(values)))
    return scores


def _verdict_pairs(run: Run, examples: Run, profile: str) -> dict[str, list[tuple[bool, bool]]]:
    """By problem: whether each sample passes the examples, and the hidden tests."""
    pairs: dict[str, list[tuple[bool, bool]]] = {}
    # The same samples.jsonl on both sides, so both files have the same order.
    for hidden, example in zip(run.verdicts(), examples.verdicts(), strict=True):
        if is_unscorable(hidden) or hidden.infrastructure_error or example.infrastructure_error:
            continue
        survives = is_unscorable(example) or example.passed(profile)
        pairs.setdefault(hidden.task_id, []).append((survives, hidden.passed(profile)))
    return pairs
