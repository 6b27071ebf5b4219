"""MBPP (Austin et al. 2021, arXiv:2108.07732): short Python functions, each with a few asserts.

Covers: the full data (974 tasks) and its sanitized part (427), splits by id, challenge tests, errata.
Does not cover: extraction of programs from answers; MBPP+ (`benchmarks.evalplus`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.mbpp.prompts import SHOTS, formats
from benchmarks.mbpp.rows import EVALPLUS_ID, FULL, SANITIZED, Source, read_rows
from harness.datasource import DataHash, read_errata, require
from harness.errors import DatasetError, InputError
from harness.types import AssertTest, Benchmark, Problem, TestKind, TestSuite

VERSION = "2"
"""Raised whenever prompt, extraction or comparison changes scores; README.md logs why."""

SPLITS = {
    "prompt": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
    "all": range(1, 975),
}
"""Task numbers of each split, as the paper divides them; the sanitized part has fewer in each."""

CPU_FACTORS = {123: 2.0}
"""By task number, times the limit on a test's CPU seconds: its own solution takes 3 to 4.5 s of the 4."""


def load(*, split: str = "test", data_dir: str | Path | None = None, challenge: bool = False) -> Benchmark:
    """The full MBPP, tasks in id order.

    Args:
        split: one of `SPLITS`.
        data_dir: folder with `mbpp/` in it, or that folder itself; else `$RLTF_DATA`, else the hub.
        challenge: add the challenge tests, which 11 tasks have, after the ordinary ones.

    Raises:
        InputError: If there is no such split.
        DatasetError: If the data is not found or malformed.
    """
    return _load(FULL, split, data_dir, challenge)


def load_sanitized(*, split: str = "test", data_dir: str | Path | None = None) -> Benchmark:
    """The part of MBPP that its authors verified and reworded by hand; arguments and errors as for `load`.

    Task ids are those of the full data (`mbpp/11`), though statements and tests may differ.
    """
    return _load(SANITIZED, split, data_dir, challenge=False)


@dataclass(frozen=True, eq=False, slots=True)
class _Packed:
    """What one task holds in memory beside its statement."""

    suite: TestSuite
    code: str

    def load_suite(self) -> TestSuite:
        return self.suite

    def load_solutions(self) -> Sequence[str]:
        return (self.code,)


def _load(source: Source, split: str, data_dir: str | Path | None, challenge: bool) -> Benchmark:
    if split not in SPLITS:
        raise InputError(f"{source.benchmark} has no split {split!r}; available: {', '.join(SPLITS)}")
    origin, rows = read_rows(source, data_dir)
    data_hash = DataHash()
    problems: dict[int, Problem] = {}
    shots: dict[int, Problem] = {}
    for place, row in rows:
        number = require(row, "task_id", int, place)
        if number in data_hash:
            raise DatasetError(f"{place}: task_id {number} occurs twice; get the file again")
        # Every row is checked, whatever the split: the hash is the whole file's.
        problem = _problem(source, number, row, place, challenge)
        data_hash.add(number, (json.dumps(row[key]) for key in source.columns))
        if number in SPLITS[split]:
            problems[number] = problem
        if number in SHOTS:
            shots[number] = problem
    if not problems:
        raise DatasetError(f"{origin}: no task of the {split} split in it; get the file again")
    return Benchmark(
        name=source.benchmark,
        split=split,
        version=VERSION,
        problems=[problems[number] for number in sorted(problems)],
        dataset_hash=data_hash.hexdigest(),
        source=origin,
        errata={
            task_id: cause
            for task_id, cause in read_errata(__name__, "mbpp/").items()
            if int(task_id.removeprefix("mbpp/")) in problems
        },
        prompts=formats(shots),
        foreign_ids={EVALPLUS_ID: source.evalplus},
    )


def _problem(source: Source, number: int, row: dict[str, Any], place: str, challenge: bool) -> Problem:
    for key in source.columns:
        require(row, key, (str, int, list), place)
    shown = [AssertTest(source) for source in _texts(row, "test_list", place)]
    more = _texts(row, "challenge_test_list", place) if challenge else []
    suite = TestSuite.pack(
        TestKind.ASSERTS,
        [*shown, *map(AssertTest, more)],
        setup=_setup(source, row, place),
        cpu_factor=CPU_FACTORS.get(number, 1.0),
    )
    packed = _Packed(suite, normalise_newlines(require(row, "code", str, place)))
    return Problem(
        task_id=f"mbpp/{number}",
        question=normalise_newlines(require(row, source.question, str, place)),
        load_suite=packed.load_suite,
        load_solutions=packed.load_solutions,
        public_tests=shown,
    )


def _setup(source: Source, row: dict[str, Any], place: str) -> str:
    """What runs after the program and before its tests.

    After, because the set-up of tasks 367 and 927 builds trees of the program's own `Node`. The sanitized
    imports go there too: they serve the tests, and before the program they would lend it a missing import.
    """
    if source is FULL:
        return normalise_newlines(require(row, source.setup, str, place))
    return "\n".join(_texts(row, source.setup, place))


def _texts(row: dict[str, Any], key: str, place: str) -> list[str]:
    values = require(row, key, list, place)
    if not all(isinstance(value, str) for value in values):
        raise DatasetError(f"{place}: {key!r} must be a list of source texts; get the file again")
    return [normalise_newlines(value) for value in values]


def normalise_newlines(source: str) -> str:
    r"""`\r\n` and lone `\r` become `\n`, as Python's own compiler reads them.

    Compiling gives the same program before and after (to Python a lone `\r` ends a line too), but text
    that is shown to a model, split into lines or compared would differ, and nearly every task has `\r\n`.
    """
    return source.replace("\r\n", "\n").replace("\r", "\n")
