"""The programs to be graded: where they come from, checked one by one before any of them is run.

Covers: files and folders in every shape of `harness.programs.formats`, and a benchmark's own reference
solutions. Reading streams: one piece is held at a time, besides the ids. Every error names file, line and
fix. Does not cover: extraction of a program from a model's answer (`harness.programs.completions_in_files`);
unasked, the code is taken as it stands.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.errors import InputError
from harness.programs.completions_in_files import Answers, described
from harness.programs.files import fingerprint_of, pieces_of
from harness.programs.formats import RawProgram, WrongShape, programs_in
from harness.programs.sample import Sample
from harness.programs.task_ids import TaskIndex, UnknownTask, WrongSplit
from harness.types import Benchmark

MAX_PROGRAM = 1024 * 1024
"""Bytes of UTF-8. APPS's longest reference solution has under 0.1 MiB; longer is a broken generation."""


class Programs(Protocol):
    """A source of programs, which names itself and can be read once."""

    skipped: int
    """Programs left out in the last reading, because they belong to no selected problem."""
    notices: list[str]
    """What the last reading noticed that is to be known beside the numbers; one sentence each."""

    @property
    def label(self) -> str:
        """Short name for folders and reports."""

    def fingerprint(self) -> str:
        """Equal only for equal programs; what a resumed run must match."""

    def read(self, benchmark: Benchmark) -> Iterator[Sample]:
        """Yield every program that belongs to `benchmark`; raises `InputError` at the first bad one."""


@dataclass
class ProgramFile:
    """Programs from a file."""

    path: Path
    refuse_bad: bool = True
    """Refuse programs with NUL characters or lone surrogates, which are no Python source, and those over
    1 MiB, instead of handing them to the runner as they stand."""
    skip_unselected: bool = False
    """Leave out rows of problems that the benchmark selection lacks, instead of refusing them."""
    program_field: str | None = None
    """Where each row has its program, by the user's word; else as `harness.programs.row_fields` says."""
    extract: bool = False
    """Take the programs out of a model's answers, which the file holds."""
    skipped: int = field(default=0, init=False)
    notices: list[str] = field(default_factory=list, init=False)

    @property
    def label(self) -> str:
        return self.path.name.split(".")[0] or self.path.name

    def fingerprint(self) -> str:
        kind = "folder" if self.path.is_dir() else "file"
        parts = [f"{kind} sha256 {fingerprint_of(self.path)}"]
        if self.program_field is not None:
            parts.append(f"field {self.program_field}")
        if self.extract:
            parts.append(described())
        return ", ".join(parts)

    def read(self, benchmark: Benchmark) -> Iterator[Sample]:
        """Yield the file's programs in its order, and warn of what is noticed; see `Programs.read`."""
        self.skipped, self.notices = 0, []
        book, answers = _Book(benchmark, self.skip_unselected), Answers(benchmark, self.extract)
        problems = benchmark.by_id()
        found = 0
        for piece in pieces_of(self.path):
            try:
                for raw in programs_in(piece, self.program_field):
                    found += 1
                    task_id = book.task(raw)
                    if task_id is None:
                        self.skipped += 1
                        continue
                    code = answers.program(raw, problems[task_id])
                    if self.refuse_bad:
                        _check(code)
                    yield Sample(task_id, book.number(task_id, raw), code)
            except (WrongShape, UnknownTask, WrongSplit, _BadProgram) as error:
                raise InputError(f"{piece.source or self.path}, line {piece.line}: {error}") from None
        if not found:
            raise InputError(f'{self.path} holds no programs; write one row per line, {{"task_id", "code"}}')
        if found == self.skipped:
            raise InputError(
                f"{self.path}: none of its {found} programs is for one of the {len(benchmark)} selected"
                " problems; change --ids, --difficulty or --split"
            )
        warned = [*book.warnings(), *answers.warnings()]
        self.notices = [*book.left_out, *warned, *answers.done()]
        for notice in warned:
            warnings.warn(notice, stacklevel=2)


