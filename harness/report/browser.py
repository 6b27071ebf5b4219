"""What the page's browser of programs shows: which problems, within a budget, as JSON.

Covers: several runs beside each other. Where the budget is short, whole problems are left out by the hash of
their ids: which ones stay hangs as little as can be on the run, so that the pages of two runs of a benchmark
show nearly the same problems; the page says how many there are.
Does not cover: what is said of a program (`harness.report.programs`), drawing (`assets/browser.js`).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from harness.report.programs import LETTERS, cut, programs
from harness.run_store.finished_run import Run
from harness.text import printable_values
from harness.types import Benchmark

BUDGET = 16 * 2**20
"""Characters of JSON, all runs together: 5,000 programs for all of APPS with their statements take 13 MiB."""


def browser_data(runs: Sequence[Run], benchmark: Benchmark | None = None, budget: int = BUDGET) -> str | None:
    """The JSON text of the browser, safe inside a `<script>` element; `None` without any program.

    Args:
        runs: Finished; their problems are shown side by side.
        benchmark: Whose statements, difficulties and errata are added: a run folder does not hold them.
        budget: Characters, roughly. The first problem is shown even if it is longer.

    Raises:
        InputError: If a file of a run is lost or damaged.
    """
    facts = _facts(benchmark)
    chosen = [_choose(run, facts, budget // len(runs)) for run in runs]
    tasks = list(dict.fromkeys(task for each in chosen for task in each.entries))
    limit = min((each.limit for each in chosen if each.limit is not None), default=None)
    shown = [task for task in tasks if limit is None or _rank(task) < limit]
    if not tasks:
        return None
    content = {
        "statuses": {letter: status.replace("_", " ") for status, letter in LETTERS.items()},
        "profiles": runs[0].profiles,
        "runs": [run.name for run in runs],
        "problems": [
            _problem(task, facts.get(task, {}), [each.entries.get(task) for each in chosen])
            for task in shown or [min(tasks, key=_rank)]
        ],
        "of": len(set().union(*(each.tasks for each in chosen))),
    }
    # No "<" can end the element or begin another, whatever a program holds.
    return _json(content).replace("<", "\\u003c")


def _facts(benchmark: Benchmark | None) -> Mapping[str, dict[str, Any]]:
    if benchmark is None:
        return {}
    return {
        problem.task_id: {
            "level": problem.difficulty,
            "statement": cut(problem.question),
            "erratum": benchmark.errata.get(problem.task_id),
        }
        for problem in benchmark.problems
    }


@dataclass
class _Chosen:
    """The problems of one run that fit the budget: the longest front part of their order by hash."""

    budget: int
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By task id, in the run's order."""
    tasks: set[str] = field(default_factory=set)
    """Every problem of the run."""
    limit: str | None = None
    """Hash of the first problem that did not fit."""
    _size: int = 0
    _heap: list[tuple[int, str, int]] = field(default_factory=list)
    """Hash negated, task id, size: the problem to leave out next is on top."""

    def wants(self, task_id: str) -> bool:
        """Whether the problem may still be in."""
        return self.limit is None or _rank(task_id) < self.limit

    def add(self, task_id: str, entry: dict[str, Any], size: int) -> None:
        """Put a problem in, and others out where it does not fit."""
        self.entries[task_id] = entry
        self._size += size
        heapq.heappush(self._heap, (-int(_rank(task_id), 16), task_id, size))
        while self._size > self.budget and len(self._heap) > 1:
            _, out, freed = heapq.heappop(self._heap)
            self._size -= freed
            self.limit = _rank(out)
            del self.entries[out]


def _choose(run: Run, facts: Mapping[str, dict[str, Any]], budget: int) -> _Chosen:
    chosen = _Chosen(budget)
    for task_id, entry in programs(run, chosen.wants):
        chosen.tasks.add(task_id)
        if entry is not None:
            chosen.add(task_id, entry, len(_json(_problem(task_id, facts.get(task_id, {}), [entry]))))
    return chosen


def _problem(
    task_id: str, facts: Mapping[str, Any], entries: Sequence[Mapping[str, Any] | None]
) -> dict[str, Any]:
    """A problem with its programs; a prompt that was not shortened holds the statement already."""
    whole = any(entry and "prompt" in entry and not entry["shortened"] for entry in entries)
    said = {name: value for name, value in facts.items() if not (whole and name == "statement")}
    return {"id": task_id, **said, "runs": list(entries)}


def _rank(task_id: str) -> str:
    return sha256(task_id.encode(errors="surrogatepass")).hexdigest()


def _json(value: object) -> str:
    return json.dumps(printable_values(value), separators=(",", ":"))
