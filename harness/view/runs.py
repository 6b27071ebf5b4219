"""What the leaderboard knows of a run, from `manifest.json` and `metrics.json`; no outcome is decoded for it.

Covers: runs that have ended, are at work, were killed, or can't be read; summaries are kept until a file
changes. Does not cover: programs (`harness.view.programs`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.run_store.finished_run import Run, profiles_in_order, read_run
from harness.run_store.journal import RowFile
from harness.run_store.manifest import Begun, read_record
from harness.run_store.records import Key
from harness.text import one_line
from harness.view.places import NotThereError, Root
from harness.view.state import State, last_change, state_of
from harness.view.values import mapping, text

_FILES = ("manifest.json", "metrics.json", "samples.jsonl", "outcomes.jsonl", "report.html")
_BLOCK = 1 << 20
_ADVICE = "it is shown once it can be read"


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    sampled: int
    graded: int
    wanted: int | None
    """Samples that were asked for; `None` where the manifest does not say."""


@dataclass(frozen=True)
class RunSummary:
    """One run folder."""

    name: str
    """Its path from the folder that is shown."""
    folder: Path
    state: State
    changed: float
    """When it was last written, in seconds since 1970."""
    run: Run | None = None
    """Its numbers; of an earlier session where it is at work again, `None` where there are none yet."""
    programs: str = ""
    """Short name of the programs."""
    benchmark: str = ""
    profiles: tuple[str, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
    """Of its manifest."""
    problem: str = ""
    """Why it can't be read."""
    progress: Progress | None = None
    """Where it has not ended."""


class Runs:
    """The runs below a folder; asked from several threads."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._read: dict[str, tuple[Any, Run | InputError]] = {}
        self._counted: dict[Path, tuple[int, int, int]] = {}
        """Inode, bytes and lines by file."""

    def summary(self, name: str) -> RunSummary:
        """One run.

        Raises:
            NotThereError: If there is none of this name.
        """
        folder = self._root.folder(name)
        changed = last_change([*(folder / each for each in _FILES), *journals_of(folder, "outcomes")])
        try:
            manifest = self._manifest(folder)
        except InputError as error:
            return RunSummary(name, folder, State.DAMAGED, changed, problem=self._plain(error))
        identity = manifest["identity"]
        about: dict[str, Any] = {
            "programs": text(manifest.get("programs")),
            "benchmark": text(mapping(identity.get("benchmark")).get("name")),
            "profiles": tuple(profiles_in_order(map(str, mapping(identity.get("profiles"))))),
            "identity": identity,
        }
        run = self._finished(name, folder)
        if isinstance(run, InputError):
            return RunSummary(name, folder, State.DAMAGED, changed, None, **about, problem=self._plain(run))
        complete = manifest.get("samples_sha256") is not None and not journals_of(folder, "outcomes")
        state = state_of(folder, finished=run is not None and complete, changed=changed, locks=True)
        progress = None if state is State.FINISHED else self._progress(folder, manifest)
        return RunSummary(name, folder, state, changed, run, **about, progress=progress)

    def _manifest(self, folder: Path) -> Mapping[str, Any]:
        try:
            path = self._root.file(folder, "manifest.json")
        except NotThereError as error:
            raise InputError(
                f"{folder / 'manifest.json'} is not there, or can't be opened ({error})"
            ) from None
        found: dict[str, Any] = read_record(path, Begun, _ADVICE)
        return found

    def _finished(self, name: str, folder: Path) -> Run | InputError | None:
        """The numbers, kept until a file changes; `None` where there are none."""
        stamps = [self._root.stamp(folder, each) for each in ("manifest.json", "metrics.json")]
        if None in stamps:
            return None
        with self._lock:
            before = self._read.get(name)
        if before is not None and before[0] == stamps:
            return before[1]
        found: Run | InputError
        try:
            for each in ("manifest.json", "metrics.json"):
                self._root.file(folder, each)
            found = read_run(folder, None)
        except InputError as error:
            found = error
        except NotThereError as error:
            found = InputError(str(error))
        with self._lock:
            self._read[name] = (stamps, found)
        return found

    def _progress(self, folder: Path, manifest: Mapping[str, Any]) -> Progress:
        sampled, graded = (
            sum(self._lines(path) for path in (folder / f"{stem}.jsonl", *journals_of(folder, stem)))
            for stem in ("samples", "outcomes")
        )
        problems = mapping(manifest["identity"].get("benchmark")).get("problems")
        each = mapping(manifest.get("generation")).get("n", 1)
        wanted = problems * each if isinstance(problems, int) and isinstance(each, int) else None
        if "generation" not in manifest:  # programs that exist already
            wanted = sampled or wanted
        return Progress(sampled, graded, wanted)

    def _lines(self, path: Path) -> int:
        """The whole lines of a file that grows, of which only what is new is read."""
        try:
            real = self._root.file(path.parent, path.name, None)
            with real.open("rb") as stream:
                inode = real.stat().st_ino
                with self._lock:
                    known, size, lines = self._counted.get(path, (inode, 0, 0))
                if known != inode:
                    size = lines = 0
                stream.seek(size)
                while block := stream.read(_BLOCK):
                    size, lines = size + len(block), lines + block.count(b"\n")
        except (OSError, NotThereError):
            return 0
        with self._lock:
            self._counted[path] = (inode, size, lines)
        return lines

    def _plain(self, error: InputError) -> str:
        """An error in a line that names files from the shown folder on."""
        return one_line(str(error).replace(f"{self._root.path}/", ""))


def journals_of(folder: Path, stem: str) -> list[Path]:
    """The journals of `samples.jsonl`, `outcomes.jsonl` or `prompts.jsonl` that exist."""
    return RowFile(folder / f"{stem}.jsonl", _no_key, read=False).journals


def _no_key(row: Mapping[str, Any]) -> Key:
    return row["task_id"], ""
