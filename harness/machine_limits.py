"""What of the machine this process may use: processors, its share of them, and memory.

Covers: affinity, what Python was told (`PYTHON_CPU_COUNT`, from 3.13), limits of control groups of version 1
and 2, such as a container's, several processes of one launch. Does not cover: what else runs on the machine.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_LOCAL_SIZE = ("LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")
_LOCAL_RANK = ("LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")
"""As torchrun (so `accelerate launch`), Open MPI and Intel MPI name them."""


def available_processors(root: Path = Path("/")) -> int:
    """Processors that this process may use, at least 1; a quota of two and a half is two.

    Args:
        root: Where `proc` and `sys` are.
    """
    count = getattr(os, "process_cpu_count", None)  # Python 3.13
    allowed = (count() if count else len(os.sched_getaffinity(0))) or 1
    return max(1, int(min([allowed, *_quotas(root)])))


def available_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that this process may use.

    Args:
        root: Where `proc` and `sys` are.

    Raises:
        ValueError: If the system does not say how much there is.
    """
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min([physical, *_memory_limits(root)]))


def local_share(count: int, environment: Mapping[str, str] | None = None) -> int:
    """Of `count` on this machine, how many are this process's, at least 1.

    Args:
        count: To be divided among the processes that a launcher started here.
        environment: Where it says which of them this is; the process's own by default.
    """
    found = os.environ if environment is None else environment
    size, rank = _number(found, _LOCAL_SIZE, 1), _number(found, _LOCAL_RANK, 0)
    return max(1, count // size + (rank < count % size))


def _number(environment: Mapping[str, str], names: tuple[str, ...], default: int) -> int:
    texts = [environment[name] for name in names if environment.get(name, "").isdecimal()]
    return max(default, int(texts[0])) if texts else default


def _quotas(root: Path) -> Iterator[float]:
    """Processors that the control groups around this process allow; none for those without a limit."""
    for file in _settings(root, "cpu", "cpu.max", "cpu.cfs_quota_us"):
        try:
            words = file.read_text().split()
            period = words[1] if len(words) > 1 else (file.parent / "cpu.cfs_period_us").read_text()
            quota = int(words[0]) / int(period)
        except (OSError, ValueError, ZeroDivisionError, IndexError):
            continue  # not there, "max", or nothing that can be read
        if quota > 0:  # version 1 says -1 for no limit
            yield quota


def _memory_limits(root: Path) -> Iterator[int]:
    """Bytes that the control groups around this process allow; none for those without a limit."""
    for file in _settings(root, "memory", "memory.max", "memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # as above
            yield int(file.read_text())


def _settings(root: Path, controller: str, name: str, name_in_v1: str) -> Iterator[Path]:
    """The files in which the groups around this process may have a setting."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    mounts = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not controllers:
            yield from _upwards(mounts, path, name)
        elif controller in controllers.split(","):
            yield from _upwards(mounts / controllers, path, name_in_v1)
            yield from _upwards(mounts / controller, path, name_in_v1)


def _upwards(mount: Path, path: str, name: str) -> Iterator[Path]:
    """Of a group and of all above it; in a container the mount's own folder may be the group's."""
    group = Path(path.strip("/"))
    for folder in (group, *group.parents):
        yield mount / folder / name
