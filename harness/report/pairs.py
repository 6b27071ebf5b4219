"""Tables about two runs at once: the paired comparison, and n@k with the run on the example tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.metrics.paired import FilteredScore, Paired
from harness.report.columns import percent
from harness.report.table import Table, table_of
from harness.run_store.finished_run import Run

_NAMED = 20
"""Problems gained or lost that are named; the rest is counted."""


def paired(result: Paired, first: Run, second: Run) -> list[Table]:
    """The paired comparison of two runs."""
    differences = [
        {
            "profile": score.profile,
            "metric": f"pass@{score.k}",
            f"A: {first.name}": f"{100 * score.first:.2f}",
            f"B: {second.name}": f"{100 * score.second:.2f}",
            "B - A (points) [95 %]": percent(vars(score.difference)),
            "p": f"{score.difference.p_value:.4f}",
            "problems": f"{score.problems:,}",
        }
        for score in result.scores
    ]
    changed = [
        {"profile": profile, "change": word, "problems": f"{len(tasks):,}", "which": _some(tasks)}
        for profile in result.gained
        for word, tasks in (("gained", result.gained[profile]), ("lost", result.lost[profile]))
    ]
    shift = [
        {
            "profile": profile,
            "outcome": status.replace("_", " "),
            "A": f"{100 * a:.2f} %",
            "B": f"{100 * b:.2f} %",
            "B - A (points)": f"{100 * (b - a):+.2f}",
        }
        for profile, shares in result.shift.items()
        for status, (a, b) in shares.items()
    ]
    left = f"{result.left_out:,} problems are left out: unscorable, or not graded in a run."
    notes = [
        "Bootstrap interval over problems; p is two-sided, of a sign-flip permutation test.",
        *([left] if result.left_out else []),
    ]
    solved = (
        "Gained: B solves the problem with any of its samples and A with none. Lost: the other way round."
    )
    return [
        table_of(
            "Paired difference, problem by problem", differences, text=("profile", "metric"), notes=notes
        ),
        table_of(
            "Problems gained and lost",
            changed,
            text=("profile", "change"),
            long=("which",),
            notes=[solved],
        ),
        table_of("Shift of outcomes, in shares of the samples", shift, text=("profile", "outcome")),
    ]


def filtered(found: Sequence[FilteredScore], run: Run, examples: Run, few: str) -> Table:
    """n@k of one run."""
    rows = [
        {
            "system": run.name,
            "profile": score.profile,
            "n": str(score.n),
            "k": str(score.k),
            "n@k [95 %]": percent(vars(score.score)),
            "problems": f"{score.problems:,}",
        }
        for score in found
    ]
    note = (
        f"Of k samples those that pass the example tests ({examples.name}) survive, and n of them are"
        f" submitted; with fewer than n survivors: {few}. Problems without example tests filter nothing."
    )
    title = "n@k: filtered by example tests, in %"
    return table_of(title, rows, text=("system", "profile"), notes=[note])


def _some(tasks: Sequence[str]) -> str:
    rest = len(tasks) - _NAMED
    return ", ".join(tasks[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def data_pair(result: Paired, first: Run, second: Run) -> list[Mapping[str, Any]]:
    """The paired differences as numbers."""
    return [
        {
            "kind": "paired",
            "system": second.name,
            "run": first.name,
            "profile": score.profile,
            "subset": "all",
            "metric": f"pass@{score.k}",
            "difference_points": 100 * score.difference.value,
            "low_points": 100 * score.difference.low,
            "high_points": 100 * score.difference.high,
            "p_value": score.difference.p_value,
        }
        for score in result.scores
    ]


def data_filtered(found: Sequence[FilteredScore], run: Run) -> list[Mapping[str, Any]]:
    """n@k as numbers."""
    return [
        {
            "kind": "run",
            "system": run.name,
            "benchmark": run.benchmark,
            "profile": score.profile,
            "subset": "all",
            "metric": f"{score.n}@{score.k}",
            "value_percent": 100 * score.score.value,
            "low_percent": 100 * score.score.low,
            "high_percent": 100 * score.score.high,
        }
        for score in found
    ]
