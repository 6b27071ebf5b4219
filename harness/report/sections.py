"""The tables of `rltf report`, about several runs, and the same numbers for programs.

Covers: scores of runs and of published systems, number-by-number comparison, outcomes. Every cell is
plain text here; escaping is the formats' (`harness.report.formats`).
Does not cover: pairs of runs (`harness.report.pairs`), comparing, drawing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.metrics.summary import from_easy_to_hard, order_of
from harness.report.against import Cell, ComparisonStatus
from harness.report.charts import Chart
from harness.report.columns import ALL, Column, group_of, levels_of, percent, score_columns
from harness.report.published import Published
from harness.report.table import ABSENT, Align, Table, table_of
from harness.report.tables import remarks, shares
from harness.report.warnings import warnings
from harness.run_store.finished_run import Run
from harness.run_store.metrics_file import GroupMetrics
from harness.types import Status

_EXCEPTIONS = 12
"""Exception types that get a row of their own."""


@dataclass
class Report:
    """Everything that a format renders."""

    title: str
    introduction: Sequence[str]
    sections: list[Table] = field(default_factory=list)
    data: list[Mapping[str, Any]] = field(default_factory=list)
    """Rows of the CSV file: numbers in per cent, not rounded."""
    runs: Sequence[Run] = ()
    """What the plots show."""
    profile: str = "strict"
    """Under which the plots are drawn."""
    figures: Sequence[Chart] = ()
    """Further charts of the page."""
    commands: Sequence[str] = ()
    """To fill in what is missing."""
    browse: int = 0
    """Characters of the runs' programs that the page may hold; 0 leaves its browser out."""

    @property
    def tables(self) -> list[Table]:
        """The sections that have rows."""
        return [section for section in self.sections if section.rows]


def scores(runs: Sequence[Run]) -> Table:
    """One row for each run and profile; the columns of `harness.report.columns`, some by difficulty."""
    places = _places(runs)
    head = ("system", "benchmark", "profile", "samples each")
    rows = [
        [
            run.name,
            f"{run.benchmark} ({run.metrics['benchmark']['split']})",
            profile,
            f"{run.samples_per_problem:,}",
            *(column.cell(group_of(run, profile, level), ABSENT) for column, level in places),
        ]
        for run in runs
        for profile in run.profiles
    ]
    notes = [
        f"{run.name}: {sentence}"
        for run in runs
        for sentence in [*warnings(run.metrics), *remarks(run.metrics)]
    ]
    header = [*head, *(_titled(column.title, level) for column, level in places)]
    align: list[Align] = ["left", "left", "left", "right", *(column.align for column, _ in places)]
    return Table("Scores in %, with 95 % intervals", header, align, rows, notes)


def board(rows: Sequence[Published], runs: Sequence[Run], profile: str) -> Table:
    """Published systems and our runs as rows, the papers' columns as columns."""
    by_profile = {(row.metric, row.group, row.profile) for row in rows}
    if len(by_profile) > len({(metric, group) for metric, group, _ in by_profile}):
        return _board_by_profile(rows, runs)
    names = list(dict.fromkeys((row.metric, row.group) for row in rows))
    subsets = _subsets({group for _, group in names} - {"all"}, runs)
    names.sort(key=lambda name: (int(name[0].removeprefix("pass@")), subsets.index(name[1])))
    systems: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        key = (row.system, row.base_model, row.size, _yes(row.critic_sampling), row.source, row.setting)
        systems.setdefault(key, {})[_titled(row.metric, row.group)] = f"{row.value_percent:.2f}"
    head = ("system", "base model", "size", "critic sampling", "source", "setting")
    found = [dict(zip(head, key, strict=True)) | cells for key, cells in systems.items()]
    for run in runs:
        own = {"system": run.name, "critic sampling": "no", "source": f"this run, profile {profile}"}
        found.append(own | {_titled(m, g): _score(run.score(profile, g, m)) for m, g in names})
    header = [*head, *(_titled(*name) for name in names)]
    text = ("system", "base model", "critic sampling", "source")
    return table_of("Published systems and our runs, in %", found, header, text=text, long=("setting",))


def _board_by_profile(rows: Sequence[Published], runs: Sequence[Run]) -> Table:
    """The same for numbers whose source says under which profile each is (EvalPlus: base and plus)."""
    names = list(dict.fromkeys((row.metric, row.group, row.profile or "") for row in rows))
    systems: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        cells = systems.setdefault((row.system, row.base_model, row.size, row.source, row.setting), {})
        cells[f"{row.metric} {row.profile}"] = f"{row.value_percent:.2f}"
    head = ("system", "base model", "size", "source", "setting")
    found = [dict(zip(head, key, strict=True)) | cells for key, cells in systems.items()]
    for run in runs:
        ours = {f"{m} {profile}": _score(run.score(profile, g, m)) for m, g, profile in names}
        found.append({"system": run.name, "source": "this run"} | ours)
    header = [*head, *(f"{metric} {profile}" for metric, _, profile in names)]
    text = ("system", "base model", "source")
    return table_of("Published systems and our runs, in %", found, header, text=text, long=("setting",))