@dataclass
class ReferenceSolutions:
    """The benchmark's own solutions, as a check of the data and of the grader."""

    every: bool = False
    """All solutions of each problem, not the first alone."""
    skipped: int = field(default=0, init=False)
    notices: list[str] = field(default_factory=list, init=False)

    @property
    def label(self) -> str:
        return "gold-all" if self.every else "gold"

    def fingerprint(self) -> str:
        return "reference solutions, all" if self.every else "reference solutions, first"

    def read(self, benchmark: Benchmark) -> Iterator[Sample]:
        """Yield solutions in the benchmark's order; they are graded as they come, whatever they hold."""
        for problem in benchmark.problems:
            solutions = problem.solutions
            for number, code in enumerate(solutions if self.every else solutions[:1]):
                yield Sample(problem.task_id, number, code)


class _BadProgram(ValueError):
    """Text that cannot be a Python program."""


class _Book:
    """Problems by every spelling, and the sample ids that each has been given."""

    def __init__(self, benchmark: Benchmark, skip_unselected: bool) -> None:
        self._benchmark = benchmark
        self._index = TaskIndex(benchmark)
        self._skip = skip_unselected
        self._lines: dict[str, dict[int | str, int]] = {}
        self._filter: str | None = None
        self._foreign = dict[str, None]()
        self.left_out: list[str] = []
        """The sentence on programs that were left out, once there is one."""

    def warnings(self) -> list[str]:
        """What the ids warn of; one sentence each."""
        return [self._benchmark.foreign_ids[pattern] for pattern in self._foreign]

    def task(self, raw: RawProgram) -> str | None:
        """Task id, or `None` for a program to be left out."""
        self._one_filter(raw)
        for pattern in self._benchmark.foreign_ids:
            if re.fullmatch(pattern, str(raw.task).strip()):
                self._foreign[pattern] = None
        if raw.by_position:
            return self._at(int(raw.task))
        try:
            return self._index.resolve(raw.task, raw.split)
        except (UnknownTask, WrongSplit) as error:
            if not self._skip:
                raise type(error)(". ".join([str(error), *self.warnings()])) from None
            if not self.left_out:
                self.left_out = [
                    f"The first program left out is for {str(raw.task)[:80]!r} (line {raw.line}): not"
                    f" selected, or not in {self._benchmark.name} at all."
                ]
            return None

    def _one_filter(self, raw: RawProgram) -> None:
        if raw.filter is None:
            return
        if self._filter not in (None, raw.filter):
            raise WrongShape(
                f"lm-eval's filter {raw.filter[:40]!r} after {str(self._filter)[:40]!r}: every answer would"
                " count once for each; keep the rows of one filter"
            )
        self._filter = raw.filter

    def _at(self, position: int) -> str:
        problems = self._benchmark.problems
        if position >= len(problems):
            raise UnknownTask(
                f"element {position} of a list by position, but only {len(problems)} problems are selected;"
                " select the problems it was made for (--split, --ids), or write rows with a task_id"
            )
        return problems[position].task_id

    def number(self, task_id: str, raw: RawProgram) -> int | str:
        """The program's sample id: its own, or the count of those before it."""
        lines = self._lines.setdefault(task_id, {})
        sample_id = len(lines) if raw.sample_id is None else raw.sample_id
        if sample_id in lines:
            raise WrongShape(
                f"sample {sample_id!r} of {task_id} was already given on line {lines[sample_id]};"
                " give each its own sample_id, or leave all of them out"
            )
        lines[sample_id] = raw.line
        return sample_id


def _check(code: str) -> None:
    fix = "remove the program, or pass --bad-programs grade to grade it as it stands"
    if "\0" in code:
        line = code.count("\n", 0, code.index("\0")) + 1
        raise _BadProgram(f"the program holds a NUL character (its line {line}); {fix}")
    try:
        size = len(code.encode())
    except UnicodeEncodeError:
        raise _BadProgram(f"the program holds a lone surrogate, which UTF-8 cannot write; {fix}") from None
    if size > MAX_PROGRAM:
        raise _BadProgram(f"the program has {size:,} bytes, more than {MAX_PROGRAM:,}; {fix}")
