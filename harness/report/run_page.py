"""`report.html` of a run folder: its numbers, charts and programs, and how to reproduce them.

Covers: a finished run, from the files of its folder; imports neither pandas nor matplotlib.
Does not cover: runs beside each other or published numbers (`rltf report --format html`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.files import replace_file
from harness.report.browser import RunPrograms, browser_data, browser_json
from harness.report.columns import ALL, Column, group_of, score_columns
from harness.report.page import Card, Page, render
from harness.report.table import Table
from harness.report.tables import about_run, all_tables, provenance, remarks, sampling, shares
from harness.report.warnings import warnings
from harness.run_store.finished_run import Run, read_run
from harness.types import Benchmark

_CARDS = 4
"""So many k of pass@k get a number at the top."""

_SHARES = ("changed by extraction", "cut at the length limit")


def write_page(folder: Path, benchmark: Benchmark | None = None, programs: RunPrograms | None = None) -> Path:
    """Write `report.html` beside the records it is made of; returns its path.

    Args:
        folder: Of a finished run; manifest.json, metrics.json, samples.jsonl and outcomes.jsonl are read,
            and prompts.jsonl where there is one.
        benchmark: What was graded: adds statements, difficulties and known bad problems to the programs.
        programs: Of the run, if they have been read already.

    Raises:
        InputError: If the run is not finished, a file is damaged, or the page cannot be written.
    """
    run = read_run(folder)
    shown = browser_data([run], benchmark) if programs is None else browser_json([run.name], [programs])
    text = render(_page(run, shown)).encode(errors="backslashreplace")
    path = folder / "report.html"
    replace_file(path, lambda stream: stream.write(text))
    return path


def _page(run: Run, programs: str | None) -> Page:
    command = run.manifest.get("command")
    return Page(
        title=title(run),
        introduction=[*warnings(run.metrics), about_run(run.metrics)],
        cards=cards(run),
        runs=[run],
        profile=run.profiles[0],
        tables=run_tables(run),
        browser=programs,
        commands=[command] if command else [],
        commands_title="The command",
    )


def title(run: Run) -> str:
    """What was graded on what."""
    about = run.metrics["benchmark"]
    return f"{run.manifest['programs']} on {about['name']} ({about['split']})"


def run_tables(run: Run) -> list[Table]:
    """The tables of a run's page: scores with what to know about them, outcomes, and how they were made."""
    first, *rest = all_tables(run.metrics, run.manifest.get("measured", {}))
    sampled = [table for table in (sampling(run.manifest),) if table.rows]
    return [replace(first, notes=remarks(run.metrics)), *rest, *sampled, provenance(run.manifest)]


def cards(run: Run) -> list[Card]:
    """The numbers at the top of a run's page."""
    *pass_at_ks, tests_passed = (column for column in score_columns([run.metrics]) if column.by_difficulty)
    found = [_score(run, column) for column in (*pass_at_ks[:_CARDS], tests_passed)]
    extra = [
        Card(name, f"{100 * count / of:.1f} %", [f"{count:,} of {of:,}"])
        for name, count, of in shares(run.metrics)
        if name in _SHARES
    ]
    return [card for card in found if card is not None] + extra


def _score(run: Run, column: Column) -> Card | None:
    scores: dict[str, Any] = {
        profile: column.value(group) for profile in run.profiles if (group := group_of(run, profile, ALL))
    }
    first, *others = scores.items()
    if first[1] is None:
        return None
    value, low, high = (f"{100 * first[1][part]:.2f}" for part in ("value", "low", "high"))
    others_differ = [
        f"{profile} {100 * score['value']:.2f} %" for profile, score in others if score and score != first[1]
    ]
    return Card(column.title, f"{value} %", [f"{low} to {high}", *others_differ])
