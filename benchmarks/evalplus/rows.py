"""EvalPlus' files as it publishes them: one task a line, by version."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.evalplus.cases import Task
from benchmarks.evalplus.inputs import typed_inputs
from harness.datasource import locate, read_jsonl, require
from harness.errors import DatasetError

COLUMNS = ("task_id", "prompt", "entry_point", "canonical_solution")
"""Required of every row as text, in the order in which they are hashed; the inputs and `atol` follow."""


@dataclass(frozen=True, slots=True)
class Source:
    """One of the two data sets."""

    benchmark: str
    folder: str
    """Where its files lie, among other benchmarks' folders."""
    file: str
    """Its files' name up to the version."""
    task: re.Pattern[str]
    """EvalPlus' task ids; the group is the number."""
    versions: tuple[str, ...]
    typed: Callable[[int, list[Any]], list[Any]]
    """From a task's number and the inputs as JSON has them to what they are meant to be."""
    oracles: str
    """Which of the two sets of special rules (`cases.py`) applies."""
    dropped: tuple[int, ...] = ()
    """Numbers of the oldest version's tasks that the newest lacks."""

    def foreign_ids(self, version: str) -> dict[str, str]:
        """For `Benchmark.foreign_ids`: spellings of the tasks that `version` lacks, and where they are."""
        newest, *_, oldest = self.versions
        if version != newest or not self.dropped:
            return {}
        numbers = "|".join(map(str, self.dropped))
        return {
            rf"(?:.*[/_])?0*(?:{numbers})": f"EvalPlus dropped {len(self.dropped)} tasks of {oldest} from"
            f" {newest}: programs for {oldest} are graded with --split {oldest}."
        }


HUMANEVAL = Source(
    benchmark="humaneval-plus",
    folder="humaneval",
    file="HumanEvalPlus",
    task=re.compile("HumanEval/([0-9]{1,6})"),
    versions=("v0.1.10", "v0.1.9"),
    typed=lambda number, inputs: inputs,
    oracles="humaneval",
)
_DROPPED = (
    83, 115, 117, 143, 164, 229, 249, 295, 396, 400, 407, 431, 438, 442, 461, 574, 582, 595, 640, 746, 783,
)  # fmt: skip
"""The difference of the two files' ids."""
MBPP = Source(
    benchmark="mbpp-plus",
    folder="mbpp",
    file="MbppPlus",
    task=re.compile("Mbpp/([0-9]{1,6})"),
    versions=("v0.2.0", "v0.1.0"),
    typed=typed_inputs,
    oracles="mbpp",
    dropped=_DROPPED,
)


def read_tasks(source: Source, version: str, data_dir: str | Path | None) -> tuple[Path, dict[int, Task]]:
    """The file, and its tasks by number.

    Raises:
        DatasetError: If there is no file, or a row is malformed, with its line.
    """
    names = (f"{source.file}-{version}.jsonl.gz", f"{source.file}-{version}.jsonl")
    path = locate(source.folder, names, data_dir, hub=False)
    if path is None:
        raise DatasetError(
            f"{source.benchmark} {version} not found: put {names[0]}, from EvalPlus' release {version} of"
            f" {source.file.lower()}_release, into $RLTF_DATA/{source.folder}/"
        )
    tasks: dict[int, Task] = {}
    for place, row in read_jsonl(path):
        number, task = _task(source, row, place)
        if number in tasks:
            raise DatasetError(f"{place}: task_id {row['task_id']} occurs twice; get the file again")
        tasks[number] = task
    if not tasks:
        raise DatasetError(f"{path}: no rows; get the file again")
    return path, tasks


def _task(source: Source, row: dict[str, Any], place: str) -> tuple[int, Task]:
    text = {key: str(require(row, key, str, place)) for key in COLUMNS}
    found = source.task.fullmatch(text["task_id"])
    if found is None:
        raise DatasetError(f"{place}: task_id {text['task_id']!r:.60} is none of {source.benchmark}'s")
    number, entry_point = int(found[1]), text["entry_point"]
    if not entry_point.isidentifier():
        raise DatasetError(f"{place}: entry_point {entry_point!r:.60} is no name; get the file again")
    base, plus = (_inputs(source, number, row, key, place) for key in ("base_input", "plus_input"))
    tolerance = float(require(row, "atol", (int, float), place))
    fields = (*text.values(), row["base_input"], row["plus_input"], row["atol"])
    task = Task(
        task_id=f"{source.benchmark}/{number}",
        prompt=text["prompt"],
        entry_point=entry_point,
        solution=text["prompt"] + text["canonical_solution"],
        base=base,
        plus=plus,
        tolerance=tolerance,
        oracles=source.oracles,
        fields=tuple(json.dumps(each) for each in fields),
    )
    return number, task


def _inputs(source: Source, number: int, row: dict[str, Any], key: str, place: str) -> list[Any]:
    """Argument lists; Mbpp/793 has an empty object in the place of an empty list."""
    inputs = require(row, key, (list, dict), place)
    if (isinstance(inputs, dict) and inputs) or not all(isinstance(each, list) for each in inputs):
        raise DatasetError(f"{place}: {key} must be a list of argument lists; get the file again")
    try:
        return source.typed(number, list(inputs))
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise DatasetError(
            f"{place}: {key} is not as this task's must be ({error}); get the file again"
        ) from error
