"""The columns of score tables, in one list: console, Markdown, HTML, CSV and LaTeX all read it.

To add a column, add an entry to `score_columns`: a key, a title, how its value is computed from a group of
problems and how it is written. Covers: shares with intervals, counts, seconds. Does not cover: computing what
a group holds (`harness.metrics.summary`, `harness.metrics.costs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness.metrics.costs import MEDIAN_CPU_SECONDS
from harness.metrics.summary import from_easy_to_hard, order_of
from harness.report.table import ABSENT, Align
from harness.run_store.finished_run import Run
from harness.run_store.metrics_file import GroupMetrics, Metrics, Score, score_in

ALL = "all"
"""The group of all problems, beside the difficulties."""

UNDEFINED = "undefined"
"""A share of no problems."""

Measured = Mapping[str, Mapping[str, float]]
"""By group and name: `measured` of a manifest."""


@dataclass(frozen=True)
class Group:
    """The problems of a difficulty, or all of them, of one run under one profile."""

    metrics: GroupMetrics
    measured: Mapping[str, float] = field(default_factory=dict)
    """Empty where the run was graded by a version that did not measure."""


@dataclass(frozen=True)
class Column:
    """A column of the score tables."""

    key: str
    """Names it in the CSV file, and in metrics.json where it stands there."""
    title: str
    value: Callable[[Group], Score | float | int | None]
    """A share with its interval, or a number as it is; `None` where there is none."""
    format: Callable[[Any], str]
    """Writes a value that is not `None`."""
    align: Align = "right"
    by_difficulty: bool = False
    """Whether a table with a row for each run has it for each difficulty, not for all problems alone."""
    absent: str = ABSENT
    """Written where the table has the group, and the group no value."""

    def cell(self, group: Group | None, absent: str | None = None) -> str:
        """The text of a cell; `absent` goes over the column's own."""
        value = None if group is None else self.value(group)
        return (absent or self.absent) if value is None else self.format(value)


def score_columns(metrics: Iterable[Metrics]) -> list[Column]:
    """The columns for these runs, in reading order; a k that only one run has is there for all."""
    runs = list(metrics)
    counts = [run["counts"] for run in runs]
    # With one sample for each problem it would repeat pass@1.
    several = any(each["samples"] != each["scored_problems"] for each in counts)
    return [
        Column("problems", "problems", lambda group: group.metrics["problems"], _count),
        Column("samples", "samples", lambda group: group.metrics["samples"], _count),
        *(
            _share(f"pass@{k}", f"pass@{k}", spread=True)
            for k in sorted({k for run in runs for k in run["k"]})
        ),
        *([_share("strict_accuracy", "all tests of all samples", spread=False)] if several else []),
        _share("test_case_average", "tests passed", spread=True),
        Column(MEDIAN_CPU_SECONDS, "median CPU seconds", _measured(MEDIAN_CPU_SECONDS), "{:,.3f}".format),
    ]


def groups_of(metrics: Metrics, measured: Measured) -> list[tuple[str, dict[str, Group]]]:
    """Name of each group, difficulties from easy to hard and then all; and the group under each profile."""
    found = []
    for name in [*levels_of([metrics]), ALL]:
        groups = {
            profile: Group(
                content["overall"] if name == ALL else content["difficulties"][name], measured.get(name, {})
            )
            for profile, content in metrics["profiles"].items()
        }
        found.append((name, groups))
    return found


def group_of(run: Run, profile: str, name: str) -> Group | None:
    """A group of a finished run; `None` where the run has no such problems."""
    metrics = run.group(profile, name)
    return None if metrics is None else Group(metrics, run.manifest.get("measured", {}).get(name, {}))


def levels_of(metrics: Iterable[Metrics]) -> list[str]:
    """The difficulties of these runs, from easy to hard."""
    runs = list(metrics)
    names = {name for run in runs for profile in run["profiles"].values() for name in profile["difficulties"]}
    return from_easy_to_hard(names, order_of(runs))


def percent(interval: Mapping[str, Any] | None) -> str:
    """A share with its interval, in per cent."""
    if interval is None:
        return UNDEFINED
    value, low, high = (100 * interval[name] for name in ("value", "low", "high"))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _share(key: str, title: str, *, spread: bool) -> Column:
    return Column(key, title, partial(_score, key), percent, by_difficulty=spread, absent=UNDEFINED)


def _score(metric: str, group: Group) -> Score | None:
    return score_in(group.metrics, metric)


def _measured(name: str) -> Callable[[Group], float | None]:
    return lambda group: group.measured.get(name)


def _count(value: int) -> str:
    return f"{value:,}"
