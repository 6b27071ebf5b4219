"""What the dispatcher tells the template about one process to make: numbers and descriptors, no content.

The template's memory is what every program's process starts as a copy of. So what a program is, and what it
gets, lies in files in memory that only its own process reads.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from . import libc, protocol

_COMMAND = struct.Struct("=11i")
_SLOT_BYTES, _PID_BITS = 8, 32
"""Of a board: where it says one thing; and of that, for a process's id."""
_F_SEAL_WRITE = 8
_ALL_SEALS = 0xF  # of these: no more seals, no shrinking, no growing, no writing
_TAIL_BYTES = 64 << 10
_MFD_CLOEXEC, _MFD_ALLOW_SEALING = 1, 2


class How:
    """How a process takes its program: bits of a number: an enum's operators take a microsecond each."""

    IMPORT = 0
    SCRIPT = 1
    IN_FUNCTION = 2
    """A script, as the body of a function."""
    COMPILED = 4
    """The verdict of the compiler is there already, from an earlier process of the same program."""
    SHARED = 8
    """Others will want the compiled code."""
    PRELOAD = 16
    """No process: a preamble, which the template runs for the programs to come."""
    CAPTURED = 64
    """An imported program, whose records are to say how much it had printed."""
    NOTED = 32
    """In a rehearsal, whose processes say what they have written to."""


KINDS = (How.IMPORT, How.SCRIPT)
"""Of templates; a number of `How` & `How.SCRIPT` is an index."""


class Job(NamedTuple):
    """One process to make. All after `preamble` and `first` are descriptors."""

    number: int
    how: int
    first: int
    """Index of the test to begin with."""
    preamble: int
    """Which of the preambles that the template has run; -1 for the one that comes with the suite."""
    program: int
    """The source, as UTF-8."""
    suite: int
    """What a problem's programs have in common; see `suites`."""
    compiled: int
    """What the compiler says: sealed before the program's first instruction."""
    stdin: int
    stdout: int
    stderr: int
    """-1 for none: then nothing keeps what it writes there."""
    report: int

    def packed(self) -> bytes:
        """As it travels."""
        return _COMMAND.pack(*self)


def read_job(fd: int) -> Job | None:
    """The next job; `None` at the end."""
    data = os.read(fd, _COMMAND.size)  # written at once, so it comes whole
    return Job._make(_COMMAND.unpack(data)) if data else None


class Board:
    """A page of memory that dispatcher and templates have in common, and a file that it is."""

    def __init__(self) -> None:
        size = _SLOT_BYTES * (1 + len(KINDS))
        self._file = memory_file("board", bytes(size))
        self._memory = libc.SharedMemory(size, self._file)
        self._page = self._memory.bytes
        self._spawned = self._page[_SLOT_BYTES:].cast("Q")
        """By kind of template: one that had to wait for a processor may say which process it made after
        another has said so of the next job's."""

    @property
    def unconfined(self) -> bool:
        """Whether a process could not be confined."""
        return self._page[0] != 0

    def say_unconfined(self) -> None:
        """Say so, in that process."""
        os.pwrite(self._file, b"\1", 0)

    def say_spawned(self, job: Job, pid: int) -> None:
        """Say which process has been made for a job."""
        # In one word, so that nobody reads half of it.
        self._spawned[job.how & How.SCRIPT] = job.number << _PID_BITS | pid

    def spawned(self, kind: int, number: int) -> int:
        """The process made for a job, by the template of a kind; 0 for none so far."""
        found, pid = divmod(self._spawned[kind], 1 << _PID_BITS)
        return pid if found == number else 0

    def keep_from_children(self) -> None:
        """Keep the memory from processes that this one makes; they have the file, until they close it."""
        self._memory.keep_from_children()


def memory_file(name: str, data: bytes = b"") -> int:
    """A file in memory that can be sealed."""
    fd = os.memfd_create(name, _MFD_CLOEXEC | _MFD_ALLOW_SEALING)
    if data:
        protocol.write_all(fd, data)
    return fd


def seal(fd: int) -> None:
    """Let nobody write to a file in memory any more."""
    libc.fcntl(fd, libc.F_ADD_SEALS, _ALL_SEALS)


def is_sealed(fd: int) -> bool:
    """Whether what it holds is what it held when it was sealed."""
    return libc.fcntl(fd, libc.F_GET_SEALS) & _F_SEAL_WRITE != 0


def contents(fd: int, limit: int) -> bytes:
    """The first `limit` bytes of a file, whatever its position."""
    size = min(os.fstat(fd).st_size, limit)
    return os.pread(fd, size, 0) if size else b""


def whole(fd: int) -> bytes:
    """All of a file that nobody writes to. Moves its position, and makes fewer objects than `contents`."""
    return os.pread(fd, os.lseek(fd, 0, os.SEEK_END), 0)


def tail(fd: int) -> bytes:
    """The last `_TAIL_BYTES` of a file; nothing for -1, no file."""
    if fd < 0:
        return b""
    size = os.fstat(fd).st_size
    return os.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES)) if size else b""


def close_all(*fds: int) -> None:
    """Close descriptors; -1 is none."""
    for fd in fds:
        if fd >= 0:
            os.close(fd)
