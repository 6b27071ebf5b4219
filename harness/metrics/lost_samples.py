"""The samples of a run that its server did not give, and what they mean for its numbers.

They are in `lost.jsonl`, which exists only while samples are lost, and in no other file, so that nothing
grades them. The same command asks for them again; once all are there the folder is as if nothing had
happened. Does not cover: losing them (`harness.models.api.client`), writing the file
(`harness.run_store.sample_files`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.metrics.summary import Summary
from harness.models.unanswered import Loss


def count_lost(folder: Path, summary: Summary, ks: Sequence[int], seed: int) -> dict[str, Any]:
    """What `metrics.json` says of the lost samples of a run; nothing if there is none.

    Args:
        folder: Of the run, finished.
        summary: Of its outcomes.
        ks: Budgets for pass@k.
        seed: Of the bootstrap.
    """
    rows = _rows(folder)
    if not rows:
        return {}
    counts = Counter(row["loss"] for row in rows)
    filtered = Counter(row["task_id"] for row in rows if row["loss"] == Loss.FILTERED)
    found: dict[str, Any] = {str(loss): counts[loss] for loss in Loss}
    found["problems_without_answer"] = summary.without_outcome({row["task_id"] for row in rows})
    if filtered:
        found["filtered_as_failed"] = summary.with_failures(filtered, ks, seed=seed)
    return {"lost_samples": found}


def tasks_lost(folder: Path) -> set[str]:
    """Problems of which a run has lost at least one sample."""
    return {row["task_id"] for row in _rows(folder)}


def _rows(folder: Path) -> list[dict[str, Any]]:
    path = folder / "lost.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def is_incomplete(metrics: Mapping[str, Any]) -> bool:
    """Whether answers are missing that the same command may still get; a filter has decided."""
    lost = metrics.get("lost_samples", {})
    return bool(lost.get("server") or lost.get("too_long"))
