"""What training changed: `comparison.json` and `report.html` of a training run.

Covers: pass@k before and after with intervals, the paired difference, problems gained and lost, how outcomes
shifted (the paper's qualitative figure), training curves.
Does not cover: how any of these is computed (`harness.metrics.paired`) or drawn (`harness.report`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.files import replace_file, write_json
from harness.metrics.paired import Paired, compare_runs
from harness.report.formats import html
from harness.report.pairs import data_pair, paired
from harness.report.sections import Report, data_rows, scores
from harness.report.training import training_figures, training_table
from harness.run_store.finished_run import Run, read_run
from rltf.monitoring.callbacks import METRICS

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
    report.figures = training_figures(course)
    report.sections = [scores(runs), *report.sections, *training_table(course, METRICS)]
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
