"""The tables of one run on the console.

Imports `rich`, so commands import this module when there is something to show.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from harness.report.columns import Measured
from harness.report.table import Table
from harness.report.tables import NOTHING, all_tables, remarks
from harness.report.warnings import warnings
from harness.run_store.metrics_file import Metrics
from harness.text import one_line

_PLAIN_WIDTH = 160
"""Columns where the output is no terminal: wide enough that a log never breaks a number."""


def show(metrics: Metrics, report: Path, stream: IO[str], measured: Measured = NOTHING) -> None:
    """Write the tables and remarks of a run to `stream`, and where its reports lie.

    Args:
        metrics: Content of `metrics.json`.
        report: Path of `report.md`.
        stream: A terminal, or a file.
        measured: `measured` of `manifest.json`.
    """
    console = Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH, highlight=False)
    benchmark = metrics["benchmark"]
    console.print(
        Text(
            "\n" + one_line(f"{benchmark['name']} {benchmark['split']}, version {benchmark['version']}"),
            style="bold",
        )
    )
    for warning in warnings(metrics):
        console.print(Text(warning, style="bold red"))
    for table in all_tables(metrics, measured):
        console.print(_rich(table))
    for remark in remarks(metrics):
        console.print(
            Text(
                one_line(remark), style="bold red" if remark.split(" ", 1)[-1].startswith("PROGRAMS") else ""
            )
        )
    console.print(
        Text(one_line(f"Report: {report}; {report.with_suffix('.html').name} shows every program")),
        soft_wrap=True,
    )


def _rich(table: Table) -> RichTable:
    rich = RichTable(title=Text(one_line(table.title)), title_justify="left", title_style="")
    for name, align in zip(table.header, table.align, strict=True):
        rich.add_column(Text(one_line(name)), justify="right" if align == "right" else "left")
    for row in table.rows:
        rich.add_row(*(Text(one_line(cell)) for cell in row))
    return rich
