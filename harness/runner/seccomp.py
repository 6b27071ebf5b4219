"""The system calls that a program may make; the rest fail with EPERM.

An allow-list, so that a call the kernel gains later is refused until somebody has looked at it. It is
built once per worker, since loading it through the library costs 0.5 ms, and in two halves: attaching a
filter of this length costs a quarter of a millisecond more, so the fork server enters the long half
once, its children inherit it, and each adds a short one with its own pid written into it (signals to
itself are its own business).
"""

from __future__ import annotations

import errno
import struct
import tempfile
from dataclasses import dataclass
from functools import cache
from typing import Any

_FILES = """
    access close close_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 fallocate fchdir fdatasync
    fstat fstatfs fsync ftruncate getcwd getdents getdents64 link linkat lseek lstat mkdir mkdirat
    newfstatat open openat openat2 pipe pipe2 pread64 preadv pwrite64 pwritev read readlink readlinkat readv
    rename renameat renameat2 rmdir sendfile copy_file_range splice tee stat statfs statx symlink symlinkat
    umask unlink unlinkat write writev chdir
"""
_MEMORY = "brk madvise mincore mmap mprotect mremap msync munmap membarrier"
_TIME = """
    alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time
    timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
    timerfd_settime times
"""
_WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd eventfd2 futex futex_waitv pause poll
    ppoll pselect6 select wait4 waitid
"""
_PROCESS = """
    arch_prctl capget exit exit_group get_robust_list getcpu getegid geteuid getgid getgroups getpgid getpgrp
    getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid gettid getuid
    restart_syscall rseq sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max
    sched_get_priority_min sched_yield set_robust_list set_tid_address setrlimit sysinfo uname
"""
_SIGNALS = """
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait sigaltstack
"""
ALLOWED = " ".join((_FILES, _MEMORY, _TIME, _WAITING, _PROCESS, _SIGNALS)).split()

_CLONE_THREAD = 0x00010000
_AF_UNIX = 1
_SERVER_ONLY = [
    "capset",
    "chmod",
    "fchmodat",
    "fork",
    "landlock_restrict_self",
    "memfd_create",
    "pidfd_open",
    "pidfd_send_signal",
    "seccomp",
    "vfork",
]
_SERVER_MORE = ["clone", "kill", "prlimit64", "tgkill"]
"""What children may do too, within the conditions of `_take_back`."""
_SERVER_PRCTL = (1, 22)  # PR_SET_PDEATHSIG, PR_SET_SECCOMP
_HARMLESS_PRCTL = (15, 16, *_SERVER_PRCTL)  # PR_SET_NAME, PR_GET_NAME
_HARMLESS_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, TIOCGWINSZ, FIO*
_HARMLESS_FCNTL = (0, 1, 2, 3, 4, 5, 1030, 1032, 1033, 1034)
"""Duplicate, flags, asking for a lock or a pipe's size, sealing one's own files in memory: not F_SETOWN or
F_SETSIG (signals to others), leases, a larger pipe (its memory is counted by user), nor the locks of a
descriptor (flock too), which would outlive their program."""
_LOCKING_FCNTL = (6, 7)
"""A process's own locks are seen by others, so programs could talk through them. None is set, and success is
said: a program alone in its folder can't tell, and sqlite asks for one."""
_OWN_PID = 0x7EAD_BEEF
"""Stands in the filter where a child writes its own pid."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Two BPF programs, 8 bytes an instruction; a process under both may do what both allow."""

    server: bytes
    """The allow-list, and what a fork server needs besides; entered once and inherited."""
    child: bytes
    """Takes what only a server may do from a child; short, since attaching a filter costs by its length."""
    pid_offsets: tuple[int, ...]
    """Byte offsets in `child` at which each child writes its own pid: 4 bytes, native order."""


@cache
def build_filters() -> Filters:
    """Build both filters.

    Raises:
        OSError: If libseccomp or its binding is missing; the message says which.
    """
    try:
        import pyseccomp as seccomp  # noqa: PLC0415 - needs libseccomp, and only workers need it
    except (ImportError, RuntimeError, OSError) as error:
        raise OSError(f"pyseccomp or the libseccomp it binds cannot be loaded: {error}") from error
    server = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    _allow_listed(server, seccomp)
    child = seccomp.SyscallFilter(seccomp.ALLOW)
    _take_back(child, seccomp)
    program = _export(child)
    wanted = struct.pack("=I", _OWN_PID)
    # An instruction is {u16 code, u8 jt, u8 jf, u32 k}: the constant is its second half.
    offsets = tuple(at for at in range(4, len(program), 8) if program[at : at + 4] == wanted)
    if not offsets:
        raise OSError("libseccomp built a filter without the pid's place in it")
    return Filters(_export(server), program, offsets)


def _export(rules: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _allow_listed(rules: Any, seccomp: Any) -> None:
    def allow(name: str, *conditions: Any) -> None:
        try:
            rules.add_rule(seccomp.ALLOW, name, *conditions)
        except (OSError, ValueError):
            if conditions:
                raise
            # Not every architecture has every call (aarch64 has no `open`): what isn't there can't be made.

    equals = seccomp.EQ
    for name in [*ALLOWED, *_SERVER_ONLY, *_SERVER_MORE]:
        allow(name)
    # clone3 hides its flags in memory, so libc is told to use clone.
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    for option in _HARMLESS_PRCTL:
        allow("prctl", seccomp.Arg(0, equals, option))
    for command in _HARMLESS_FCNTL:
        allow("fcntl", seccomp.Arg(1, equals, command))
    for command in _LOCKING_FCNTL:
        rules.add_rule(seccomp.ERRNO(0), "fcntl", seccomp.Arg(1, equals, command))
    for request in _HARMLESS_IOCTL:
        allow("ioctl", seccomp.Arg(1, equals, request))
    # asyncio wakes itself through a socket pair; nothing else of sockets, and no address to send to.
    allow("socketpair", seccomp.Arg(0, equals, _AF_UNIX))
    allow("sendto", seccomp.Arg(4, equals, 0))
    for name in ("recvfrom", "shutdown", "getsockopt", "getsockname"):
        allow(name)


def _take_back(rules: Any, seccomp: Any) -> None:
    refuse = seccomp.ERRNO(errno.EPERM)
    for name in _SERVER_ONLY:
        try:
            rules.add_rule(refuse, name)
        except (OSError, ValueError):
            continue  # not on this architecture, as above
    # Threads, not processes.
    rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, 0))
    for option in _SERVER_PRCTL:
        rules.add_rule(refuse, "prctl", seccomp.Arg(0, seccomp.EQ, option))
    for name in ("kill", "tgkill"):
        rules.add_rule(refuse, name, seccomp.Arg(0, seccomp.NE, _OWN_PID))
    rules.add_rule(refuse, "prlimit64", seccomp.Arg(0, seccomp.GT, 0))
