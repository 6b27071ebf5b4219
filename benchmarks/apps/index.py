"""Which problems a file of rows has, and where: so that a few of them are read, and not all five thousand.

What all rows add up to, the data set's hash, can't be had from a few. So the whole file is read once, and
what was found is kept by the file's content (`harness.datasource.Findings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.apps.rows import Row, checked
from harness.datasource import DataHash, Findings, read_jsonl
from harness.errors import DatasetError

_KIND = "apps-1"
"""Raised whenever other columns are hashed, or in another way."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as it can be chosen; a `harness.types.Listed`."""

    task_id: str
    difficulty: str | None
    position: int
    """Among the rows of the file, from 0."""


@dataclass(frozen=True, slots=True)
class RowIndex:
    """The rows of a file, without what is in them."""

    file: Path
    data_hash: str
    entries: list[Entry]
    """In id order."""

    def read(self, task_ids: Set[str]) -> Iterator[Row]:
        """The rows of these problems, in the file's order; no other is parsed.

        Raises:
            DatasetError: If the file is not what it was any more.
        """
        wanted = {each.position: each.task_id for each in self.entries if each.task_id in task_ids}
        rows = checked(read_jsonl(self.file, wanted.keys()), DataHash())
        for position, row in zip(sorted(wanted), rows, strict=False):
            if not wanted[position].endswith(f"/{row.number}"):
                raise DatasetError(f"{row.place}: changed while it was read; run the command again")
            yield row


def index_of(file: Path, split: str) -> RowIndex:
    """The index of a file, which is read as a whole only where it was not before.

    Raises:
        DatasetError: If the file can't be read, or a row is malformed.
    """
    findings = Findings(file, _KIND)
    found = _known(findings.get())
    if found is None:
        found = _read(file)
        findings.keep(found)
    entries = [
        Entry(f"apps/{split}/{number}", difficulty or None, position)
        for number, position, difficulty in sorted(found["rows"])
    ]
    return RowIndex(file, found["data_hash"], entries)


def _read(file: Path) -> dict[str, Any]:
    data_hash = DataHash()
    rows = [
        [row.number, position, row.fields["difficulty"]]
        for position, row in enumerate(checked(read_jsonl(file), data_hash))
    ]
    if not rows:
        raise DatasetError(f"{file}: no rows; get the data again")
    return {"data_hash": data_hash.hexdigest(), "rows": rows}


def _known(kept: Any) -> dict[str, Any] | None:
    """What an earlier run kept; `None` if that is damaged."""
    try:
        rows = [(int(number), int(position), str(level)) for number, position, level in kept["rows"]]
        return {"data_hash": str(kept["data_hash"]), "rows": rows} if rows else None
    except (KeyError, TypeError, ValueError):
        return None
