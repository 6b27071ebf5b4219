"""Leaving the host's namespaces, and its users: once for each server, before anything else.

Where a server is started by root, programs run as a user of their own: limits that the kernel counts by user
bind, and belong to this server alone. Folders that this user could not enter (an interpreter under root's
home) are mounted where it can.
Does not cover: what else keeps a program in (`isolation`).
"""

from __future__ import annotations

import os
import signal
import stat
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from . import clone, libc
from .isolation import LayerError, check, die_with_parent

_NEWNS, _NEWIPC, _NEWNET = 0x00020000, 0x08000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 2, 4, 16384, 1 << 18
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1
_OPEN_TREE_CLONE, _CLOEXEC, _MOVE_MOUNT_FROM_FD = 1, os.O_CLOEXEC, 4
_PR_SET_DUMPABLE = 4

SCRATCH_MIB = 64
"""Size of the scratch file system: all files of one program together."""
NOBODY = 65534
_FIRST_USER = 2_000_000_000
"""Beyond what distributions give to people, services and containers: each server takes one from here on."""


class Server(NamedTuple):
    """Where the calling process finds itself."""

    layers: dict[str, str]
    """Name to `"on"`, or to the reason why it is missing."""
    alone: bool
    """Whether what the kernel counts by user is counted for this server alone."""


_PROCESS_NAMESPACES = {"user namespace": clone.NEWUSER, "pid namespace": clone.NEWPID}
"""Those that begin with a process."""


def enter(scratch: str, needed: Sequence[str], without: Sequence[str]) -> Server:
    """Go on in a new process, in namespaces of its own and as a user without rights.

    The calling process waits for the new one, and ends with it. Call before any thread or import of weight.

    Args:
        scratch: The folder that programs may write to.
        needed: What programs must be able to read.
        without: Layers to leave out, for tests of what the others hold alone.

    Raises:
        PermissionError: If a folder can't be read by the user that programs would run as.
    """
    root = os.geteuid() == 0
    layers, told = _new_process(without)
    inside, outside = struct.unpack("=qq", os.read(told, 16))
    os.close(told)
    for name, flag in (("network", _NEWNET), ("ipc", _NEWIPC)):
        _try(layers, f"{name} namespace", partial(_unshare, flag), without)
    _try(layers, "read-only mounts", partial(_mount, scratch, needed, inside if root else None), without)
    alone = layers["user namespace"] == "on"
    if root:
        _try(layers, "unprivileged user", partial(_become, inside, needed, scratch), without)
        alone = alone or (layers["unprivileged user"] == "on" and outside >= _FIRST_USER)
    return Server(layers, alone)


def _new_process(without: Sequence[str]) -> tuple[dict[str, str], int]:
    """Go on in a new process with what the kernel gives; returns layers, and where to read its users from."""
    layers: dict[str, str] = {}
    wanted = [name for name in _PROCESS_NAMESPACES if name not in without]
    told, tell = os.pipe()
    outer = os.getpid()
    for spaces in (wanted, wanted[:1], wanted[1:], []):
        users = _FIRST_USER + outer, _FIRST_USER + outer
        try:
            pid = clone.clone(sum(_PROCESS_NAMESPACES[name] for name in spaces))
            if pid and "user namespace" in spaces:
                users = _map_users(pid)
            break
        except OSError as error:
            layers = dict.fromkeys(_PROCESS_NAMESPACES, str(error))
    if pid:
        os.close(told)
        os.write(tell, struct.pack("=qq", *users))
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    os.close(tell)
    die_with_parent(0 if "pid namespace" in spaces else outer)
    layers |= dict.fromkeys(without, _LEFT_OUT) | dict.fromkeys(spaces, "on")
    return {name: layers[name] for name in _PROCESS_NAMESPACES}, told


