"""A table as plain text cells, which every format renders: console, Markdown, HTML and LaTeX.

Does not cover: escaping, which is the formats' (`harness.report.formats`, `harness.report.markdown`), and
numbers for programs (`harness.report.sections.data_rows`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Align = Literal["left", "right", "long"]
"""Words stand to the left, numbers to the right; `long` are words that may take several lines."""

ABSENT = "-"
"""A cell without a value."""


@dataclass(frozen=True)
class Table:
    """A titled table with what to know about it."""

    title: str
    header: Sequence[str]
    align: Sequence[Align]
    """One for each column."""
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    """A sentence each."""


def table_of(
    title: str,
    rows: Sequence[Mapping[str, str]],
    columns: Sequence[str] | None = None,
    *,
    text: Collection[str] = (),
    long: Collection[str] = (),
    notes: Sequence[str] = (),
) -> Table:
    """A table from rows by column title; absent cells get a dash.

    Args:
        title: Of the table.
        rows: By column title.
        columns: Which ones, in order; `None` takes all, in the order in which they first appear.
        text: Columns of words.
        long: Columns of words that may take several lines.
        notes: A sentence each.
    """
    header = list(dict.fromkeys(name for row in rows for name in row)) if columns is None else columns
    align: list[Align] = ["long" if n in long else "left" if n in text else "right" for n in header]
    return Table(title, header, align, [[row.get(name, ABSENT) for name in header] for row in rows], notes)
