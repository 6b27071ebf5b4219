"""The leaderboard: for each benchmark its runs, the best first, as what the template writes.

Covers: which runs are asked for, cells with their intervals. Does not cover: reading runs
(`harness.view.runs`), markup (`assets/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.metrics.summary import from_easy_to_hard, order_of
from harness.report.columns import ALL
from harness.report.warnings import warnings
from harness.run_store.finished_run import Run
from harness.run_store.metrics_file import Score
from harness.view.runs import RunSummary
from harness.view.state import State

_MOST_KS = 4
"""Columns of pass@k; a run's own page has them all."""


@dataclass(frozen=True)
class Asked:
    """What the reader chose; empty for everything."""

    words: str = ""
    benchmark: str = ""
    state: str = ""
    profile: str = ""
    level: str = ALL


@dataclass(frozen=True)
class Cell:
    """A score in per cent; `None` in each field where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """A run."""

    summary: RunSummary
    cells: Sequence[Cell | None]
    samples: int | None
    problems: int | None
    written: str
    warning: str


@dataclass(frozen=True)
class Board:
    """The runs on one benchmark."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    highest: float
    """Of the intervals of the first column, in per cent: the right end of their drawing."""


@dataclass(frozen=True)
class Choices:
    """What there is to choose from."""

    benchmarks: Sequence[str]
    states: Sequence[str]
    profiles: Sequence[str]
    levels: Sequence[str]


def choices(runs: Sequence[RunSummary]) -> Choices:
    """What these runs have."""
    metrics = [each.run.metrics for each in runs if each.run]
    profiles = dict.fromkeys(name for each in runs if each.run for name in each.run.profiles)
    levels = {name for each in metrics for p in each["profiles"].values() for name in p["difficulties"]}
    return Choices(
        benchmarks=sorted({each.benchmark for each in runs if each.benchmark}),
        states=[state for state in State if any(each.state is state for each in runs)],
        profiles=sorted(profiles, key=lambda name: (name != "strict", name)),
        levels=[ALL, *from_easy_to_hard(levels, order_of(metrics))],
    )


def boards(runs: Sequence[RunSummary], asked: Asked) -> list[Board]:
    """A table for each benchmark and split, and those without numbers at the end of theirs."""
    groups: dict[tuple[str, str], list[RunSummary]] = {}
    for each in runs:
        if _wanted(each, asked):
            split = each.run.metrics["benchmark"]["split"] if each.run else _split(each)
            groups.setdefault((each.benchmark, split), []).append(each)
    return [_board(name, split, found, asked) for (name, split), found in sorted(groups.items())]


def _wanted(run: RunSummary, asked: Asked) -> bool:
    text = f"{run.name} {run.programs} {run.benchmark}".lower()
    return (
        all(word in text for word in asked.words.lower().split())
        and asked.benchmark in ("", run.benchmark)
        and asked.state in ("", run.state)
    )


def _split(run: RunSummary) -> str:
    benchmark = run.identity.get("benchmark")
    split = benchmark.get("split") if isinstance(benchmark, dict) else None
    return split if isinstance(split, str) else ""


def _board(name: str, split: str, runs: Sequence[RunSummary], asked: Asked) -> Board:
    ks = sorted({k for each in runs if each.run for k in each.run.metrics["k"]})[:_MOST_KS]
    metrics = [*(f"pass@{k}" for k in ks), "test_case_average"]
    rows = [_row(each, metrics, asked) for each in runs]
    rows.sort(key=lambda row: (-(row.cells[0].value if row.cells[0] else -1.0), row.summary.name))
    highest = max((row.cells[0].high for row in rows if row.cells[0]), default=0.0)
    title = f"{name or 'Unknown benchmark'}{f' ({split})' if split else ''}"
    return Board(title, [*metrics[:-1], "tests passed"], rows, highest or 1.0)


def _row(summary: RunSummary, metrics: Sequence[str], asked: Asked) -> Row:
    run = summary.run
    if run is None:
        return Row(summary, [None] * len(metrics), None, None, written(summary.changed), "")
    profile = asked.profile if asked.profile in run.profiles else run.profiles[0]
    group = run.group(profile, asked.level)
    cells = [_cell(run.score(profile, asked.level, name)) for name in metrics]
    problems = group["problems"] if group else None
    return Row(summary, cells, run.samples_per_problem, problems, written(summary.changed), _warning(run))


def _cell(score: Score | None) -> Cell | None:
    return None if score is None else Cell(*(100 * score[name] for name in ("value", "low", "high")))


def _warning(run: Run) -> str:
    failed = run.metrics["counts"]["infrastructure_errors"]
    lost = [f"{failed:,} programs could not be graded."] if failed else []
    return " ".join([*warnings(run.metrics), *lost])


def written(seconds: float) -> str:
    """A time as people write it; UTC, so that two readers see the same."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M") if seconds else ""


def owner_of(name: str, trainings: Mapping[str, object]) -> str | None:
    """The training in whose folder a run lies; `None` for a run of its own."""
    front, _, _ = name.partition("/eval/")
    if name.startswith("eval/"):
        front = "."
    return front if front != name and front in trainings else None
