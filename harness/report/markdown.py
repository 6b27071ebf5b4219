"""`report.md`: the tables of one run, remarks on its numbers, and how to reproduce them.

Covers: escaping for Markdown, which `rltf report` uses too. Does not cover: the tables' content
(`harness.report.tables`).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.metrics.summary import is_unscorable
from harness.report.table import Table
from harness.report.tables import about_run, all_tables, provenance, remarks, sampling
from harness.report.warnings import warnings
from harness.run_store.manifest import Manifest
from harness.run_store.metrics_file import Metrics
from harness.text import one_line, shown
from harness.types import Benchmark, Outcome

_SLOWEST = 10
_SLOW_SECONDS = 1.0
"""Programs that took less are not worth a line."""


def markdown(metrics: Metrics, manifest: Manifest, notable: Notable) -> str:
    """The text of `report.md`.

    Args:
        metrics: Content of `metrics.json`.
        manifest: Content of `manifest.json`.
        notable: All outcomes of the run have been added.
    """
    parts = [
        _heading(metrics, manifest),
        *(f"**{warning}**\n" for warning in warnings(metrics)),
        *map(table_text, all_tables(metrics, manifest.get("measured", {}))),
        _list("Beside the numbers", remarks(metrics)),
    ]
    parts += [table_text(table) for table in notable.tables() if table.rows]
    parts += [table_text(table) for table in (sampling(manifest),) if table.rows]
    parts += [_provenance(manifest)]
    return "\n".join(part for part in parts if part)


def _heading(metrics: Metrics, manifest: Manifest) -> str:
    benchmark = metrics["benchmark"]
    title = cell(f"{manifest['programs']} on {benchmark['name']} ({benchmark['split']})")
    return f"# {title}\n\n{about_run(metrics)}\n"


@dataclass
class Notable:
    """Outcomes that a reader may want to look at: slow programs, and failures that the errata may explain."""

    benchmark: Benchmark
    profiles: Sequence[str]
    slow: list[tuple[float, str, str, str]] = field(default_factory=list)
    suspect: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Look at one outcome."""
        if outcome.infrastructure_error is not None or is_unscorable(outcome):
            return
        if outcome.cpu_seconds >= _SLOW_SECONDS:
            verdict = ", ".join(dict.fromkeys(outcome.verdicts.values()))
            item = (outcome.cpu_seconds, outcome.task_id, str(outcome.sample_id), verdict)
            (heapq.heappush if len(self.slow) < _SLOWEST else heapq.heappushpop)(self.slow, item)
        if outcome.task_id in self.benchmark.errata and not outcome.passed(self.profiles[0]):
            self.suspect[outcome.task_id] = self.suspect.get(outcome.task_id, 0) + 1

    def tables(self) -> list[Table]:
        """Both tables; without rows where there is nothing."""
        errata = self.benchmark.errata
        slow = [
            [task, sample, f"{cpu:.1f}", verdict] for cpu, task, sample, verdict in sorted(self.slow)[::-1]
        ]
        suspect = [[task, f"{count:,}", errata[task]] for task, count in self.suspect.items()]
        causes, costs = (
            ["problem", "programs", "known cause"],
            ["problem", "sample", "CPU seconds", "verdict"],
        )
        return [
            Table(
                "Problems listed in the errata that programs failed",
                causes,
                ["left", "right", "long"],
                suspect,
            ),
            Table("Slowest programs", costs, ["left", "left", "right", "left"], slow),
        ]


def _provenance(manifest: Manifest) -> str:
    command = f"```sh\n{fenced(manifest['command'])}\n```\n" if manifest["command"] else ""
    return table_text(provenance(manifest)) + "\n" + command


def table_text(table: Table) -> str:
    """A table under its title, every cell escaped."""
    header = "| " + " | ".join(map(cell, table.header)) + " |\n"
    ruler = "|" + "".join("---:|" if align == "right" else "---|" for align in table.align) + "\n"
    rows = "".join("| " + " | ".join(map(cell, row)) + " |\n" for row in table.rows)
    return f"## {cell(table.title)}\n\n{header}{ruler}{rows}"


def _list(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "".join(f"- {one_line(line)}\n" for line in lines) if lines else ""


def cell(text: str) -> str:
    """Text that stays in its cell and is no markup, whatever a program's exception is called."""
    text = one_line(text)
    for mark in ("\\", "|", "`", "](", "*"):
        text = text.replace(mark, f"\\{mark}")
    return text.replace("&", "&amp;").replace("<", "&lt;")


def fenced(text: str) -> str:
    """Text that stays in its fence."""
    return shown(text).replace("```", "'''")
