"""The course of a training run as charts and a table, from the lines of its log.

Does not cover: reading the log, nor what is compared at the end (`rltf.evaluation.comparison_report`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.report.charts import Chart
from harness.report.lines import line_chart
from harness.report.table import Table, table_of

_CURVE_POINTS = 40
"""Rows of the table of training."""
_OWN_FIGURE = "loss/supervised"
_CURVES = {
    "step": "step",
    _OWN_FIGURE: "supervised loss",
    "loss/*": "{} loss",
    "sampled/passed": "sampled: passed",
    "sampled/failure": "failure",
    "sampled/error": "error",
    "sampled/syntax_error": "syntax error",
    "sampled/pass_ratio": "tests passed",
    "entropy": "entropy",
    "drawn/tokens": "tokens",
    "buffer/staleness": "staleness",
}
_FIGURES: Sequence[tuple[str, Mapping[str, str]]] = (
    (
        "Outcomes of the programs sampled in training, in shares",
        {
            "sampled/passed": "passed",
            "sampled/failure": "failure",
            "sampled/error": "error",
            "sampled/syntax_error": "syntax error",
        },
    ),
    ("pass@1 in between", {"eval/*": "{}"}),
    ("Supervised loss", {_OWN_FIGURE: "supervised"}),
    ("Reinforcement terms of the loss", {"loss/*": "{}"}),
    ("Entropy of the predictions, in nats", {"entropy": "entropy"}),
    ("Length of the sampled programs, in tokens", {"sampled/tokens": "tokens"}),
)
"""Training curves: title, and what each line is called; `*` stands for every name there is, and for `{}`."""

Row = Mapping[str, Any]
"""A line of the log: `step`, and numbers by name."""


def training_figures(rows: Sequence[Row]) -> list[Chart]:
    """Every chart for which two lines of the log have numbers."""
    found = (_figure(title, names, rows) for title, names in _FIGURES)
    return [chart for chart in found if chart is not None]


def training_table(rows: Sequence[Row], name: str) -> list[Table]:
    """The course of training as a table, thinned out; none without rows. `name` is the log's."""
    if not rows:
        return []
    every = -(-len(rows) // _CURVE_POINTS)
    shown = [rows[i] for i in range(len(rows)) if i % every == 0 or i == len(rows) - 1]
    curves = _spelt_out(_CURVES, rows)
    table = [
        {title: _number(row.get(name)) for name, title in curves.items() if any(name in row for row in rows)}
        for row in shown
    ]
    note = f"Every {every}. line of {name}." if every > 1 else f"All of {name}."
    notes = [note, "Shares are of the programs sampled at a refresh."]
    return [table_of("Training", table, notes=notes)]


def _figure(title: str, names: Mapping[str, str], rows: Sequence[Row]) -> Chart | None:
    found = {
        said: [(row["step"], row[name]) for row in rows if name in row]
        for name, said in _spelt_out(names, rows).items()
    }
    return line_chart(title, found)


def _spelt_out(names: Mapping[str, str], rows: Sequence[Row]) -> dict[str, str]:
    """`loss/*` and `eval/*` stand for all that were logged, without those that have a figure of their own."""
    found: dict[str, str] = {}
    for name, said in names.items():
        front, star, _ = name.partition("*")
        if not star:
            found[name] = said
            continue
        logged = dict.fromkeys(key for row in rows for key in row if key.startswith(front))
        found |= {key: said.format(key.removeprefix(front)) for key in logged if key != _OWN_FIGURE}
    return found


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
