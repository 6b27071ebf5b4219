"""What the page's browser of programs shows: which problems, within a budget, as JSON.

Covers: several runs, side by side. Where the budget is short, whole problems are left out by the hash of
their ids: the selection depends as little as possible on the run, so that the pages of two runs of a
benchmark show nearly the same problems; the page says how many there are. Does not cover: what the page holds
of a program (`harness.report.programs`), drawing (`assets/browser.js`).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.report.programs import LETTERS, ProblemEntries, cut
from harness.run_store.finished_run import Run
from harness.run_store.rows import graded_samples
from harness.text import printable_values
from harness.types import Benchmark, Outcome

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
    chosen = [RunPrograms(run.path, run.profiles, benchmark, budget // len(runs)) for run in runs]
    for run, programs in zip(runs, chosen, strict=True):
        for row, outcome in graded_samples(run.path):
            programs.add(row, outcome)
    return browser_json([run.name for run in runs], chosen)


def browser_json(names: Sequence[str], runs: Sequence[RunPrograms]) -> str | None:
    """As `browser_data`, from programs that have been read already.

    Args:
        names: Of the runs.
        runs: Their programs; all have been added.
    """
    for each in runs:
        each.close()
    tasks = list(dict.fromkeys(task for each in runs for task in each.entries))
    limit = min((each.limit for each in runs if each.limit is not None), default=None)
    shown = [task for task in tasks if limit is None or _rank(task) < limit]
    if not tasks:
        return None
    facts = runs[0].facts
    content = {
        "statuses": {letter: status.replace("_", " ") for status, letter in LETTERS.items()},
        "profiles": runs[0].profiles,
        "runs": list(names),
        "problems": [
            _problem(task, facts.get(task, {}), [each.entries.get(task) for each in runs])
            for task in shown or [min(tasks, key=_rank)]
        ],
        "of": len(set().union(*(each.tasks for each in runs))),
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


class RunPrograms:
    """The problems of one run that fit the budget: the longest front part of their order by hash."""

    def __init__(
        self, folder: Path, profiles: Sequence[str], benchmark: Benchmark | None, budget: int = BUDGET
    ) -> None:
        self.profiles = list(profiles)
        self.facts = _facts(benchmark)
        self.entries: dict[str, dict[str, Any]] = {}
        """By task id, in the run's order."""
        self.tasks: set[str] = set()
        """Every problem of the run."""
        self.limit: str | None = None
        """Hash of the first problem that did not fit."""
        self._budget, self._size = budget, 0
        self._heap: list[tuple[int, str, int]] = []
        """Hash negated, task id, size: the problem to leave out next is on top."""
        self._problems = ProblemEntries(folder, self.profiles, self._wants, self._found)

    def add(self, row: Mapping[str, Any], outcome: Callable[[], Outcome]) -> None:
        """Take the next sample of the run; `outcome` is called only if the page may show it."""
        self._problems.add(row, outcome)

    def close(self) -> None:
        """All samples have been added."""
        self._problems.close()

    def _wants(self, task_id: str) -> bool:
        return self.limit is None or _rank(task_id) < self.limit

    def _found(self, task_id: str, entry: dict[str, Any] | None) -> None:
        """Put a problem in, and others out where it does not fit."""
        self.tasks.add(task_id)
        if entry is None:
            return
        size = len(_json(_problem(task_id, self.facts.get(task_id, {}), [entry])))
        self.entries[task_id] = entry
        self._size += size
        heapq.heappush(self._heap, (-int(_rank(task_id), 16), task_id, size))
        while self._size > self._budget and len(self._heap) > 1:
            _, out, freed = heapq.heappop(self._heap)
            self._size -= freed
            self.limit = _rank(out)
            del self.entries[out]


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
