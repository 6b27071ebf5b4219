"""Programs that cannot be solutions, counted from their text.

Covers: programs that do not define what their tests call, are empty, or come from completions that were cut
at the length limit. Text is looked at, nothing is parsed: a definition that would not compile counts as one,
and what is wrong with it is its verdict. Does not cover: what a report says of it
(`harness.report.warnings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.extraction.wanted import Wanted
from harness.types import Benchmark


class UnusableCounts:
    """Rows of samples.jsonl added up, one at a time."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._problems = benchmark.by_id()
        self._wanted: dict[str, Wanted] = {}
        self._counts = dict.fromkeys(("lacking", "empty", "cut", "unusable", "of"), 0)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row."""
        task, code = row["task_id"], row["code"]
        if task not in self._wanted:
            self._wanted[task] = Wanted.of(self._problems[task])
        wanted, empty = self._wanted[task], not code.strip()
        faults = {
            "lacking": not empty and bool(wanted.names) and not wanted.begun_in(code),
            "empty": empty,
            "cut": row.get("finish") == "length",
        }
        for name, there in faults.items():
            self._counts[name] += there
        self._counts["unusable"] += any(faults.values())
        self._counts["of"] += 1

    def metrics(self) -> dict[str, int]:
        """What they add up to, for metrics.json.

        Returns:
            `lacking`: programs that define nothing of what their tests call; `empty`; `cut`: at the length
            limit, where that is recorded; `unusable`: any of these; `of`: programs.
        """
        return dict(self._counts)
