"""APPS (Hendrycks et al. 2021, arXiv:2105.09938): 10,000 problems, stdin and call-based.

Covers: reading rows from files, the original folders or the hub, all or the picked ones; tests; solutions;
errata.
Does not cover: extraction of programs from answers. What is run how stands in README.md beside this file.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.apps.index import index_of
from benchmarks.apps.prompts import PROMPTS
from benchmarks.apps.rows import Row, Source, checked, find_source
from benchmarks.apps.suite import make_suite
from harness.datasource import DataHash, read_errata
from harness.errors import DatasetError, InputError
from harness.types import Benchmark, Pick, Problem, TestSuite

VERSION = "2"
"""Raised whenever prompt, extraction or comparison changes scores; README.md logs why."""

SPELLINGS = frozenset(("apps/test/578", "apps/test/808", "apps/test/3756"))
"""Problems that ask how a number is written (a normal form, all digits, a rounding): close is wrong."""

SPLITS = ("train", "test")

DIFFICULTIES = ("introductory", "interview", "competition")
"""From easy to hard."""


@dataclass(frozen=True, eq=False, slots=True)
class _Packed:
    """What one problem holds in memory beside its statement: a third of the data's bytes or less."""

    suite: TestSuite
    solutions_json: bytes
    """zlib-compressed JSON list of program texts, or empty."""

    def load_suite(self) -> TestSuite:
        return self.suite

    def load_solutions(self) -> Sequence[str]:
        return tuple(json.loads(zlib.decompress(self.solutions_json))) if self.solutions_json else ()


def load(*, split: str = "test", data_dir: str | Path | None = None, pick: Pick | None = None) -> Benchmark:
    """APPS, problems in id order.

    Every row that is wanted is checked and its tests packed here, so a malformed one is found before
    anything is graded.

    Args:
        split: `train` or `test`, 5,000 problems each.
        data_dir: folder with `apps/` in it, or that folder itself; else `$RLTF_DATA`, else the hub.
        pick: which problems; all by default. The hash is of all rows whatever is picked.

    Raises:
        InputError: If there is no such split, or nothing of what is wanted.
        DatasetError: If the data is not found or malformed.
    """
    if split not in SPLITS:
        raise InputError(f"apps has no split {split!r}; available: {', '.join(SPLITS)}")
    source = find_source(split, data_dir)
    if pick is not None and source.file is not None:
        index = index_of(source.file, split)
        picked = index.read(pick("apps", index.entries))
        return _benchmark(split, source, _problems(split, picked), index.data_hash)
    data_hash = DataHash()
    problems = _problems(split, checked(source.rows, data_hash))
    if not problems:
        raise DatasetError(f"{source.name}: no rows; get the data again")
    if pick is not None:
        kept = pick("apps", problems)
        problems = [problem for problem in problems if problem.task_id in kept]
    return _benchmark(split, source, problems, data_hash.hexdigest())


def _problems(split: str, rows: Iterable[Row]) -> list[Problem]:
    """In id order."""
    problems = {row.number: _problem(split, row) for row in rows}
    return [problems[number] for number in sorted(problems)]


def _benchmark(split: str, source: Source, problems: list[Problem], dataset_hash: str) -> Benchmark:
    return Benchmark(
        name="apps",
        split=split,
        version=VERSION,
        problems=problems,
        dataset_hash=dataset_hash,
        source=source.name,
        errata=read_errata(__name__, f"apps/{split}/"),
        prompts=PROMPTS,
        difficulties=DIFFICULTIES,
    )


def _problem(split: str, row: Row) -> Problem:
    task_id, fields, place = f"apps/{split}/{row.number}", row.fields, row.place
    suite = make_suite(fields["input_output"], place, exact_text=task_id in SPELLINGS)
    packed = _Packed(suite, _pack_solutions(fields["solutions"], place))
    return Problem(
        task_id=task_id,
        question=fields["question"],
        load_suite=packed.load_suite,
        difficulty=fields["difficulty"] or None,
        starter_code=fields["starter_code"],
        load_solutions=packed.load_solutions,
        metadata={"url": fields["url"], **_emptiness(fields, packed.suite)},
    )


def _emptiness(fields: dict[str, str], suite: TestSuite) -> dict[str, bool]:
    """Said only of rows whose `input_output` is there but holds no test: prompts tell these from the rest."""
    return {"empty_input_output": True} if fields["input_output"].strip() and not suite.count else {}


def _pack_solutions(text: str, place: str) -> bytes:
    if not text:
        return b""
    try:
        solutions = json.loads(text)
    except ValueError as error:
        raise DatasetError(f"{place}: 'solutions' is broken JSON ({error}); get the file again") from error
    if not isinstance(solutions, list) or not all(isinstance(each, str) for each in solutions):
        raise DatasetError(f"{place}: 'solutions' must be a JSON list of program texts; get the file again")
    return zlib.compress(text.encode(errors="surrogatepass"), level=1) if solutions else b""
