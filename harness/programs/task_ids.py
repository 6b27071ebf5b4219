"""Find a benchmark's problem by the spellings that other tools give its id.

Covers: `mbpp/11`, `Mbpp/11`, `11`, the number 11, `0065`, `11.0` as pandas writes it, `mbpp_11_remove_Occ` as
MultiPL-E does, and a split named beside the id.
Does not cover: guessing. An id that two problems share is refused, with both of them named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.types import Benchmark


class UnknownTask(LookupError):
    """No problem of the selection has this id; the message says what there is."""


class WrongSplit(LookupError):
    """The id belongs to another split of the benchmark; the message says how to select it."""


class TaskIndex:
    """Task ids of one benchmark selection, by every spelling."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._benchmark = benchmark
        self._by_spelling: dict[str, list[str]] = {}
        for problem in benchmark.problems:
            for spelling in set(_spellings(problem.task_id, benchmark.name)):
                self._by_spelling.setdefault(spelling, []).append(problem.task_id)

    def resolve(self, name: str | int, split: str | None = None) -> str:
        """Task id of the problem called `name`, of split `split` where the row says so.

        Raises:
            UnknownTask: If no problem, or more than one, goes by that name.
            WrongSplit: If the row is of another split than the benchmark that was loaded.
        """
        spelling = _plain(str(name))
        self._check_split(spelling, split)
        found = self._by_spelling.get(spelling, [])
        if not found and (multiple := re.fullmatch(r"([a-z]+)[_-]([0-9]{1,18})(?:_\w*)?", spelling)):
            spelling = f"{multiple[1]}/{int(multiple[2])}"
            found = self._by_spelling.get(spelling, [])
        if len(found) > 1 and split is not None:
            found = [task_id for task_id in found if f"/{split}/" in task_id]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownTask(f"{name!r} may be {' or '.join(found)}; write the whole id")
        raise UnknownTask(
            f"unknown problem {str(name)[:60]!r}: {self._available()}; pass the right --benchmark and"
            " --split, or delete the row"
        )

    def _check_split(self, spelling: str, split: str | None) -> None:
        loaded = self._benchmark.split
        parts = spelling.split("/")
        named = parts[-2] if len(parts) == 3 else split
        if named in (None, loaded) or loaded == "all":
            return
        if split is None and spelling in self._by_spelling:
            return
        raise WrongSplit(
            f"problem {spelling!r} is of split {named!r}, but {loaded!r} was loaded; pass --split {named}"
        )

    def _available(self) -> str:
        problems = self._benchmark.problems
        where = f"{self._benchmark.name} ({self._benchmark.split})"
        if not problems:
            return f"{where} has no problems"
        return f"{where} has {len(problems)} problems, {problems[0].task_id} to {problems[-1].task_id}"


def _plain(name: str) -> str:
    *front, last = name.strip().lower().split("/")
    last = re.sub(r"(?<=[0-9])\.0+\Z", "", last)
    # APPS folders are called 0065; numbers in JSON cannot be.
    return "/".join([*front, str(int(last)) if re.fullmatch("[0-9]{1,18}", last) else last])


def _spellings(task_id: str, benchmark: str) -> Iterator[str]:
    plain = _plain(task_id)
    parts = plain.split("/")
    for start in range(len(parts)):
        yield "/".join(parts[start:])
    # Other tools know no splits (`apps/65`) and call a variant by its family's name (`Mbpp/11` in MBPP+).
    family = re.match("[a-z]*", benchmark.lower())
    for front in {parts[0], benchmark.lower(), family.group() if family else ""} - {""}:
        yield f"{front}/{parts[-1]}"
