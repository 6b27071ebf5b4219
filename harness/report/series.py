"""What the drawings show, in per cent: pass@k against k, scores by difficulty, outcomes; and their colours.

The page's charts (`harness.report.charts`) and the files for papers (`harness.report.plots`) draw the same
series, so that they cannot differ.
Does not cover: drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.metrics.summary import from_easy_to_hard, order_of
from harness.run_store.finished_run import Run
from harness.types import Status

# Okabe and Ito's colours, which people with any colour vision can tell apart.
RUN_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A7A7A")
STATUS_COLOURS: Mapping[Status, str] = {
    Status.PASSED: "#009E73",
    Status.WRONG_ANSWER: "#E69F00",
    Status.RUNTIME_ERROR: "#D55E00",
    Status.TIMED_OUT: "#56B4E9",
    Status.OUT_OF_MEMORY: "#0072B2",
    Status.OUTPUT_LIMIT: "#CC79A7",
    Status.SYNTAX_ERROR: "#5B4B8A",
    Status.NOT_RUN: "#9A9A9A",
    Status.LOST: "#000000",
}
"""In the order in which they are stacked."""


@dataclass(frozen=True, slots=True)
class Point:
    """A score with its 95 % interval, in per cent."""

    at: str
    """A difficulty, or k."""
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one run."""

    name: str
    colour: int
    """Place in `RUN_COLOURS`, the same in every drawing of a report."""
    points: Sequence[Point]


def pass_at_k(runs: Sequence[Run], profile: str) -> list[Series]:
    """One series a run, a point for each of its k; none where there is a single k, which is no curve."""
    ks = sorted({k for run in runs for k in run.metrics["k"]})
    found = _series(runs, [(str(k), "all", f"pass@{k}") for k in ks], profile)
    return found if len({point.at for series in found for point in series.points}) > 1 else []


def by_difficulty(runs: Sequence[Run], profile: str) -> tuple[str, list[Series]]:
    """The metric, and one series a run with a point for each difficulty and `all`; none without difficulties.

    The metric is pass@k for the smallest k that any run has.
    """
    levels = {name for run in runs for name in run.metrics["profiles"].get(profile, _NONE)["difficulties"]}
    if not levels:
        return "", []
    metric = f"pass@{min(k for run in runs for k in run.metrics['k'])}"
    ordered = from_easy_to_hard(levels, order_of(run.metrics for run in runs))
    places = [(level, level, metric) for level in [*ordered, "all"]]
    return metric, _series(runs, places, profile)


def outcomes(runs: Sequence[Run], profile: str) -> list[tuple[str, dict[Status, float]]]:
    """Name of each run, and the shares of its samples that ended each way, in the order of the colours."""
    rows = []
    for run in runs:
        group = run.group(profile, "all")
        if group is not None and group["samples"]:
            counts = group["verdicts"]
            shares = {s: 100 * counts[s] / group["samples"] for s in STATUS_COLOURS if counts.get(s)}
            rows.append((run.name, shares))
    return rows


_NONE: Mapping[str, Any] = {"difficulties": {}}


def _series(runs: Sequence[Run], places: Sequence[tuple[str, str, str]], profile: str) -> list[Series]:
    found = []
    for colour, run in enumerate(runs):
        points = [
            Point(at, *(100 * score[name] for name in ("value", "low", "high")))
            for at, subset, metric in places
            if (score := run.score(profile, subset, metric)) is not None
        ]
        if points:
            found.append(Series(run.name, colour % len(RUN_COLOURS), points))
    return found
