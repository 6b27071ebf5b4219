"""Reading the rows of a finished run, each decoded once: samples with their outcomes, prompts.

Covers: a file that is lost or damaged, as one line for the user. Does not cover: rows while they are made
(`harness.run_store.journal`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.run_store.records import outcome_from_row
from harness.types import Outcome

_SAMPLE = frozenset({"task_id", "sample_id", "code"})
_PROMPT = frozenset({"task_id", "prompt"})

GradedSample = tuple[dict[str, Any], Callable[[], Outcome]]
"""A row of `samples.jsonl`, and what decodes its outcome: who needs none pays for none."""


def graded_samples(folder: Path) -> Iterator[GradedSample]:
    """Every sample of a run with its outcome, in the fixed order, which both files have.

    Raises:
        InputError: If a file is lost or damaged, or the two do not belong together.
    """
    samples, outcomes = folder / "samples.jsonl", folder / "outcomes.jsonl"
    for sample, outcome in zip_longest(lines_of(samples), lines_of(outcomes)):
        if sample is None or outcome is None:
            raise damaged(outcomes)
        row = _parsed(samples, sample, _SAMPLE)
        yield row, partial(_outcome_of, row, outcomes, outcome)


def prompts_of(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of `prompts.jsonl`; none where programs were made elsewhere.

    Raises:
        InputError: If the file is damaged.
    """
    path = folder / "prompts.jsonl"
    if path.exists():
        for line in lines_of(path):
            yield _parsed(path, line, _PROMPT)


def outcomes_of(folder: Path) -> Iterator[Outcome]:
    """The outcomes of a run, one at a time, in the fixed order.

    Raises:
        InputError: If outcomes.jsonl is lost or damaged.
    """
    path = folder / "outcomes.jsonl"
    for line in lines_of(path):
        yield _outcome(path, line)


def verdicts_of(folder: Path) -> Iterator[Outcome]:
    """The outcomes of a run with the first of their tests at most, for those who ask for verdicts alone.

    With fifty tests for each program this takes a tenth of the time of `outcomes_of`.

    Raises:
        InputError: If outcomes.jsonl is lost or damaged, as far as it is read.
    """
    path = folder / "outcomes.jsonl"
    for line in lines_of(path):
        yield _outcome(path, _with_first_test(line))


def _with_first_test(line: bytes) -> bytes:
    """A row of `outcomes.jsonl`, whose last field are the tests, cut after the first of them.

    Neither mark can stand within a string, where quotes are escaped.
    """
    front, found, tests = line.partition(b',"tests":[')
    first, more, _ = tests.partition(b'},{"')
    return front + found + first + b"}]}" if more else line


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file of a run folder; raises `InputError` if it is lost."""
    try:
        with path.open("rb") as stream:
            yield from stream
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; run the run's command again") from None


def damaged(path: Path) -> InputError:
    """The error to raise where a file of a run folder does not hold what it should."""
    return InputError(f"{path} is damaged; delete the run folder and grade again")


def _outcome_of(row: Mapping[str, Any], path: Path, line: bytes) -> Outcome:
    outcome = _outcome(path, line)
    if (outcome.task_id, outcome.sample_id) != (row["task_id"], row["sample_id"]):
        raise damaged(path)
    return outcome


def _outcome(path: Path, line: bytes) -> Outcome:
    try:
        return outcome_from_row(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged(path) from None


def _parsed(path: Path, line: bytes, fields: frozenset[str]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise damaged(path) from None
    if not isinstance(row, dict) or fields - row.keys():
        raise damaged(path)
    return row
