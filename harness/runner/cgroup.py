"""A cgroup for each server, where one can be had: as root, or in a delegated part of the tree.

The kernel then counts processes and memory of a server's programs together, whoever runs them. Version 2, or
the controllers `pids` and `memory` of version 1. Optional: where none can be had, limits per process hold.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

_OWN = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "rltf-"
_REMOVING_SECONDS, _PAUSE_SECONDS = 2.0, 0.01


class Cgroup:
    """A group with limits, in as many hierarchies as it takes."""

    def __init__(self, number: int, *, processes: int, memory_mib: int) -> None:
        """Make it, or what can be had of it; never raises.

        Args:
            number: Which of this process's.
            processes: How many processes and threads it may hold.
            memory_mib: How much memory, files in memory included.
        """
        self.limits: list[str] = []
        """Which limits hold: `pids`, `memory`."""
        self._folders: list[Path] = []
        wanted = {"pids": {"pids.max": str(processes)}, "memory": {
            "memory.max": str(memory_mib << 20), "memory.limit_in_bytes": str(memory_mib << 20),
        }}  # fmt: skip
        name = f"{_PREFIX}{os.getpid()}-{number}"
        for parent, controllers in _parents().items():
            folder = parent / name
            try:
                folder.mkdir()
            except OSError:
                continue
            held = [each for each in controllers if each in wanted and _limit(folder, wanted[each])]
            if held:
                self._folders.append(folder)
                self.limits += held
            else:
                _remove(folder)

    @property
    def files(self) -> list[str]:
        """Where a process writes itself into it."""
        return [str(folder / "cgroup.procs") for folder in self._folders]

    @property
    def names(self) -> list[str]:
        """Of its folder in each hierarchy."""
        return [folder.name for folder in self._folders]

    def close(self) -> None:
        """Remove it; its processes have been ended."""
        for folder in self._folders:
            _remove(folder)


def sweep() -> None:
    """Remove the groups that workers left behind when they were killed."""
    for parent in _parents():
        for folder in parent.glob(f"{_PREFIX}*-*"):
            pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if pid.isdigit() and not Path("/proc", pid).exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _limit(folder: Path, settings: Mapping[str, str]) -> bool:
    """Set the one that this version of cgroups has; whether there was one."""
    for name, value in settings.items():
        with contextlib.suppress(OSError):
            if (folder / name).exists():
                (folder / name).write_text(value)
                return True
    return False


def _parents() -> dict[Path, list[str]]:
    """The groups that this process is in, by the controllers that count there."""
    parents: dict[Path, list[str]] = {}
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:
        return parents
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers:
            mount = _ROOT / controllers.removeprefix("name=")
            parents[mount / path.lstrip("/")] = controllers.split(",")
        else:
            for mount in (_ROOT, _ROOT / "unified"):
                if (mount / "cgroup.controllers").exists():
                    parents[mount / path.lstrip("/")] = ["pids", "memory"]
    return parents


def _remove(folder: Path) -> None:
    """Remove a group; the kernel lets go of it a moment after the last of its processes has ended."""
    until = time.monotonic() + _REMOVING_SECONDS
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > until:
                return
            time.sleep(_PAUSE_SECONDS)
