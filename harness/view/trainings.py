"""What the page knows of a training: its log, how far it is, its evaluations, what it changed.

Covers: trainings by `rltf train` (`training.json`, `metrics.jsonl`), and by any transformers Trainer
(`trainer_state.json` of its checkpoints); logs that grow, lines that are half written. Does not cover:
drawing (`harness.report.training`), the runs in `eval/` (`harness.view.runs`).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.report.training import Row
from harness.view.places import NotThereError, Root, is_plain
from harness.view.state import State, last_change, state_of
from harness.view.values import is_number, mapping

LOG = "metrics.jsonl"
_STATE = "trainer_state.json"
_MOST_LOG = 32 << 20
"""Bytes of a log; what stands before the last of them is left out."""


@dataclass(frozen=True)
class Difference:
    """What training changed on a benchmark, in points of pass@k."""

    benchmark: str
    metric: str
    before: float
    after: float
    low: float
    high: float

    @property
    def points(self) -> float:
        """After less before."""
        return self.after - self.before


@dataclass(frozen=True)
class TrainingSummary:
    """One folder of a training."""

    name: str
    folder: Path
    state: State
    changed: float
    """When it was last written, in seconds since 1970."""
    method: str
    rows: Sequence[Row]
    """The log: numbers only, `step` among them."""
    source: str
    """File that they are from."""
    most_steps: int | None
    differences: Sequence[Difference]
    problem: str = ""
    """What can't be read."""

    @property
    def step(self) -> int:
        """Of the last line of the log."""
        return int(self.rows[-1]["step"]) if self.rows else 0


class Trainings:
    """The trainings below a folder; asked from several threads."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._logs: dict[Path, tuple[int, int, list[Row]]] = {}
        """Inode, bytes read and rows by log."""

    def summary(self, name: str) -> TrainingSummary:
        """One training.

        Raises:
            NotThereError: If there is none of this name.
        """
        folder = self._root.folder(name)
        problems: list[str] = []
        about = self._json(folder, "training.json", problems)
        compared = self._json(folder, "comparison.json", problems)
        states = _states(folder)
        log = self._log(folder)
        rows, source = (
            (log, LOG) if log or not states else (self._history(states[-1]), states[-1].parent.name)
        )
        changed = last_change([folder / each for each in (LOG, "training.json", "comparison.json")] + states)
        most = mapping(about.get("options")).get("max_steps")
        if not isinstance(most, int) and states:
            most = self._json(states[-1].parent, _STATE, problems).get("max_steps")
        most = most if isinstance(most, int) and most > 0 else None
        done = bool(compared) or ("training.json" not in problems and not about and _reached(rows, most))
        state = self._state(folder, done=done, changed=changed, own=bool(about))
        return TrainingSummary(
            name,
            folder,
            State.DAMAGED if problems and not rows else state,
            changed,
            str(mapping(about.get("options")).get("method") or ""),
            rows,
            source,
            most,
            _differences(compared),
            f"not readable: {', '.join(problems)}" if problems else "",
        )

    def _state(self, folder: Path, *, done: bool, changed: float, own: bool) -> State:
        """`rltf train` keeps its folder locked, which tells of a stage in it, too; other Trainers do not."""
        if own:
            return state_of(folder, finished=done, changed=changed, locks=True)
        if not done and self._root.has(folder.parent, "training.json"):
            return state_of(folder.parent, finished=False, changed=changed, locks=True)
        return state_of(folder, finished=done, changed=changed, locks=False)

    def _json(self, folder: Path, name: str, problems: list[str]) -> Mapping[str, Any]:
        if not (folder / name).exists():
            return {}
        try:
            content = json.loads(self._root.file(folder, name).read_bytes())
        except (OSError, ValueError, RecursionError, NotThereError):
            content = None
        if not isinstance(content, dict):
            problems.append(name)
            return {}
        return content

    def _log(self, folder: Path) -> list[Row]:
        """The rows of `metrics.jsonl`, of which only what is new is read."""
        try:
            path = self._root.file(folder, LOG, None)
            found = path.stat()
            with self._lock:
                inode, end, rows = self._logs.get(path, (found.st_ino, 0, []))
            if inode != found.st_ino or found.st_size < end:
                end, rows = 0, []
            start = max(end, found.st_size - _MOST_LOG)
            with path.open("rb") as stream:
                stream.seek(start)
                text = stream.read(_MOST_LOG)
        except (OSError, NotThereError):
            return []
        whole = text[: text.rfind(b"\n") + 1]  # the last line may be half written
        rows = rows + [row for line in whole.splitlines() if (row := _row(line)) is not None]
        with self._lock:
            self._logs[path] = (found.st_ino, start + len(whole), rows)
        return rows

    def _history(self, path: Path) -> list[Row]:
        history = self._json(path.parent, path.name, []).get("log_history")
        found = map(_numbers, history) if isinstance(history, list) else ()
        return [row for row in found if row is not None]


def _states(folder: Path) -> list[Path]:
    """The states of the checkpoints, by step."""
    found = []
    for path in folder.glob(f"checkpoint-*/{_STATE}"):
        match = re.fullmatch(r"checkpoint-(\d{1,12})", path.parent.name)
        if match and is_plain(path) and not path.parent.is_symlink():
            found.append((int(match[1]), path))
    return [path for _, path in sorted(found)]


def _reached(rows: Sequence[Row], most: int | None) -> bool:
    return most is not None and bool(rows) and rows[-1]["step"] >= most


def _row(line: bytes) -> Row | None:
    try:
        return _numbers(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _numbers(value: Any) -> Row | None:
    """The numbers of a line; `None` for one without a step."""
    if not isinstance(value, dict):
        return None
    row = {name: each for name, each in value.items() if is_number(each)}
    step = row.get("step")
    return row if isinstance(step, int) and abs(step) < 1 << 53 else None


def _differences(compared: Mapping[str, Any]) -> list[Difference]:
    """Of `comparison.json`; what is not as it should be is left out."""
    found = []
    for benchmark, content in compared.items():
        for metric, difference in mapping(mapping(content).get("difference")).items():
            before, after = (
                mapping(mapping(content.get(when)).get(metric)).get("value") for when in ("before", "after")
            )
            low, high = (mapping(difference).get(name) for name in ("low", "high"))
            numbers = [each for each in (before, after, low, high) if is_number(each)]
            if len(numbers) == 4:
                found.append(Difference(benchmark, metric, *(100.0 * each for each in numbers)))
    return found
