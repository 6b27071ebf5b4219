"""A run of wandb or trackio that belongs to a folder: work that goes on there goes on with it.

Covers: which run that is (`trackers.json` in the folder), opening it, logging, what was told already; one
line for whatever the packages raise. Does not cover: what is told (`harness.publish.trackers`,
`rltf.monitoring.trackers`).
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.files import write_json
from harness.text import one_line

TRACKERS = ("wandb", "trackio")
FILE = "trackers.json"
_PROJECT = "rltf"


class TrackerError(InputError):
    """What a tracker's package raised, in one line."""


def is_missing(name: str) -> bool:
    """Whether the package of a tracker is not installed."""
    return find_spec(name) is None


class TrackedRun:
    """The run of one tracker that is a folder's.

    The project is that of the tracker's own variable (`WANDB_PROJECT`, `TRACKIO_PROJECT`), or `rltf`; of
    another project it is another run. What the packages print goes to stderr: stdout is the command's own.
    """

    def __init__(self, name: str, folder: Path, *, project: str | None = None) -> None:
        """Nothing is opened yet.

        Args:
            name: One of `TRACKERS`.
            folder: Where its id is kept.
            project: Of the tracker, over its variable.
        """
        self.name = name
        self._folder = folder
        self._project = project or os.environ.get(f"{name.upper()}_PROJECT") or _PROJECT
        kept = _read(folder).get(name, {})
        kept = kept if isinstance(kept, dict) and kept.get("project") == self._project else {}
        own = os.environ.get("WANDB_RUN_ID") if name == "wandb" else None
        self._id = str(own or kept.get("id") or secrets.token_hex(4))
        told = kept.get("told") if kept.get("id") == self._id else None
        self._told = {str(each) for each in told} if isinstance(told, list) else set()
        self._package: Any = None

    def open(self, config: Mapping[str, Any], *, label: str | None = None, **options: Any) -> None:
        """Begin the run, or go on with it, and keep its id.

        Args:
            config: What the run is; what is no plain value becomes text.
            label: For people; the folder's name if there is none.
            options: Further ones of the package's `init`.

        Raises:
            TrackerError: If it can't be opened: no login, no network, no package.
        """
        shown = label or self._folder.resolve().name
        if self.name == "wandb":
            options |= {"id": self._id}
            options |= {} if os.environ.get("WANDB_NAME") and label is None else {"name": shown}
        else:
            # trackio finds the run to go on with by its name, and folders of one name are many.
            options |= {"name": f"{shown}-{self._id}"}
        plain = json.loads(json.dumps(config, default=str))
        with self._in_one_line():
            package = import_module(self.name)
            package.init(project=self._project, config=plain, resume="allow", **options)
            self._package = package
            self._keep()

    def log(self, numbers: Mapping[str, Any], *, step: int | None = None, axis: str | None = None) -> None:
        """Log one row.

        Args:
            numbers: By name.
            step: Of training.
            axis: Name of the step, for wandb, whose own steps can't go back to those of a checkpoint.

        Raises:
            TrackerError: If the package fails.
        """
        with self._in_one_line():
            if self.name == "wandb":
                self._package.log({**numbers, **({axis: step} if axis else {})})
            else:
                self._package.log(dict(numbers), **({} if step is None else {"step": step}))

    def axis(self, name: str, numbers: str) -> None:
        """Have wandb draw `numbers`, a pattern, over the number `name`."""
        if self.name == "wandb":
            with self._in_one_line():
                self._package.define_metric(name)
                self._package.define_metric(numbers, step_metric=name)

    def was_told(self, numbers: Mapping[str, Any]) -> bool:
        """Whether `note_told` was called with the same numbers, in this run."""
        return _digest(numbers) in self._told

    def note_told(self, numbers: Mapping[str, Any]) -> None:
        """Remember that these numbers need not be told again."""
        self._told.add(_digest(numbers))
        with self._in_one_line():
            self._keep()

    def finish(self, *, failed: bool = False) -> None:
        """End it.

        Raises:
            TrackerError: If what was logged can't be sent.
        """
        with self._in_one_line():
            self._package.finish(**({"exit_code": int(failed)} if self.name == "wandb" else {}))

    def _keep(self) -> None:
        entry = {"project": self._project, "id": self._id, "told": sorted(self._told)}
        write_json(self._folder / FILE, _read(self._folder) | {self.name: entry})

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        try:
            with redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # whatever a package or its service says
            said = one_line(str(error)) or type(error).__name__
            raise TrackerError(f"{self.name} was not told: {said}") from None


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(numbers: Mapping[str, Any]) -> str:
    return sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]
