"""The interpreter's own code in private memory, so that a program's process does not fault it in bit by bit.

A forked process shares what is mapped from a file, but maps it anew, 16 pages at a fault: some 40 faults for
a program of three asserts; and a processor takes longer to find its way through small pages. Private memory
in huge pages is handed on by fork itself, in two entries for all of libpython. It saves a tenth of the time.
What fork takes longest over is the number of mappings, 2 to 3 µs each: a small library's four for code and
constants become one. That saves a twentieth.

Optional in every part: where the kernel has no huge page to give (or is older than Linux 6.1, or SELinux
forbids it), all works as without. A server takes 4 MiB more.
Does not cover: large libraries beside libpython, whose pages would cost a fork more than their mappings do;
memory that is written to, where each first write would take a huge page apart.
"""

from __future__ import annotations

import ctypes

from . import libc
from .proc_maps import own_mappings

_HUGE = 2 << 20
_SMALL = 256 << 10
"""Bytes of a library's code and constants that cost a fork less in pages than in mappings."""
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25
_MREMAP_MAYMOVE_FIXED = 3

_address = ctypes.c_void_p


def move_interpreter() -> int:
    """Move the code and constants of CPython, and of small libraries, into memory of our own, where they are.

    Returns:
        How many bytes lie in huge pages: 0 where the kernel refuses, or where they fill no huge page.
    """
    code = ctypes.cast(ctypes.pythonapi.Py_GetVersion, _address).value or 0
    huge = 0
    for low, high in _read_only():
        if low <= code < high:
            start, end = -(-low // _HUGE) * _HUGE, high // _HUGE * _HUGE
            huge = end - start if start < end and _moved_to_huge_pages(start, end - start) else 0
        elif high - low <= _SMALL:
            _moved(start=low, size=high - low, copy=_new_memory(high - low))
    return huge


def _read_only() -> list[tuple[int, int]]:
    """From where to where each file is mapped without a gap, and not to be written to."""
    runs: list[tuple[int, int]] = []
    before = ""
    for low, high, rights, path in own_mappings():
        if not path.startswith("/") or rights not in ("r--p", "r-xp"):
            continue
        if runs and runs[-1][1] == low and path == before:
            runs[-1] = runs[-1][0], high
        else:
            runs.append((low, high))
        before = path
    return runs


def _moved_to_huge_pages(start: int, size: int) -> bool:
    """Copy that memory into huge pages, and put these where it was; whether all of them could be had."""
    memory = _new_memory(size + _HUGE)
    if not memory:
        return False
    copy = -(-memory // _HUGE) * _HUGE
    libc.calls.munmap(memory, copy - memory)
    libc.calls.munmap(copy + size, memory + _HUGE - copy)
    libc.calls.madvise(copy, size, _MADV_HUGEPAGE)
    return _moved(start, size, copy, huge=True)


def _moved(start: int, size: int, copy: int, *, huge: bool = False) -> bool:
    """Copy that memory, and put the copy where it was; whether that could be done."""
    if not copy:
        return False
    ctypes.memmove(copy, start, size)
    # Collapsing what is huge already does nothing, and says whether it is.
    if not huge or libc.calls.madvise(copy, size, _MADV_COLLAPSE) == 0:
        # Constants become executable along with the code around them: both are in one mapping.
        executable = libc.calls.mprotect(copy, size, libc.PROT_READ | libc.PROT_EXEC) == 0
        if executable and libc.calls.mremap(copy, size, size, _MREMAP_MAYMOVE_FIXED, start) == start:
            return True
    libc.calls.munmap(copy, size)
    return False


def _new_memory(size: int) -> int:
    """Its address; 0 where there is none."""
    try:
        return libc.map_memory(size, libc.MAP_PRIVATE)
    except OSError:
        return 0
