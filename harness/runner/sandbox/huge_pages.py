"""The interpreter's own code in huge pages, so that a program's process does not fault it in bit by bit.

A forked process shares what is mapped from a file, but maps it anew, 16 pages at a fault: some 40 faults for
a program of three asserts; and a processor takes longer to find its way through small pages. Private memory
in huge pages is handed on by fork itself, in two entries for all of libpython. It saves a tenth of the time.

Optional in every part: where the kernel has no huge page to give (or is older than Linux 6.1, or SELinux
forbids it), all works as without. A server takes 4 MiB more.
Does not cover: other libraries, which are too small for it; memory that is written to, where each first
write would take the huge page apart.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

from .proc_maps import own_mappings

_HUGE = 2 << 20
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25
_MREMAP_MAYMOVE_FIXED = 3

_libc: Any = ctypes.CDLL(None, use_errno=True)
_address, _size, _flags = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_libc.mmap.argtypes = (_address, _size, _flags, _flags, _flags, ctypes.c_long)
_libc.mremap.argtypes = (_address, _size, _size, _flags, _address)
_libc.mmap.restype = _libc.mremap.restype = _address
_libc.munmap.argtypes = (_address, _size)
_libc.madvise.argtypes = _libc.mprotect.argtypes = (_address, _size, _flags)
_FAILED = _address(-1).value


def move_interpreter() -> int:
    """Move the code and constants of CPython into huge pages, at the addresses where they are.

    Returns:
        How many bytes: 0 where the kernel refuses, or where they fill no huge page.
    """
    code = ctypes.cast(ctypes.pythonapi.Py_GetVersion, _address).value or 0
    for low, high in _read_only():
        if low <= code < high:
            start, end = -(-low // _HUGE) * _HUGE, high // _HUGE * _HUGE
            return end - start if start < end and _moved(start, end - start) else 0
    return 0


def _read_only() -> list[tuple[int, int]]:
    """From where to where each file is mapped without a gap, and not to be written to."""
    runs: list[tuple[int, int]] = []
    before = ""
    for low, high, rights, path in own_mappings():
        if not path or "w" in rights:
            continue
        if runs and runs[-1][1] == low and path == before:
            runs[-1] = runs[-1][0], high
        else:
            runs.append((low, high))
        before = path
    return runs


def _moved(start: int, size: int) -> bool:
    """Copy that memory into huge pages, and put these where it was; whether all of them could be had."""
    memory = _libc.mmap(
        None, size + _HUGE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0
    )
    if memory == _FAILED:
        return False
    copy = -(-memory // _HUGE) * _HUGE
    _libc.munmap(memory, copy - memory)
    _libc.munmap(copy + size, memory + _HUGE - copy)
    _libc.madvise(copy, size, _MADV_HUGEPAGE)
    ctypes.memmove(copy, start, size)
    # Collapsing what is huge already does nothing, and says whether it is.
    if _libc.madvise(copy, size, _MADV_COLLAPSE) == 0:
        # Constants become executable along with the code around them: both are on the same huge pages.
        executable = _libc.mprotect(copy, size, mmap.PROT_READ | mmap.PROT_EXEC) == 0
        if executable and _libc.mremap(copy, size, size, _MREMAP_MAYMOVE_FIXED, start) == start:
            return True
    _libc.munmap(copy, size)
    return False
