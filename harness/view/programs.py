"""The programs of a run for the page: a list of the problems without texts, and one problem whole.

The list is made from the beginning of each row of `outcomes.jsonl`, which ends before the tests: 4,000 rows
with a hundred tests each are read in a fraction of the time that decoding them takes. Where each row begins
is kept until the files change, so that a problem is read at once. Journals of a run at work are read, too.
Covers: rows that are damaged or half written, which are left out and counted. Does not cover: what stands
in an entry (`harness.report.programs`), drawing it (`harness/report/assets/browser.js`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.report.programs import LETTERS, SAMPLES, cut, program_entry
from harness.run_store.records import Key, outcome_from_row
from harness.text import printable_values
from harness.types import Status
from harness.view.places import NotThereError, Root, Stamp
from harness.view.runs import RunSummary, journals_of
from harness.view.values import mapping

_KEPT = 4
"""Runs whose lists are in memory."""
_ENDS = {"samples": b',"code":', "outcomes": b',"tests":[', "prompts": b',"prompt":'}
"""What follows the part of a row that the list needs. It can't occur within a string, where quotes are
escaped."""

Place = tuple[Path, int]
"""A file, and where in it a row begins."""


@dataclass
class Rows:
    """The rows of one of a run's files and its journals."""

    places: dict[Key, Place] = field(default_factory=dict)
    heads: dict[Key, Mapping[str, Any]] = field(default_factory=dict)
    """The beginnings of the rows; of outcomes only."""
    damaged: int = 0


@dataclass
class Listed:
    """The rows of a run by task."""

    stamps: list[Stamp | None]
    samples: Rows
    prompts: Rows
    outcomes: Rows
    tasks: dict[str, list[Key]]
    """The graded samples of each problem."""


class Programs:
    """The programs of the runs below a folder; asked from several threads."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._listed: dict[str, Listed] = {}

    def index(self, runs: Sequence[RunSummary]) -> dict[str, Any]:
        """What the browser of programs lists, without texts.

        Args:
            runs: One, or two whose problems stand side by side.
        """
        listed = [self._rows(run) for run in runs]
        profiles = _shared_profiles(runs)
        tasks = dict.fromkeys(task for each in listed for task in each.tasks)
        content = {
            "statuses": {letter: status.replace("_", " ") for status, letter in LETTERS.items()},
            "profiles": profiles,
            "runs": [run.name for run in runs],
            "problems": [
                {"id": task, "runs": [_brief(each, task, profiles) for each in listed]} for task in tasks
            ],
            "of": len(tasks),
            "damaged": sum(rows.damaged for each in listed for rows in (each.samples, each.outcomes)),
        }
        return dict(printable_values(content))

    def problem(self, runs: Sequence[RunSummary], task: str) -> dict[str, Any]:
        """One problem whole, as the browser draws it.

        Raises:
            NotThereError: If no run has it.
            InputError: If a row is damaged.
        """
        profiles = _shared_profiles(runs)
        entries = [self._entry(self._rows(run), task, profiles) for run in runs]
        if not any(entries):
            raise NotThereError(task)
        return {"id": task, "runs": entries}

    def _entry(self, listed: Listed, task: str, profiles: Sequence[str]) -> dict[str, Any] | None:
        keys = listed.tasks.get(task)
        if keys is None:
            return None
        shown = [key for key in keys if key in listed.samples.places][:SAMPLES]
        samples = []
        for key in shown:
            row = _row_at(listed.samples.places[key])
            try:
                outcome = outcome_from_row(dict(_row_at(listed.outcomes.places[key])))
                samples.append(program_entry(row, outcome, profiles))
            except (ValueError, KeyError, TypeError):
                raise InputError(f"the row of sample {key[1]!r} is damaged") from None
        if not samples:
            raise InputError("samples.jsonl does not have its programs")
        entry: dict[str, Any] = {"total": len(keys), "samples": samples}
        if (place := listed.prompts.places.get((task, "prompt"))) is not None:
            row = _row_at(place)
            entry |= {"prompt": cut(str(row.get("prompt"))), "shortened": bool(row.get("shortened"))}
        return entry

    def _rows(self, run: RunSummary) -> Listed:
        files = {stem: [run.folder / f"{stem}.jsonl", *journals_of(run.folder, stem)] for stem in _ENDS}
        stamps = [self._root.stamp(path.parent, path.name) for paths in files.values() for path in paths]
        with self._lock:
            known = self._listed.get(run.name)
        if known is not None and known.stamps == stamps:
            return known
        samples, outcomes, prompts = (self._read(files[stem], stem) for stem in _ENDS)
        tasks: dict[str, list[Key]] = {}
        for key in outcomes.places:
            tasks.setdefault(key[0], []).append(key)
        listed = Listed(stamps, samples, prompts, outcomes, tasks)
        with self._lock:
            self._listed.pop(run.name, None)
            self._listed[run.name] = listed
            while len(self._listed) > _KEPT:
                del self._listed[next(iter(self._listed))]
        return listed

    def _read(self, paths: Sequence[Path], stem: str) -> Rows:
        rows = Rows()
        for path in paths:
            try:
                real = self._root.file(path.parent, path.name, None)
                for start, line in _whole_lines(real):
                    _note(rows, stem, line, (real, start))
            except (OSError, NotThereError):
                continue
        return rows


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    start = 0
    with path.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n"):
                return  # still being written
            yield start, line
            start += len(line)


def _note(rows: Rows, stem: str, line: bytes, place: Place) -> None:
    """Put a row in; of several for a key the last counts."""
    front, found, _ = line.partition(_ENDS[stem])
    try:
        head = json.loads(front + b"}" if found else line)
        key: Key = (head["task_id"], "prompt" if stem == "prompts" else head["sample_id"])
        if not isinstance(key[0], str) or not isinstance(key[1], str | int):
            raise TypeError
        if stem == "outcomes":
            head = _head(head)
    except (ValueError, KeyError, TypeError, RecursionError):
        rows.damaged += 1
        return
    rows.places[key] = place
    if stem == "outcomes":
        rows.heads[key] = head


def _head(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the list needs of an outcome; raises where it is none."""
    verdicts = {str(name): LETTERS[Status(status)] for name, status in row["verdicts"].items()}
    kind = mapping(row.get("error")).get("type")
    return {
        "verdicts": verdicts,
        **({"errors": [{"type": cut(kind, 100)}]} if isinstance(kind, str) else {}),
        **({"lost": True} if row.get("infrastructure_error") is not None else {}),
    }


def _brief(listed: Listed, task: str, profiles: Sequence[str]) -> dict[str, Any] | None:
    keys = listed.tasks.get(task)
    if keys is None:
        return None
    samples = []
    for key in keys[:SAMPLES]:
        head = listed.outcomes.heads[key]
        if all(profile in head["verdicts"] for profile in profiles):
            verdicts = [head["verdicts"][profile] for profile in profiles]
            samples.append({"id": key[1], **head, "verdicts": verdicts})
    return {"total": len(keys), "samples": samples} if samples else None


def _shared_profiles(runs: Sequence[RunSummary]) -> list[str]:
    first, *others = runs
    return [name for name in first.profiles if all(name in other.profiles for other in others)]


def _row_at(place: Place) -> Mapping[str, Any]:
    path, start = place
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            row = json.loads(stream.readline())
    except (OSError, ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise InputError(f"{path.name} has changed, or is damaged; load the page again")
    return row
