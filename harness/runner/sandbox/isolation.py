"""The layers that keep a program in, but for the namespaces (`namespaces`): Landlock, seccomp, limits.

Stops: files outside the scratch folder (Landlock), new programs and processes, sockets, signals to others and
tracing (seccomp), privileges (capabilities, no_new_privs), runaway memory, files and descriptors (rlimits).
Does not stop: bugs of the kernel itself; and where the kernel lacks a layer, what that layer stops.

The seccomp program is built by `harness.runner.seccomp` in the worker and arrives here as bytes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Sequence
from typing import Any

from . import libc

_syscall, _prctl = libc.calls.syscall, libc.calls.prctl

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 1, 38, 22
_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446
_CAPABILITY_VERSION_3 = 0x20080522

DESCRIPTORS = 64
"""Open at once: pipes hold memory that the kernel counts by user, and so for all programs together."""
PROCESSES = 256
_INSTRUCTION_BYTES = 8
"""Of a BPF program."""
_DISPATCHER_MIB = 1024

# Landlock's access rights by the ABI version that brought them (linux/landlock.h).
_READ = 0b1100  # READ_FILE | READ_DIR
_WRITE_V1 = 0b1_1111_1111_0010  # WRITE_FILE, REMOVE_*, MAKE_*: all of version 1 but EXECUTE and the reads
_EXECUTE, _REFER, _TRUNCATE, _IOCTL_DEV = 1, 1 << 13, 1 << 14, 1 << 15


class LayerError(OSError):
    """The kernel refused a layer."""


def check(result: int, what: str) -> int:
    """What a call returned, if it did not fail.

    Raises:
        LayerError: If it did.
    """
    return libc.checked(result, what, LayerError)


def moved_up(fd: int) -> int:
    """The descriptor under a number that no program's process gives a meaning to."""
    high = libc.fcntl(fd, libc.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return high


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; exit now if it already has."""
    libc.calls.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def landlock_ruleset(readable: Sequence[str], scratch: str) -> int:
    """Make a ruleset that each child enters: read `readable`, read and write `scratch`, nothing else.

    Returns:
        Its file descriptor.

    Raises:
        LayerError: If the kernel has no Landlock.
    """
    abi = check(libc.calls.syscall(_SYS_LANDLOCK_CREATE, None, 0, 1), "landlock")
    handled = _EXECUTE | _READ | _WRITE_V1
    writable = _READ | _WRITE_V1
    for version, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        if abi >= version:
            handled |= right
            writable |= right & (_REFER | _TRUNCATE)
    network = 0b11 if abi >= 4 else 0
    scoped = 0b11 if abi >= 6 else 0
    attributes = struct.pack("<QQQ", handled, network, scoped)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = check(libc.calls.syscall(_SYS_LANDLOCK_CREATE, attributes, len(attributes), 0), "landlock")
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
        check(libc.calls.syscall(_SYS_LANDLOCK_ADD, ruleset, 1, rule, 0), f"landlock rule for {path}")
    finally:
        os.close(fd)


class Confinement:
    """What programs' processes are confined by, prepared once.

    The template enters nearly all of it, and hands it on. What is left to each process is a few system calls.
    """

    def __init__(
        self,
        *,
        filters: tuple[bytes, bytes],
        pid_offsets: Sequence[int],
        landlock: int | None,
        limit_processes: bool,
        memory_mib: int,
        file_mib: int,
    ) -> None:
        """
        Args:
            filters: BPF programs, 8 bytes an instruction, of our processes and of a program's; empty where
                seccomp is missing.
            pid_offsets: Byte offsets in the second at which each process writes its own pid.
            landlock: Ruleset descriptor, or `None` where Landlock is missing.
            limit_processes: Whether the limit on processes counts those of this server only.
            memory_mib: Address space allowed beyond this process's own.
            file_mib: Largest file that a program, or the server for it, may write.
        """
        self._server_filter, own_filter = filters
        self._filter, self._program = _seccomp_program(own_filter)
        self._words = memoryview(self._filter).cast("B").cast("I")
        self._own_pid = [offset // 4 for offset in pid_offsets]
        """Which words of the filter a process writes its own into."""
        self._landlock = landlock
        with open("/proc/self/statm") as file:
            self._own = int(file.read().split()[0]) * libc.PAGE_BYTES
        self._memory = memory_mib << 20
        self._limits = {
            libc.RLIMIT_FSIZE: file_mib << 20,
            libc.RLIMIT_NOFILE: DESCRIPTORS,
            libc.RLIMIT_CORE: 0,
        }
        if limit_processes:
            self._limits[libc.RLIMIT_NPROC] = PROCESSES

    def enter_dispatcher(self) -> None:
        """Confine the process that reads what programs leave behind."""
        self._drop_privileges()
        # It holds what programs say, a few times over.
        libc.limit(libc.RLIMIT_AS, self._own + (_DISPATCHER_MIB << 20))
        libc.limit(libc.RLIMIT_CORE, 0)
        self._filter_calls()

    def enter_template(self) -> None:
        """Take rights and limits from the process that programs' processes are copies of."""
        self._drop_privileges()
        for which, value in self._limits.items():
            libc.limit(which, value)
        libc.limit(libc.RLIMIT_AS, self._own + self._memory)

    def close_template(self) -> None:
        """Confine it to what it needs once it has looked at itself: neither files of the system nor calls."""
        self._enter_landlock()
        self._filter_calls()

    def _drop_privileges(self) -> None:
        check(libc.calls.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        check(libc.calls.capset(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), bytes(24)), "capset")

    def _filter_calls(self) -> None:
        """Have this process, and so those that it makes, make only the system calls that we need."""
        if self._server_filter:
            memory, program = _seccomp_program(self._server_filter)
            check(libc.calls.prctl(PR_SET_SECCOMP, 2, program, 0, 0), "seccomp")
            del memory  # kept until the kernel had read it

    def _enter_landlock(self) -> None:
        if self._landlock is not None:
            check(_syscall(_SYS_LANDLOCK_RESTRICT, self._landlock, 0), "landlock_restrict_self")

    def enter(self) -> None:
        """Confine the calling process further, for good. Only a program's process calls this."""
        if not self._own_pid:
            # Nothing else keeps it from tracing the template: a Landlock domain below the template's does.
            self._enter_landlock()
            return
        for index in self._own_pid:
            self._words[index] = os.getpid()
        if _prctl(PR_SET_SECCOMP, 2, self._program, 0, 0) < 0:
            raise LayerError(ctypes.get_errno(), "seccomp")


def _seccomp_program(code: bytes) -> tuple[Any, bytes]:
    """A filter in memory that the kernel reads, and the `sock_fprog` that points to it."""
    memory = ctypes.create_string_buffer(code, max(_INSTRUCTION_BYTES, len(code)))
    return memory, struct.pack("@HP", len(code) // _INSTRUCTION_BYTES, ctypes.addressof(memory))
