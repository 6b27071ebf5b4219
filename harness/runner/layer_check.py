"""A look from outside at the processes of a fork server: the layers that no program in it can tell of.

Covers: namespaces, read-only mounts, the user, no_new_privs, capabilities, seccomp filters beyond our own,
limits, and the cgroup, as the kernel shows them in /proc. Does not cover: whether what Landlock and seccomp
refuse is the right thing, which the canary's escape tries; what /proc does not show to us (hidepid), which is
left to it as well; the watch, which other canaries try.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.runner.sandbox.isolation import DESCRIPTORS, PROCESSES

_NAMESPACES = {
    "user namespace": "user",
    "pid namespace": "pid",
    "network namespace": "net",
    "ipc namespace": "ipc",
    "read-only mounts": "mnt",
}
"""By layer, the kernel's name for what is to be another than ours."""
_READ_ONLY = "read-only mounts"
_LIMITS = {"Max open files": DESCRIPTORS, "Max core file size": 0}
_LIMITED = ("Max file size", "Max address space")
_STATUS = {"NoNewPrivs": "1", "CapEff": "0000000000000000", "CapPrm": "0000000000000000"}


def lacking(wanted: Mapping[str, str], had: Mapping[str, str]) -> list[str]:
    """Layers that are on in `wanted` and not in `had`, each with the reason."""
    return [
        f"{name} ({had.get(name, 'not there')})"
        for name, state in wanted.items()
        if state == "on" and had.get(name) != "on"
    ]


def exposes_judge(layers: Mapping[str, str], user: int) -> bool:
    """Whether a program could read and write the memory of the worker that judges it, started by `user`.

    Linux lets a process look into another of its own user, unless Landlock or a user namespace is between
    them; to a process of root, which has capabilities, one without them gets no access.
    """
    return (
        sys.platform == "linux"
        and user != 0
        and all(layers.get(name) != "on" for name in ("landlock", "user namespace"))
    )


def not_in_effect(server: int, layers: Mapping[str, str], groups: Sequence[str] = ()) -> list[str]:
    """Layers that are said to be on and do not hold for the processes that programs are copies of.

    Args:
        server: Process id of the fork server, as it was started.
        layers: As it reports them.
        groups: Names of the cgroups that were made for it.
    """
    found: set[str] = set()
    for pid in _last_descendants(server):
        try:
            found.update(_missing(pid, layers))
            if not _is_in(pid, groups):
                found.add("cgroup")
        except OSError:
            continue  # ended meanwhile, or not ours to look at
    return sorted(found)


def _is_in(pid: int, groups: Sequence[str]) -> bool:
    """Whether a process is in all of these cgroups, each in a hierarchy of its own."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    here = [line.rpartition("/")[2] for line in lines]
    return all(here.count(group) >= groups.count(group) for group in groups) or _has_ended(pid)


def _has_ended(pid: int) -> bool:
    return _status(pid)["State"][0] in "ZX"


def _missing(pid: int, layers: Mapping[str, str]) -> Iterator[str]:
    ours, theirs = _status("self"), _status(pid)
    if theirs["State"][0] in "ZX":
        return
    wanted = _STATUS | ({"Seccomp": "2"} if layers.get("seccomp") == "on" else {})
    yield from (f"{name} is {theirs[name]}" for name, value in wanted.items() if theirs[name] != value)
    # In a container we may be under a filter ourselves, which is inherited. Linux before 5.9 counts none.
    filters = [int(each.get("Seccomp_filters", count)) for count, each in enumerate((ours, theirs))]
    if layers.get("seccomp") == "on" and filters[0] >= filters[1]:
        yield "seccomp"
    if layers.get("unprivileged user") == "on" and {*ours["Uid"].split()} & {*theirs["Uid"].split()}:
        yield "unprivileged user"
    for layer, kind in _NAMESPACES.items():
        if layers.get(layer) == "on":
            links = {os.readlink(f"/proc/{who}/ns/{kind}") for who in ("self", pid)}
            if len(links) == 1:
                yield layer
    if layers.get(_READ_ONLY) == "on" and not _root_is_read_only(pid):
        yield _READ_ONLY
    yield from _not_limited(pid, processes=layers.get("user namespace") == "on")


def _status(pid: int | str) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.partition(":\t")[::2] for line in lines)


def _not_limited(pid: int, *, processes: bool) -> Iterator[str]:
    """What is used without the limit that it should have; processes are counted by user."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    hard = {line[:26].strip(): line[26:].split()[1] for line in lines}
    exact = _LIMITS | ({"Max processes": PROCESSES} if processes else {})
    yield from (f"{name} is {hard[name]}" for name, value in exact.items() if hard[name] != str(value))
    yield from (f"{name} is {hard[name]}" for name in _LIMITED if hard[name] == "unlimited")


def _root_is_read_only(pid: int) -> bool:
    roots = [
        fields[5]
        for fields in map(str.split, Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
        if fields[4] == "/"
    ]
    return all("ro" in options.split(",") for options in roots[-1:])


def _last_descendants(pid: int) -> Iterator[int]:
    """Processes below this one that have none below them: itself, if it has none."""
    below = [child for task in Path(f"/proc/{pid}/task").glob("*/children") for child in _numbers(task)]
    if not below:
        yield pid
    for child in below:
        yield from _last_descendants(child)


def _numbers(path: Path) -> list[int]:
    try:
        return [int(number) for number in path.read_text().split()]
    except OSError:
        return []