def _map_users(pid: int) -> tuple[int, int]:
    """Give a new user namespace its users.

    Returns:
        The user that programs run as: within it, and outside.

    Raises:
        LayerError: If the kernel refuses them; the process that was to have them has been ended.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        for outside in (_FIRST_USER + pid, NOBODY):
            text = f"0 0 1\n{NOBODY} {outside} 1"
            try:
                _write(pid, gid_map=text)
                _write(pid, uid_map=text)
            except OSError:
                continue
            return NOBODY, outside
    try:
        _write(pid, setgroups="deny", gid_map=f"{gid} {gid} 1", uid_map=f"{uid} {uid} 1")
    except OSError as error:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise LayerError(error.errno, f"no users for it: {error.strerror}") from None
    return uid, uid


def _write(pid: int, **texts: str) -> None:
    for name, text in texts.items():
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(text)


def _unshare(flag: int) -> None:
    check(libc.calls.unshare(flag), "unshare")


_LEFT_OUT = "left out"


def _try(layers: dict[str, str], name: str, action: Callable[[], object], without: Sequence[str]) -> None:
    if name in without:
        layers[name] = _LEFT_OUT
        return
    try:
        action()
        layers[name] = "on"
    except LayerError as error:
        layers[name] = str(error)


# --- mounts --------------------------------------------------------------------------------------


def _mount(scratch: str, needed: Sequence[str], user: int | None) -> None:
    """Make all that is mounted read-only, and the scratch folder a file system of its own.

    Args:
        scratch: That folder.
        needed: What is made to be read by a user without rights, wherever it lies.
        user: That user, if it is not the one that this process runs as.
    """
    unshare_mounts()
    if user:
        expose([*needed, scratch])
    attributes = struct.pack("<QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    check(
        libc.calls.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, len(attributes)),
        "mount_setattr(read-only)",
    )
    options = f"size={SCRATCH_MIB}m,mode=700,nr_inodes=4096"
    _mount_tmpfs(scratch, options if not user else f"{options},uid={user},gid={user}")


def unshare_mounts() -> None:
    """Have mounts of one's own: what is mounted from here on is seen here alone."""
    _unshare(_NEWNS)
    check(libc.calls.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mount(private)")


def _mount_tmpfs(path: str, options: str) -> None:
    flags = _MS_NOSUID | _MS_NODEV
    check(libc.calls.mount(b"tmpfs", path.encode(), b"tmpfs", flags, options.encode()), "mount(tmpfs)")


def expose(paths: Sequence[str]) -> None:
    """Put those paths that others can't get at where they can, under the names that they have.

    Call after `unshare_mounts`.
    """
    behind: dict[str, list[tuple[str, int]]] = {}
    for path in sorted(
        {spelling(path) for path in paths for spelling in (os.path.abspath, os.path.realpath)}
    ):
        closed = _closed_ancestor(path)
        if closed:
            flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | _CLOEXEC
            tree = check(
                libc.calls.syscall(_SYS_OPEN_TREE, _AT_FDCWD, path.encode(), flags), f"open_tree({path})"
            )
            behind.setdefault(closed, []).append((path, tree))
    for closed, trees in behind.items():
        _mount_tmpfs(closed, "size=1m,mode=755")
        for path, tree in trees:
            if not os.path.lexists(path):
                _make_mount_point(path, os.fstat(tree).st_mode)
            check(
                libc.calls.syscall(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, path.encode(), _MOVE_MOUNT_FROM_FD),
                f"move_mount({path})",
            )
            os.close(tree)


def _closed_ancestor(path: str) -> str:
    """The first folder on the way that not everybody can enter; empty if there is none."""
    parts = path.split(os.sep)
    for length in range(2, len(parts)):
        folder = os.sep.join(parts[:length])
        if not os.stat(folder).st_mode & stat.S_IXOTH:
            return folder
    return ""


def _make_mount_point(path: str, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if stat.S_ISDIR(mode):
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))


# --- users ---------------------------------------------------------------------------------------


def _become(user: int, needed: Iterable[str], scratch: str) -> None:
    """Become a user without rights, for good, to whom the scratch folder belongs.

    Raises:
        LayerError: If there is none to be had.
        PermissionError: If that user can't read what it needs.
    """
    if not user:
        raise LayerError("root has no other user here")
    _try_to_read(user, needed)
    try:
        os.chown(scratch, user, user)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError as error:
        raise LayerError(error.errno, f"setresuid: {error.strerror}") from None
    # What a change of users takes away: the look at one's own /proc, and the end with the parent.
    check(libc.calls.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")
    die_with_parent(os.getppid())


def _try_to_read(user: int, needed: Iterable[str]) -> None:
    try:
        os.setegid(user)
        os.seteuid(user)
    except OSError as error:
        raise LayerError(error.errno, f"seteuid: {error.strerror}") from None
    try:
        for path in needed:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    finally:
        os.seteuid(0)
        os.setegid(0)
