"""What a run's samples say of the completions they came from: how many extraction changed, how they ended.

Covers: the optional fields `changed`, `finish` and `tokens` of samples.jsonl. A share is of the samples that
record the field; that number stands beside it.
Does not cover: programs made elsewhere, which record none of these fields and get no counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any


class CompletionCounts:
    """Rows of samples.jsonl added up, one at a time."""

    def __init__(self) -> None:
        self._changed: Counter[bool] = Counter()
        self._finish: Counter[str] = Counter()
        self._total = self._most = self._of = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row."""
        if isinstance(row.get("changed"), bool):
            self._changed[row["changed"]] += 1
        if isinstance(row.get("finish"), str):
            self._finish[row["finish"]] += 1
        if isinstance(row.get("tokens"), int):
            self._total += row["tokens"]
            self._most = max(self._most, row["tokens"])
            self._of += 1

    def metrics(self) -> dict[str, Any]:
        """What they add up to, for metrics.json; empty where no row records anything.

        Returns:
            `changed` `{count, of}`: programs that are not the completion as the model gave it; `finish`
            `{counts, of}`: completions by how they ended (`stop`, `length`, …); `tokens` `{total, most, of}`.
        """
        found: dict[str, dict[str, Any]] = {
            "changed": {"count": self._changed[True], "of": self._changed.total()},
            "finish": {"counts": dict(sorted(self._finish.items())), "of": self._finish.total()},
            "tokens": {"total": self._total, "most": self._most, "of": self._of},
        }
        return {name: values for name, values in found.items() if values["of"]}
