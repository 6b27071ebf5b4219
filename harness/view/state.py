"""Whether a run is at work, was left, or has ended: from locks and times, without touching either.

Does not cover: what it has done so far (`harness.view.runs`, `harness.view.trainings`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

_RECENT = 180.0
"""Seconds: a run whose files were written so lately is taken to be at work. One whose lock can't be seen from
here, as on another machine, and a training, which has no lock, are told by this alone."""
_LOCKS = Path("/proc/locks")
_FIELDS = 6


class State(StrEnum):
    """How a run or a training stands."""

    FINISHED = "finished"
    RUNNING = "running"
    UNFINISHED = "unfinished"
    """Nobody is at work on it: it was interrupted or killed, and its command goes on with it."""
    DAMAGED = "damaged"
    """Its files can't be read."""


def state_of(folder: Path, *, finished: bool, changed: float) -> State:
    """How a run stands whose files can be read.

    Args:
        folder: Of the run.
        finished: Whether all of its files are there.
        changed: When its files were last written, in seconds since 1970.
    """
    if _is_locked(folder):
        return State.RUNNING
    if finished:
        return State.FINISHED
    return State.RUNNING if time.time() - changed < _RECENT else State.UNFINISHED


def last_change(files: Iterable[Path]) -> float:
    """When the newest of some files was written, in seconds since 1970; 0 where there is none."""
    times = []
    for path in files:
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)


def _is_locked(folder: Path) -> bool:
    """Whether a process holds the lock of a run folder.

    By the kernel's list: to try the lock would have a run that starts just then find it taken.
    """
    try:
        inode = str(folder.stat().st_ino)
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return False
    held = (line.split() for line in lines)
    return any(
        len(part) >= _FIELDS and part[1] == "FLOCK" and part[5].rpartition(":")[2] == inode for part in held
    )
