"""The layers that keep a program in: namespaces and mounts once per fork server, the rest per child.

Stops: files outside the scratch folder (Landlock, read-only mounts), the network, new programs and
processes, signals to others and tracing (seccomp), privileges (capabilities, no_new_privs), runaway
memory, files and descriptors (rlimits). Does not stop: bugs of the kernel itself; and where the
kernel lacks a layer, what that layer stops. `enter` says which are missing and why.

The seccomp program is built by `harness.runner.seccomp` in the judge and arrives here as bytes.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

_libc: Any = ctypes.CDLL(None, use_errno=True)
_syscall, _prctl = _libc.syscall, _libc.prctl

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER = 0x00020000, 0x08000000, 0x10000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 1, 38, 22
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 1, 2, 4, 16384, 1 << 18
_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1
_CAPABILITY_VERSION_3 = 0x20080522

SCRATCH_MIB = 64
"""Size of the scratch file system: all files of one program together."""

# Landlock's access rights by the ABI version that brought them (linux/landlock.h).
_READ = 0b1100  # READ_FILE | READ_DIR
_WRITE_V1 = 0b1_1111_1111_0010  # WRITE_FILE, REMOVE_*, MAKE_*: all of version 1 but EXECUTE and the reads
_EXECUTE, _REFER, _TRUNCATE, _IOCTL_DEV = 1, 1 << 13, 1 << 14, 1 << 15


class LayerError(OSError):
    """The kernel refused a layer."""


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise LayerError(code, f"{what}: {os.strerror(code)}")
    return result


def moved_up(fd: int) -> int:
    """The descriptor under a number that no program's process gives a meaning to."""
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return high


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; exit now if it already has."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def enter_namespaces(scratch: str) -> dict[str, str]:
    """Leave the host's namespaces; call before any thread or import of weight.

    Returns:
        Layer name to `"on"`, or to the reason why it is missing. A pid namespace holds for the
        processes forked from now on.
    """
    layers: dict[str, str] = {}
    uid, gid = os.getuid(), os.getgid()

    def user() -> None:
        _unshare(CLONE_NEWUSER)
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)

    _try(layers, "user namespace", user)
    for name, flag in (("pid", CLONE_NEWPID), ("network", CLONE_NEWNET), ("ipc", CLONE_NEWIPC)):
        _try(layers, f"{name} namespace", partial(_unshare, flag))
    _try(layers, "read-only mounts", lambda: _mount_read_only(scratch))
    return layers


def _unshare(flag: int) -> None:
    _check(_libc.unshare(flag), "unshare")


def _try(layers: dict[str, str], name: str, action: Callable[[], object]) -> None:
    try:
        action()
        layers[name] = "on"
    except OSError as error:
        layers[name] = str(error)


def _mount_read_only(scratch: str) -> None:
    _unshare(CLONE_NEWNS)
    _check(_libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount(private)")
    attributes = struct.pack("<QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    _check(
        _libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, len(attributes)),
        "mount_setattr(read-only)",
    )
    options = f"size={SCRATCH_MIB}m,mode=700,nr_inodes=4096".encode()
    _check(_libc.mount(b"tmpfs", scratch.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options), "mount(tmpfs)")


def landlock_ruleset(readable: Sequence[str], scratch: str) -> int:
    """Make a ruleset that each child enters: read `readable`, read and write `scratch`, nothing else.

    Returns:
        Its file descriptor.

    Raises:
        LayerError: If the kernel has no Landlock.
    """
    abi = _check(_libc.syscall(_SYS_LANDLOCK_CREATE, None, 0, 1), "landlock")
    handled = _EXECUTE | _READ | _WRITE_V1
    writable = _READ | _WRITE_V1
    for version, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        if abi >= version:
            handled |= right
            writable |= right & (_REFER | _TRUNCATE)
    network = 0b11 if abi >= 4 else 0
    scoped = 0b11 if abi >= 6 else 0
    attributes = struct.pack("<QQQ", handled, network, scoped)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _check(_libc.syscall(_SYS_LANDLOCK_CREATE, attributes, len(attributes), 0), "landlock")
    for path in readable:
        _landlock_allow(ruleset, path, _READ)
    _landlock_allow(ruleset, "/dev/null", 0b110 | (_TRUNCATE if abi >= 3 else 0))
    _landlock_allow(ruleset, scratch, writable)
    return moved_up(ruleset)


def _landlock_allow(ruleset: int, path: str, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            access &= ~(1 << 3)  # READ_DIR on a file is an error
        rule = struct.pack("<Qi", access, fd)
        _check(_libc.syscall(_SYS_LANDLOCK_ADD, ruleset, 1, rule, 0), f"landlock rule for {path}")
    finally:
        os.close(fd)


class Confinement:
    """What every child enters, prepared once in the fork server so that entering is a few system calls."""

    def __init__(
        self,
        *,
        seccomp: bytes,
        pid_offsets: Sequence[int],
        landlock: int | None,
        own_user_namespace: bool,
        memory_mib: int,
        file_mib: int,
    ) -> None:
        """
        Args:
            seccomp: BPF program, 8 bytes an instruction; empty where seccomp is missing.
            pid_offsets: Byte offsets in it at which the child writes its own pid.
            landlock: Ruleset descriptor, or `None` where Landlock is missing.
            own_user_namespace: Whether the process limit counts only processes of this server.
            memory_mib: Address space allowed beyond this process's own.
            file_mib: Largest file that a program, or the server for it, may write.
        """
        self._filter, self._program = _seccomp_program(seccomp)
        self._pid_offsets = tuple(pid_offsets)
        self._landlock = landlock
        with open("/proc/self/statm") as file:
            own = int(file.read().split()[0]) * resource.getpagesize()
        self._limits = {
            resource.RLIMIT_AS: own + (memory_mib << 20),
            resource.RLIMIT_FSIZE: file_mib << 20,
            resource.RLIMIT_NOFILE: 256,
            resource.RLIMIT_CORE: 0,
        }
        if own_user_namespace:
            self._limits[resource.RLIMIT_NPROC] = 256

    def enter_server(self) -> None:
        """Confine the fork server itself, with all but its filter that it can share with its children."""
        for which, value in self._limits.items():
            resource.setrlimit(which, (value, value))
        _check(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        _check(_libc.capset(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), bytes(24)), "capset")

    def filter_server(self, seccomp: bytes) -> None:
        """Have the fork server, and so its children, make only the system calls that this program allows."""
        if seccomp:
            memory, program = _seccomp_program(seccomp)
            _check(_libc.prctl(PR_SET_SECCOMP, 2, program, 0, 0), "seccomp")
            del memory  # kept until the kernel had read it

    def enter(self) -> None:
        """Confine the calling process further, for good. Only a freshly forked child calls this."""
        if self._landlock is not None and _syscall(_SYS_LANDLOCK_RESTRICT, self._landlock, 0) < 0:
            raise LayerError(ctypes.get_errno(), "landlock_restrict_self")
        if self._pid_offsets:
            pid = os.getpid().to_bytes(4, sys.byteorder)
            for offset in self._pid_offsets:
                self._filter[offset : offset + 4] = pid
            if _prctl(PR_SET_SECCOMP, 2, self._program, 0, 0) < 0:
                raise LayerError(ctypes.get_errno(), "seccomp")


def _seccomp_program(code: bytes) -> tuple[Any, bytes]:
    """A filter in memory that the kernel reads, and the `sock_fprog` that points to it."""
    memory = ctypes.create_string_buffer(code, max(1, len(code)))
    return memory, struct.pack("@HP", len(code) // 8, ctypes.addressof(memory))
