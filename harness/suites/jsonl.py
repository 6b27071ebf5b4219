"""A file of rows as a benchmark, `jsonl:PATH`: data of one's own, or another tool's, without a line of code.

Each line is an object with a problem's statement and its tests in a shape that `read` knows. What the row
holds beside them is looked for under the names that data sets give it (`QUESTIONS` and the others below).

Does not cover: splits, prompts beyond the generic ones, rules of comparison other than the profiles'.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.datasource import DataHash, read_jsonl
from harness.errors import DatasetError, InputError
from harness.suites.encodings import unpack
from harness.suites.shapes import read
from harness.types import Benchmark, Problem, TestSuite

PREFIX = "jsonl:"
VERSION = "1"
SPLITS = ("all", "train", "test")
QUESTIONS = (
    "question",
    "problem",
    "question_content",
    "prompt",
    "instruction",
    "description",
    "statement",
    "text",
)
"""Names of the statement, the first that a row has; a list of messages gives its last user's."""
IDS = ("task_id", "id", "question_id", "problem_id", "name")
SOLUTIONS = (
    "solutions",
    "canonical_solution",
    "solution",
    "gold_standard_solution",
    "reference_solution",
    "code",
)

_UNSAFE = re.compile(r"[^\w.-]+")
_MOST_ID = 80


@dataclass(frozen=True, eq=False, slots=True)
class _Packed:
    """What one problem holds in memory beside its statement."""

    suite: TestSuite
    solutions: Sequence[str]

    def load_suite(self) -> TestSuite:
        return self.suite

    def load_solutions(self) -> Sequence[str]:
        return self.solutions


def load(path: str, *, split: str = "all", data_dir: str | Path | None = None) -> Benchmark:
    """The rows of a file, in its order; its name is the benchmark's, and each id is `name/id of the row`.

    Args:
        path: A JSON-lines file, gzip if named `.gz`; a relative one may lie in `data_dir`.
        split: `all`; `train` and `test` are the same rows, for commands that ask for one by name.
        data_dir: Folder to look in.

    Raises:
        InputError: If there is no such split or file.
        DatasetError: If a row is malformed, with its line.
    """
    if split not in SPLITS:
        raise InputError(f"{PREFIX}{path} has no split {split!r}; available: {', '.join(SPLITS)}")
    found = _find(path, data_dir)
    name = _UNSAFE.sub("_", found.name.removesuffix(".gz").removesuffix(".jsonl")) or "rows"
    problems: dict[str, Problem] = {}
    data_hash = DataHash()
    for number, (place, row) in enumerate(read_jsonl(found)):
        problem = _problem(name, number, row, place)
        if problem.task_id in problems:
            raise DatasetError(f"{place}: {problem.task_id} occurs twice; give each row an id of its own")
        problems[problem.task_id] = problem
        data_hash.add(number, (json.dumps(row, sort_keys=True),))
    if not problems:
        raise DatasetError(f"{found}: no rows; name a file with one object a line")
    return Benchmark(name, split, VERSION, list(problems.values()), data_hash.hexdigest(), str(found))


def _find(path: str, data_dir: str | Path | None) -> Path:
    places = [Path(path).expanduser(), *([Path(data_dir, path)] if data_dir is not None else [])]
    for place in places:
        if place.is_file():
            return place
    raise InputError(f"{PREFIX}{path}: no such file; name one with an object a line: statement and tests")


def _problem(name: str, number: int, row: Mapping[str, Any], place: str) -> Problem:
    starter = row.get("starter_code")
    starter = starter if isinstance(starter, str) else ""
    try:
        suite = read(row, starter_code=starter)
        packed = _Packed(suite, _solutions(row))
    except InputError as error:
        raise DatasetError(f"{place}: {error}") from error
    difficulty = row.get("difficulty")
    return Problem(
        task_id=f"{name}/{_id(row, number)}",
        question=_question(row, place),
        load_suite=packed.load_suite,
        difficulty=difficulty if isinstance(difficulty, str) else None,
        starter_code=starter,
        load_solutions=packed.load_solutions,
    )


def _id(row: Mapping[str, Any], number: int) -> str:
    for key in IDS:
        if isinstance(row.get(key), str | int) and str(row[key]).strip():
            return _UNSAFE.sub("_", str(row[key]).strip())[:_MOST_ID]
    return str(number)


def _question(row: Mapping[str, Any], place: str) -> str:
    for key in QUESTIONS:
        text = _said(row.get(key))
        if text is not None:
            return text
    raise DatasetError(f"{place}: no statement in the row, it has {', '.join(sorted(row))}; name it question")


def _said(value: Any) -> str | None:
    """A text, or what the user says last in a list of messages."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        said = [
            each.get("content") for each in value if isinstance(each, Mapping) and each.get("role") == "user"
        ]
        return said[-1] if said and isinstance(said[-1], str) else None
    return None


def _solutions(row: Mapping[str, Any]) -> Sequence[str]:
    """The row's own programs, as a list, a JSON list or one text."""
    value = next((row[key] for key in SOLUTIONS if row.get(key)), None)
    if isinstance(value, str):
        value = unpack(value) if value.lstrip().startswith("[") else [value]
    if isinstance(value, Mapping):
        value = _in_python(value)
    if not isinstance(value, list):
        return ()
    prefix = row.get("prompt") if "canonical_solution" in row and isinstance(row.get("prompt"), str) else ""
    return tuple(f"{prefix or ''}{each}" for each in value if isinstance(each, str))


def _in_python(value: Mapping[str, Any]) -> list[Any]:
    """CodeContests' solutions, whose languages are numbers: 3 is Python 3."""
    programs, languages = value.get("solution"), value.get("language")
    if not isinstance(programs, list) or not isinstance(languages, list):
        return []
    return [program for program, language in zip(programs, languages, strict=False) if language == 3]
