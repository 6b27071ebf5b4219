"""What training changed: `comparison.json` and `report.html` of a training run.

Covers: pass@k before and after with intervals, the paired difference, problems gained and lost, how outcomes
shifted (the paper's qualitative figure), training curves.
Does not cover: how any of these is computed (`harness.metrics.paired`) or drawn (`harness.report`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.files import replace_file, write_json
from harness.metrics.paired import Paired, compare_runs
from harness.report.charts import Chart
from harness.report.formats import html
from harness.report.lines import line_chart
from harness.report.pairs import data_pair, paired
from harness.report.sections import Report, data_rows, scores
from harness.report.table import Table, table_of
from harness.run_store.finished_run import Run, read_run
from rltf.monitoring.callbacks import METRICS

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
_BROWSE = 8 << 20
"""Characters of the runs' programs in the page."""


def write_outcome(
    out: Path, names: Sequence[str], profile: str, introduction: Sequence[str]
) -> dict[str, Any]:
    """Write `comparison.json` and `report.html` into `out`; returns the content of the former.

    Args:
        out: With `eval/before/<name>` and `eval/after/<name>`.
        names: Of the benchmarks.
        profile: Whose numbers stand first.
        introduction: Sentences on what was trained.
    """
    report = Report("What training changed", introduction, profile=profile, browse=_BROWSE)
    runs: list[Run] = []
    content: dict[str, Any] = {}
    for name in names:
        before, after = (
            read_run(out / "eval" / when / name, f"{name} {when}") for when in ("before", "after")
        )
        result = compare_runs(before, after)
        content[name] = {
            **_compared(before, after, result, profile),
            "profile": profile,
            "profiles": {each: _compared(before, after, result, each) for each in before.profiles},
        }
        runs += [before, after]
        report.sections += paired(result, before, after)
        report.data += data_pair(result, before, after)
    report.runs = runs
    course = _course(out / METRICS)
    report.figures = [chart for title, names_of in _FIGURES if (chart := _figure(title, names_of, course))]
    report.sections = [scores(runs), *report.sections, *_training(course)]
    report.data += data_rows(runs)
    write_json(out / "comparison.json", content)
    page = html(report).encode(errors="backslashreplace")
    replace_file(out / "report.html", lambda stream: stream.write(page))
    return content


def _compared(before: Run, after: Run, result: Paired, profile: str) -> dict[str, Any]:
    """`before`, `after` and `difference` under one profile."""
    ks = [each.k for each in result.scores if each.profile == profile]
    differences = {
        f"pass@{each.k}": asdict(each.difference) for each in result.scores if each.profile == profile
    }
    return {
        "before": {f"pass@{k}": before.score(profile, "all", f"pass@{k}") for k in ks},
        "after": {f"pass@{k}": after.score(profile, "all", f"pass@{k}") for k in ks},
        "difference": differences,
        "gained": result.gained[profile],
        "lost": result.lost[profile],
        "outcomes": {
            str(status): {"before": shares[0], "after": shares[1]}
            for status, shares in result.shift[profile].items()
        },
    }


def _course(path: Path) -> list[dict[str, Any]]:
    """The lines of the log."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [row for row in map(json.loads, lines) if "loss" in row]


def _figure(title: str, names: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Chart | None:
    found = {
        said: [(row["step"], row[name]) for row in rows if name in row]
        for name, said in _spelt_out(names, rows).items()
    }
    return line_chart(title, found)


def _spelt_out(names: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
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


def _training(rows: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    """The course of training as a table, thinned out."""
    if not rows:
        return
    every = -(-len(rows) // _CURVE_POINTS)
    shown = [rows[i] for i in range(len(rows)) if i % every == 0 or i == len(rows) - 1]
    curves = _spelt_out(_CURVES, rows)
    table = [
        {title: _number(row.get(name)) for name, title in curves.items() if any(name in row for row in rows)}
        for row in shown
    ]
    note = f"Every {every}. line of {METRICS}." if every > 1 else f"All of {METRICS}."
    notes = [note, "Shares are of the programs sampled at a refresh."]
    yield table_of("Training", table, notes=notes)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
