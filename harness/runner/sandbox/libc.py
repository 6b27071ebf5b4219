"""A few calls of the C library, in place of the standard library's `fcntl`, `mmap` and `resource`.

Each of these modules is a library of its own: five mappings, and a fork takes 2 to 3 µs to copy a mapping
and to take it away again. The template, whose forks programs are, has `ctypes` anyway. The numbers are those
of Linux' generic headers, which x86_64, aarch64 and riscv64 share.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

PAGE_BYTES = os.sysconf("SC_PAGESIZE")
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS = 1, 2, 0x20
RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS = 1, 4, 6, 7, 8, 9
F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS = 1030, 1033, 1034

_RLIMIT = struct.Struct("=QQ")
_address, _size, _int = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_FAILED = _address(-1).value
_MADV_DONTFORK = 10

calls: Any = ctypes.CDLL(None, use_errno=True)
"""What is not declared here takes and gives C's int."""
calls.mmap.argtypes = (_address, _size, _int, _int, _int, ctypes.c_long)
calls.mremap.argtypes = (_address, _size, _size, _int, _address)
calls.mmap.restype = calls.mremap.restype = _address
calls.munmap.argtypes = (_address, _size)
calls.madvise.argtypes = calls.mprotect.argtypes = (_address, _size, _int)
_fcntl, _setrlimit, _getrlimit = calls.fcntl, calls.setrlimit, calls.getrlimit


def checked(result: int, what: str, error: type[OSError] = OSError) -> int:
    """What a call returned, if it did not fail.

    Raises:
        OSError: If it did, of the kind `error`, with the kernel's reason.
    """
    if result < 0:
        code = ctypes.get_errno()
        raise error(code, f"{what}: {os.strerror(code)}")
    return result


def fcntl(fd: int, command: int, argument: int = 0) -> int:
    """fcntl(2); raises `OSError`."""
    return checked(_fcntl(fd, command, argument), "fcntl")


def limit(which: int, value: int) -> None:
    """Set both the soft and the hard limit; raises `OSError`."""
    checked(_setrlimit(which, _RLIMIT.pack(value, value)), "setrlimit")


def hard_limit(which: int) -> int:
    """The hard limit; raises `OSError`."""
    found = ctypes.create_string_buffer(_RLIMIT.size)
    checked(_getrlimit(which, found), "getrlimit")
    hard: int = _RLIMIT.unpack(found)[1]
    return hard


class SharedMemory:
    """Memory, all zero or of a file, that a process and those that it makes have in common."""

    def __init__(self, size: int, file: int = -1) -> None:
        """Raises `OSError` where there is none."""
        self._size = size
        self._start = map_memory(size, MAP_SHARED, file)
        self.bytes = memoryview((ctypes.c_char * size).from_address(self._start)).cast("B")

    def keep_from_children(self) -> None:
        """Leave it out of processes that are made from now on."""
        pages = -(-self._size // PAGE_BYTES) * PAGE_BYTES
        checked(calls.madvise(self._start, pages, _MADV_DONTFORK), "madvise")

    def close(self) -> None:
        """Out of this process's reach."""
        self.bytes = memoryview(b"")
        calls.munmap(self._start, self._size)


def map_memory(size: int, sharing: int, file: int = -1) -> int:
    """Address of memory to be read and written, a file's or new; raises `OSError` where there is none."""
    flags = sharing if file >= 0 else sharing | MAP_ANONYMOUS
    found = calls.mmap(None, size, PROT_READ | PROT_WRITE, flags, file, 0)
    if found == _FAILED:
        checked(-1, "mmap")
    address: int = found
    return address
