"""HumanEval (Chen et al. 2021, arXiv:2107.03374): 164 Python functions to complete, each with a check.

Covers: reading rows from a file or the hub, tests taken out of each row's `check(candidate)`, errata.
Does not cover: HumanEval+ (`benchmarks.evalplus`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.humaneval.check_body import NoCheck, take_apart
from benchmarks.humaneval.checker import CHECKER
from benchmarks.humaneval.prompts import PROMPTS
from harness.datasource import DataHash, load_hub, locate, read_errata, read_jsonl, require
from harness.errors import DatasetError, InputError
from harness.types import Benchmark, Problem, TestKind, TestSuite, ValueTest

VERSION = "2"
"""Raised whenever prompt, extraction or comparison changes scores; README.md logs why."""
HUB_NAME = "openai/openai_humaneval"
FILE_NAMES = ("HumanEval.jsonl.gz", "HumanEval.jsonl")
COLUMNS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
"""Required of every row, in the order in which they are hashed."""

_TASK = re.compile(r"HumanEval/([0-9]{1,6})")


@dataclass(frozen=True, eq=False, slots=True)
class _Packed:
    """What one task holds in memory beside its prompt."""

    suite: TestSuite
    solution: str

    def load_suite(self) -> TestSuite:
        return self.suite

    def load_solutions(self) -> Sequence[str]:
        return (self.solution,)


def load(*, split: str = "test", data_dir: str | Path | None = None) -> Benchmark:
    """HumanEval, tasks in id order.

    Args:
        split: `test`, the only one.
        data_dir: folder with `humaneval/` in it, or that folder itself; else `$RLTF_DATA`, else the hub.

    Raises:
        InputError: If there is no such split.
        DatasetError: If the data is not found or malformed.
    """
    if split != "test":
        raise InputError(f"humaneval has no split {split!r}; available: test")
    source, rows = _rows(data_dir)
    data_hash = DataHash()
    problems: dict[int, Problem] = {}
    for place, row in rows:
        fields = {key: str(require(row, key, str, place)) for key in COLUMNS}
        number = _number(fields["task_id"], place)
        if number in problems:
            raise DatasetError(f"{place}: task_id {fields['task_id']} occurs twice; get the file again")
        problems[number] = _problem(number, fields, place)
        data_hash.add(number, map(json.dumps, fields.values()))
    if not problems:
        raise DatasetError(f"{source}: no rows; get the file again")
    ordered = [problems[number] for number in sorted(problems)]
    return Benchmark(
        name="humaneval",
        split=split,
        version=VERSION,
        problems=ordered,
        dataset_hash=data_hash.hexdigest(),
        source=source,
        errata=read_errata(__name__, "humaneval/"),
        prompts=PROMPTS,
        notes=_notes(ordered),
    )


def _rows(data_dir: str | Path | None) -> tuple[str, Iterable[tuple[str, dict[str, Any]]]]:
    path = locate("humaneval", FILE_NAMES, data_dir)
    if path is not None:
        return str(path), read_jsonl(path)
    rows = load_hub("humaneval", HUB_NAME, split="test")
    return HUB_NAME, ((f"{HUB_NAME} row {number}", row) for number, row in enumerate(rows))


def _number(task_id: str, place: str) -> int:
    found = _TASK.fullmatch(task_id)
    if found is None:
        raise DatasetError(f"{place}: task_id {task_id!r} is none of HumanEval's; get the file again")
    return int(found[1])


def _problem(number: int, fields: dict[str, str], place: str) -> Problem:
    prompt, entry_point = fields["prompt"], fields["entry_point"]
    if not entry_point.isidentifier():
        raise DatasetError(f"{place}: entry_point {entry_point!r} is no name; get the file again")
    try:
        taken = take_apart(fields["test"], entry_point, prompt)
    except NoCheck as error:
        raise DatasetError(f"{place}: {error}; get the file again") from error
    checked = any(isinstance(test, ValueTest) for test in taken.tests)
    suite = TestSuite.pack(
        TestKind.ASSERTS,
        taken.tests,
        entry_point=entry_point,
        preamble=taken.preamble,
        setup=taken.setup,
        checker=CHECKER if checked else None,
    )
    packed = _Packed(suite, prompt + fields["canonical_solution"])
    return Problem(
        task_id=f"humaneval/{number}",
        question=prompt,
        code_prompt=prompt,
        load_suite=packed.load_suite,
        load_solutions=packed.load_solutions,
    )


def _notes(problems: Sequence[Problem]) -> tuple[str, ...]:
    """How many tests a hostile program could see through."""
    tests = [test for problem in problems for test in problem.suite.tests()]
    inside = sum(isinstance(test, ValueTest) and test.ran_inside for test in tests)
    if not inside:
        return ()
    they, it = ("works out what it expects", "it") if inside == 1 else ("work out what they expect", "these")
    return (
        f"Of the benchmark's {len(tests):,} tests, {inside} {they} in the program's own process (ran_inside"
        f" in outcomes.jsonl): a program that means to could pass {it} unsolved.",
    )
