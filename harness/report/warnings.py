"""Runs whose score says little of the model, since most of its programs cannot be answers: counted, and said.

Covers: programs that do not define what their tests call, are empty, or come from answers that were cut at
the length limit. Most of a run is more than half. Text is looked at, nothing is parsed: a definition that
would not compile counts as one, and what is wrong with it is its verdict. Does not cover: why; answers tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from harness.extraction.wanted import Wanted
from harness.types import Benchmark

_ADVICE = {
    "lacking": "whether the prompt is right (a chat model wants --format chat, a base model does not)",
    "empty": "what the model wrote instead (stop strings, --stop, end an answer)",
    "cut": "whether --max-new-tokens is enough",
}


def count_unusable(lines: Iterable[bytes], benchmark: Benchmark) -> dict[str, int]:
    """What the lines of samples.jsonl add up to, for metrics.json.

    Returns:
        `lacking`: programs that define nothing of what their tests call; `empty`; `cut`: at the length limit,
        where that is recorded; `unusable`: any of these; `of`: programs.
    """
    problems = benchmark.by_id()
    wanted: dict[str, Wanted] = {}
    counts = dict.fromkeys(("lacking", "empty", "cut", "unusable", "of"), 0)
    for line in lines:
        row = json.loads(line)
        task, code = row["task_id"], row["code"]
        if task not in wanted:
            wanted[task] = Wanted.of(problems[task])
        empty = not code.strip()
        faults = {
            "lacking": not empty and bool(wanted[task].names) and not wanted[task].begun_in(code),
            "empty": empty,
            "cut": row.get("finish") == "length",
        }
        for name, there in faults.items():
            counts[name] += there
        counts["unusable"] += any(faults.values())
        counts["of"] += 1
    return counts


def warnings(metrics: Mapping[str, Any]) -> list[str]:
    """What a reader must know before any number of the run; nothing for most runs."""
    counts = metrics.get("programs", {})
    if not counts or 2 * counts["unusable"] <= counts["of"]:
        return []
    said = {
        "lacking": "define nothing that the tests call",
        "empty": "are empty",
        "cut": "were cut at the length limit",
    }
    found = [name for name in said if counts[name]]
    parts = ", ".join(f"{counts[name]:,} {said[name]}" for name in found)
    advice = "; ".join(_ADVICE[name] for name in found if 4 * counts[name] > counts["of"])
    look = f" Look into samples.jsonl{f', and see {advice}' if advice else ''}."
    return [
        f"MOST PROGRAMS ARE NO ANSWERS, so that the score says little: of {counts['of']:,}, {parts}.{look}"
    ]
