"""LiveCodeBench, code generation (Jain et al. 2024, arXiv:2403.07974): contest problems with their dates.

Covers: the six files of the data, releases and windows of contest dates as splits, tests on standard input
and of functions, its comparison as profile `lcb`, its prompts, errata.
Does not cover: its other scenarios (self-repair, test output prediction, code execution).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.livecodebench.preamble import make_preamble
from benchmarks.livecodebench.prompts import PROMPTS
from benchmarks.livecodebench.splits import FILES, Window, parse_split
from harness.datasource import DataHash, locate, parse_object, read_errata, require
from harness.errors import DatasetError, InputError
from harness.suites import read
from harness.types import Benchmark, Limits, Problem, Test, TestSuite

VERSION = "1"
"""Raised whenever prompt, extraction or comparison changes scores; README.md logs why."""
PROFILES = ("benchmarks.livecodebench.comparison:LCB", "strict")
LIMITS = Limits(cpu_seconds=6.0, load_cpu_seconds=6.0, memory_mib=4096, stop_at_first_failure=True)
"""6 s a test, and no test after one that failed (lcb_runner/evaluation/testing_util.py)."""
COLUMNS = (
    "question_title", "question_content", "platform", "question_id", "contest_id", "contest_date",
    "starter_code", "difficulty", "public_test_cases", "private_test_cases", "metadata",
)  # fmt: skip
"""Required of every row as text, in the order in which they are hashed."""


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    """Where a problem's row stands. Its tests are read when asked for: all of them would not fit memory."""

    path: Path
    offset: int
    place: str

    def load_suite(self) -> TestSuite:
        return _suite_at(self.path, self.offset, self.place)


@lru_cache(maxsize=16)
def _suite_at(path: Path, offset: int, place: str) -> TestSuite:
    """The tests of the row that starts at a byte of a file: public, then private, as in its grader."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            suite = read(parse_object(file.readline(), place))
    except (OSError, InputError) as error:
        raise DatasetError(f"{place}: {error}") from error
    return replace(suite, preamble=make_preamble())


def _rows(path: Path) -> Iterator[tuple[_Row, dict[str, Any]]]:
    """Each row of a file, and where it stands."""
    try:
        with path.open("rb") as file:
            offset = 0
            for number, line in enumerate(file, start=1):
                place = f"{path}:{number}"
                if line.strip():
                    yield _Row(path, offset, place), parse_object(line, place)
                offset += len(line)
    except OSError as error:
        raise DatasetError(f"{path}: unreadable ({error}); get the file again") from error


def load(*, split: str = "release_v6", data_dir: str | Path | None = None) -> Benchmark:
    """LiveCodeBench's problems, in the order of its files.

    Args:
        split: a release (`release_v5`), one file's problems (`v5`), those of several (`v4_v5`), a window of
            contest dates (`2024-08..2025-01`, both ends included), or both (`release_v5:2024-08..2025-01`).
        data_dir: folder with `livecodebench/` in it, or that folder itself; else `$RLTF_DATA`.

    Raises:
        InputError: If there is no such split.
        DatasetError: If a file of it is not found or malformed.
    """
    window = parse_split(split)
    data_hash = DataHash()
    problems: dict[str, Problem] = {}
    paths = [_locate(name, split, window, data_dir) for name in window.files]
    for path in paths:
        for where, row in _rows(path):
            text = {key: str(require(row, key, str, where.place)) for key in COLUMNS}
            if not _is_in(text["contest_date"], window, where.place):
                continue
            problem = _problem(text, where)
            if problem.task_id in problems:
                raise DatasetError(f"{where.place}: {problem.task_id} occurs twice; get the files again")
            data_hash.add(len(problems), map(json.dumps, text.values()))
            problems[problem.task_id] = problem
    if not problems:
        raise InputError(
            f"livecodebench has no problem in {split!r}; its contests run from 2023-05 to 2025-04"
        )
    errata = read_errata(__name__, "livecodebench/")
    return Benchmark(
        name="livecodebench",
        split=split,
        version=VERSION,
        problems=list(problems.values()),
        dataset_hash=data_hash.hexdigest(),
        source=", ".join(map(str, paths)),
        errata={task_id: cause for task_id, cause in errata.items() if task_id in problems},
        prompts=PROMPTS,
        profiles=PROFILES,
        limits=LIMITS,
        difficulties=("easy", "medium", "hard"),
    )


def _locate(name: str, split: str, window: Window, data_dir: str | Path | None) -> Path:
    needed = f"; split {split!r} is read from {', '.join(window.files)}, and release_v1 from {FILES[0]} alone"
    try:
        path = locate("livecodebench", (name,), data_dir, hub=False)
    except DatasetError as error:
        raise DatasetError(f"{error}{needed}") from None
    if path is None:
        raise DatasetError(
            f"livecodebench not found: put {name} of livecodebench/code_generation_lite into"
            f" $RLTF_DATA/livecodebench/{needed}"
        )
    return path


def _is_in(date: str, window: Window, place: str) -> bool:
    if len(date) < len("2024-08-01") or not date[:4].isdecimal():
        raise DatasetError(f"{place}: contest_date {date!r:.40} is no date; get the file again")
    return window.first <= date[: len(window.first)] and date[: len(window.last)] <= window.last


def _public(text: Mapping[str, str]) -> Sequence[Test]:
    if text["public_test_cases"].strip() in ("", "[]"):
        return ()
    return read({key: text[key] for key in ("public_test_cases", "metadata", "starter_code")}).tests()


def _problem(text: Mapping[str, str], where: _Row) -> Problem:
    identity = text["question_id"].strip()
    if not identity or "/" in identity:
        raise DatasetError(f"{where.place}: question_id {identity!r:.60} is no id; get the file again")
    try:
        shown = _public(text)
    except InputError as error:
        raise DatasetError(f"{where.place}: {error}") from error
    return Problem(
        task_id=f"livecodebench/{identity}",
        question=text["question_content"],
        load_suite=where.load_suite,
        difficulty=text["difficulty"] or None,
        starter_code=text["starter_code"],
        public_tests=shown,
        metadata={
            "date": text["contest_date"],
            "platform": text["platform"],
            "title": text["question_title"],
        },
    )
