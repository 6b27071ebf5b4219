"""The pages that every program writes to, copied by fork(2) itself and not one page fault at a time.

A fork shares all pages, and each is copied at the first write to it, by whoever writes first: more than 200
faults of the child and 190 of the server for a program of three asserts, half of all that running it cost.
The kernel copies a page within fork if a device may be writing to it, since it must stay where it is. Pages
that are registered with io_uring count as such; nothing is ever read or written through it here.

Covers: finding those pages in a rehearsal, pinning them. Optional in every part: where the kernel says no
(no io_uring, no memory to lock: a server takes 2 MiB of `ulimit -l`), all works as without, a fifth slower.
Does not cover: what is run in the rehearsal and how (`page_profile`).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator
from itertools import chain

from . import libc
from .isolation import moved_up
from .proc_maps import own_mappings

_SYS_IO_URING_SETUP, _SYS_IO_URING_REGISTER, _REGISTER_BUFFERS = 425, 427, 0
_RING_PARAMS_BYTES = 120
_MOST_RANGES = 1024
"""Of buffers in one ring, in older kernels."""
_PAGE = libc.PAGE_BYTES
_PRESENT, _EXCLUSIVE = 1 << 63, 1 << 56
"""Bits of an entry of /proc/self/pagemap: mapped; and by this process alone."""


class WritablePages:
    """The private pages that this process may write to, as its memory is laid out now.

    A process that was forked from this one has the same, and may look at itself through this.
    """

    def __init__(self) -> None:
        self._ranges = [
            (each.start, each.end)
            for each in own_mappings()
            if each.rights[1] == "w" and each.rights[3] == "p"
        ]
        self.entries_bytes = sum(end - start for start, end in self._ranges) // _PAGE * 8
        """How much `read` reads."""

    def read(self, pagemap: int, into: memoryview) -> None:
        """Read the kernel's entries of these pages from a process's own `open_pagemap`."""
        for start, end in self._ranges:
            size = (end - start) // _PAGE * 8
            os.preadv(pagemap, [into[:size]], start // _PAGE * 8)
            into = into[size:]

    def own(self, entries: memoryview) -> set[int]:
        """Addresses of the pages that the process which read the entries shared with no other.

        In a process that was forked from another, or that shares its memory with one that it has forked:
        those that it has written to since.
        """
        addresses = chain.from_iterable(range(start, end, _PAGE) for start, end in self._ranges)
        return {
            address
            for address, entry in zip(addresses, entries.cast("Q"), strict=True)
            if entry & _PRESENT and entry & _EXCLUSIVE
        }


def open_pagemap() -> int:
    """Where the kernel tells of this process's pages: a descriptor, close-on-exec.

    Raises:
        OSError: If it does not.
    """
    return os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)


def open_ring() -> int | None:
    """What pages are pinned by: its descriptor, close-on-exec; `None` where the kernel has none for us.

    Whose memory is locked counts for the user who opens it, up to RLIMIT_MEMLOCK for all his processes, and
    for nobody if that is root: so open it before entering a user namespace.
    """
    libc.limit(libc.RLIMIT_MEMLOCK, libc.hard_limit(libc.RLIMIT_MEMLOCK))
    ring = libc.calls.syscall(_SYS_IO_URING_SETUP, 1, ctypes.create_string_buffer(_RING_PARAMS_BYTES))
    return moved_up(ring) if ring >= 0 else None


def pin(ring: int, pages: Iterable[int]) -> int:
    """Have fork copy these pages, for as long as the ring is open; those of a child are ordinary ones.

    Returns:
        How many bytes are pinned: 0 where the kernel refuses.
    """
    ranges = list(_joined(sorted(pages)))[:_MOST_RANGES]
    buffers = b"".join(struct.pack("@PN", start, size) for start, size in ranges)
    done = libc.calls.syscall(_SYS_IO_URING_REGISTER, ring, _REGISTER_BUFFERS, buffers, len(ranges)) == 0
    return sum(size for _, size in ranges) if done else 0


def _joined(pages: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Address and size of each run of neighbouring pages."""
    start = size = 0
    for page in pages:
        if page == start + size:
            size += _PAGE
            continue
        if size:
            yield start, size
        start, size = page, _PAGE
    if size:
        yield start, size