def against(cells: Sequence[Cell], title: str = "Number by number") -> Table:
    """Each published number, ours, the difference, and whether it is reproduced."""
    rows = [
        {
            "system": cell.published.system,
            "base model": cell.published.base_model,
            "metric": cell.published.metric,
            "subset": cell.published.subset,
            "published": f"{cell.published.value_percent:.2f}",
            "run": cell.run.name if cell.run else ABSENT,
            "ours [95 %]": _score(cell.ours),
            "difference (points)": ABSENT if cell.difference is None else f"{cell.difference:+.2f}",
            "status": str(cell.status),
            "why, or what to know": "; ".join(cell.reasons),
            "source": f"{cell.published.source}, {cell.published.where_in_source}",
        }
        for cell in cells
    ]
    tally = ", ".join(f"{sum(c.status is s for c in cells)} {s}" for s in ComparisonStatus)
    return table_of(
        title,
        rows,
        text=("system", "base model", "metric", "subset", "run", "status", "source"),
        long=("why, or what to know",),
        notes=[
            f"{tally}.",
            "reproduced: the published value lies in our 95 % interval; unconfirmed: it does, and one"
            " second-hand source alone has it; differs: it does not.",
            "A published number is only compared with a run whose benchmark, split, problems, sample count,"
            " sampling, prompt and limits fit, as far as the run records them, and whose owner says whose"
            " number it repeats. Critic sampling, beam search, and programs filtered by example tests or"
            " ranked by a model are other measures.",
        ],
    )


def outcomes(runs: Sequence[Run], profile: str) -> Table:
    """How the samples ended: passes, wrong answers, runtime errors by exception, limits, syntax errors."""
    groups = {run.name: group for run in runs if (group := run.group(profile, "all")) is not None}
    types: dict[str, int] = {}
    for group in groups.values():
        for name, count in group["runtime_errors"].items():
            types[name] = types.get(name, 0) + count
    common = sorted(types, key=lambda name: (-types[name], name))[:_EXCEPTIONS]
    rows = []
    for status in Status:
        if any(group["verdicts"].get(status) for group in groups.values()):
            counts = {name: group["verdicts"].get(status, 0) for name, group in groups.items()}
            rows.append(_outcome_row(status.replace("_", " "), counts, groups))
        if status is Status.RUNTIME_ERROR:
            rows += [
                _outcome_row(f"runtime error: {name}", _errors(groups, [name]), groups) for name in common
            ]
            if rest := [name for name in types if name not in common]:
                title = f"runtime error: {len(rest)} further types"
                rows.append(_outcome_row(title, _errors(groups, rest), groups))
    return table_of(f"Outcomes of the samples (profile {profile})", rows, text=("outcome",))


def answers(runs: Sequence[Run]) -> Table:
    """What extraction and limits did to the completions, where a run records it."""
    rows: dict[str, dict[str, str]] = {}
    for run in runs:
        for name, count, of in shares(run.metrics):
            rows.setdefault(name, {"": name})[run.name] = f"{count:,} of {of:,} ({100 * count / of:.1f} %)"
    return table_of("From answers to programs", list(rows.values()), text=("",))


def data_rows(runs: Iterable[Run]) -> list[Mapping[str, Any]]:
    """Every column of the score tables as numbers, for each group of each run."""
    return [
        {
            "kind": "run",
            "system": run.name,
            "benchmark": run.benchmark,
            "profile": profile,
            "subset": level,
            "metric": column.key,
            **_number(column, run, profile, level),
        }
        for run in runs
        for profile in run.profiles
        for column in score_columns([run.metrics])
        for level in [*levels_of([run.metrics]), ALL]
    ]


def data_cells(cells: Iterable[Cell], profile: str) -> list[Mapping[str, Any]]:
    """Every comparison with a published number as numbers."""
    return [
        {
            "kind": "against",
            "system": cell.published.system,
            "base_model": cell.published.base_model,
            "source": cell.published.source,
            "benchmark": cell.published.benchmark,
            "profile": cell.published.profile or profile,
            "subset": cell.published.subset,
            "metric": cell.published.metric,
            "published_percent": cell.published.value_percent,
            "run": cell.run.name if cell.run else None,
            **_numbers(cell.ours),
            "difference_points": cell.difference,
            "status": str(cell.status),
            "reasons": "; ".join(cell.reasons),
        }
        for cell in cells
    ]


def _places(runs: Sequence[Run]) -> list[tuple[Column, str]]:
    """Each column with the group that it is about: some have a column for each difficulty."""
    metrics = [run.metrics for run in runs]
    levels = levels_of(metrics)
    return [
        (column, level)
        for column in score_columns(metrics)
        for level in (*(levels if column.by_difficulty else ()), ALL)
    ]


def _titled(title: str, level: str) -> str:
    return title if level == ALL else f"{title} {level}"


def _number(column: Column, run: Run, profile: str, level: str) -> dict[str, Any]:
    """A share is in per cent, any other number as it is."""
    group = group_of(run, profile, level)
    value = None if group is None else column.value(group)
    return {"value": value} if isinstance(value, int | float) else _numbers(value)


def _subsets(levels: set[str], runs: Sequence[Run]) -> list[str]:
    """Difficulties from easy to hard, and `all`."""
    return [*from_easy_to_hard(levels, order_of(run.metrics for run in runs)), "all"]


def _score(interval: Mapping[str, Any] | None) -> str:
    return ABSENT if interval is None else percent(interval)


def _numbers(interval: Mapping[str, Any] | None) -> dict[str, float | None]:
    names = {"value": "value_percent", "low": "low_percent", "high": "high_percent"}
    return {column: None if interval is None else 100 * interval[name] for name, column in names.items()}


def _outcome_row(title: str, counts: Mapping[str, int], groups: Mapping[str, GroupMetrics]) -> dict[str, str]:
    cells = {
        name: f"{counts[name]:,} ({100 * counts[name] / max(group['samples'], 1):.1f} %)"
        for name, group in groups.items()
    }
    return {"outcome": title, **cells}


def _errors(groups: Mapping[str, GroupMetrics], names: Sequence[str]) -> dict[str, int]:
    return {run: sum(group["runtime_errors"].get(name, 0) for name in names) for run, group in groups.items()}


def _yes(value: bool) -> str:
    return "yes" if value else "no"
