"""Whether a run is at work, was left, or has ended: from locks and times, without touching either.

A run that was killed is told at once where its lock would be seen: its folder on a disk of this machine, and
this process outside of containers. Elsewhere, as on a network's disk, it counts as at work for three minutes.
Does not cover: what it has done so far (`harness.view.runs`, `harness.view.trainings`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

_RECENT = 180.0
"""Seconds: a run whose files were written so lately is taken to be at work, where no lock can tell. A
training by others than `rltf train` has none."""
_LOCKS = Path("/proc/locks")
_NAMESPACE = Path("/proc/self/ns/pid")
_FIRST_NAMESPACE = 0xEFFFFFFC
"""Inode of the first namespace of processes (the kernel's PROC_PID_INIT_INO): what is locked by processes of
another one is not in the list of locks, except in the first, which has all."""
_FIELDS = 6


class State(StrEnum):
    """How a run or a training stands."""

    FINISHED = "finished"
    RUNNING = "running"
    UNFINISHED = "unfinished"
    """Nobody is at work on it: it was interrupted or killed, and its command goes on with it."""
    DAMAGED = "damaged"
    """Its files can't be read."""


def state_of(folder: Path, *, finished: bool, changed: float, locks: bool) -> State:
    """How a run stands whose files can be read.

    Args:
        folder: Of the run.
        finished: Whether all of its files are there.
        changed: When its files were last written, in seconds since 1970.
        locks: Whether who works on it keeps the folder locked, as `rltf` does.
    """
    if _is_locked(folder):
        return State.RUNNING
    if finished:
        return State.FINISHED
    if locks and _every_lock_is_seen(folder):
        return State.UNFINISHED
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


def _every_lock_is_seen(folder: Path) -> bool:
    """Whether a lock of the folder would be in the kernel's list, whoever held it.

    Disks that other machines may have mounted, too, have no device of their own: their major number is 0. So
    have btrfs, overlays and memory, for which time alone tells.
    """
    try:
        return _NAMESPACE.stat().st_ino == _FIRST_NAMESPACE and os.major(folder.stat().st_dev) != 0
    except OSError:
        return False


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
