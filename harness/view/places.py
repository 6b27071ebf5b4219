"""The folder that is shown: which runs and trainings lie below it, and which of their files may be opened.

Covers: names in addresses, links that lead out of the folder, files that are no plain files or too large.
Does not cover: what the files hold (`harness.view.runs`, `harness.view.trainings`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness.errors import InputError

_LARGEST = 64 << 20
"""Bytes of a file that is read whole; `report.html` has at most some 20 MiB."""
_DEEPEST = 8
_MOST = 5_000
"""Folders with a run or a training that are shown."""
_RUN_FILES = ("manifest.json", "metrics.json", "outcomes.jsonl", "outcomes.journal.jsonl")
_TRAINING_FILES = ("training.json", "metrics.jsonl")
_NOT_ENTERED = ("checkpoint-", "model", "made-model", "node_modules", "__pycache__", ".")
"""Beginnings of names: in these there are no runs, and often very many files."""

Stamp = tuple[int, int, int]
"""What tells that a file has changed: time in ns, size, inode."""


class NotThereError(Exception):
    """No such run, or a file that must not be opened."""


@dataclass
class Found:
    """What lies below the folder, by name: its path from there with `/`, or `.` for the folder itself."""

    runs: list[str] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Links to folders elsewhere, which are not followed."""
    more: bool = False
    """Whether there are too many to show."""


class Root:
    """The folder that is shown."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            InputError: If it is no folder.
        """
        if not path.is_dir():
            raise InputError(f"{path} is no folder; name one with run folders in it")
        self.path = path.resolve()

    def folder(self, name: str) -> Path:
        """The folder of this name.

        Raises:
            NotThereError: If there is none, or it lies elsewhere.
        """
        parts = PurePosixPath(name).parts
        if not name or "\0" in name or ".." in parts or name.startswith("/"):
            raise NotThereError(name)
        return self._inside(self.path / name, os.path.isdir)

    def file(self, folder: Path, name: str, most: int | None = _LARGEST) -> Path:
        """A plain file in a folder that `folder` gave.

        Args:
            folder: Where it lies.
            name: Its own.
            most: Bytes that it may have; `None` for any number.

        Raises:
            NotThereError: If there is none, it lies elsewhere, is a pipe or device, or is too large.
        """
        path = self._inside(folder / name, os.path.isfile)
        if most is not None and path.stat().st_size > most:
            raise NotThereError(f"{name} has more than {most >> 20} MiB")
        return path

    def has(self, folder: Path, name: str) -> bool:
        """Whether there is such a file that may be opened."""
        try:
            self.file(folder, name)
        except NotThereError:
            return False
        return True

    def stamp(self, folder: Path, name: str) -> Stamp | None:
        """Of a file; `None` where there is none that may be opened."""
        try:
            found = self.file(folder, name, None).stat()
        except (OSError, NotThereError):
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def name_of(self, folder: Path) -> str:
        """By which `folder` finds it."""
        return folder.relative_to(self.path).as_posix()

    def find(self) -> Found:
        """All runs and trainings, sorted by name."""
        found = Found()
        for folder, names in self._walk(found.links):
            if len(found.runs) + len(found.trainings) >= _MOST:
                found.more = True
                break
            if any(name in names for name in _TRAINING_FILES) or _has_states(folder, names):
                found.trainings.append(self.name_of(folder))
            elif any(name in names for name in _RUN_FILES):
                found.runs.append(self.name_of(folder))
        for each in (found.runs, found.trainings, found.links):
            each.sort()
        return found

    def _inside(self, path: Path, is_right: Callable[[Path], bool]) -> Path:
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            raise NotThereError(path.name) from None
        if not real.is_relative_to(self.path) or not is_right(real):
            raise NotThereError(path.name)
        return real

    def _walk(self, links: list[str]) -> Iterator[tuple[Path, set[str]]]:
        """Every folder with the names in it; a run's own folders are left out."""
        waiting = [(self.path, 0)]
        while waiting:
            folder, depth = waiting.pop()
            names, folders = set(), []
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue
            for entry in entries:
                names.add(entry.name)
                if entry.is_symlink():
                    if entry.is_dir() and not Path(entry.path).resolve().is_relative_to(self.path):
                        links.append(self.name_of(Path(entry.path)))
                elif entry.is_dir() and not entry.name.startswith(_NOT_ENTERED):
                    folders.append(Path(entry.path))
            yield folder, names
            is_run = "manifest.json" in names and not names.intersection(_TRAINING_FILES)
            if depth < _DEEPEST and not is_run:
                waiting += [(each, depth + 1) for each in folders]


def _has_states(folder: Path, names: set[str]) -> bool:
    """Whether there are checkpoints of transformers' Trainer."""
    return any(
        name.startswith("checkpoint-") and is_plain(folder / name / "trainer_state.json") for name in names
    )


def is_plain(path: Path) -> bool:
    """Whether it is a file, and no link, pipe or device."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
