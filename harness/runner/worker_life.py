"""A grader worker's own life: it ends with its host, has a limit on its memory, and beats while it is well.

Covers: a worker that holds the interpreter's lock in C code, or is stopped, when its host dies (the kernel
kills it); data of a program that would fill the machine's memory (a MemoryError in the worker); a worker that
is stuck (its beats cease, and the host replaces it).
Does not cover: what the host makes of it (`worker_handle.py`).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeVar

DATA_MIB = 512
"""Memory a worker may hold, its own included."""
BEAT_SECONDS = 1.0
_STUCK_CPU_SECONDS = 60.0
"""CPU time without a result from a program or an answer to the host: far more than any comparison takes."""
_PR_SET_PDEATHSIG = 1
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_MAPPED_BYTES = 256 << 10
"""From this size on, memory goes back to the kernel as soon as it is free."""
_T = TypeVar("_T")


def end_with_host(tie: Any, host: int, *, of_main_thread: bool) -> None:
    """Have the kernel kill this process when the host is gone.

    Not by a thread of ours that reads the pipe: it would wait for the interpreter's lock, which a long
    comparison in C holds.

    Args:
        tie: Reading end of a pipe; its other end is the host's alone, which never writes to it.
        host: The host's process id.
        of_main_thread: Whether the host's main thread started this process. PDEATHSIG follows the thread; it
            is set as well where it can be, since a process that the host forked may hold the pipe open.
    """
    fd = tie.fileno()
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    if of_main_thread:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != host or tie.poll(0):
        os._exit(1)  # it died before all this was set


class MemoryLimit:
    """A limit on the address space of this process, by what it may hold beyond what it began with."""

    def __init__(self) -> None:
        # Else each thread reserves 64 MiB of its own, which counts.
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        # Else it rises with the first large output, and those that follow leave holes in the heap for good.
        libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        with open("/proc/self/statm") as file:
            size, resident = (int(pages) * resource.getpagesize() for pages in file.read().split()[:2])
        self._soft = size - resident + (DATA_MIB << 20)
        self._before, self._hard = resource.getrlimit(resource.RLIMIT_AS)
        if self._hard != resource.RLIM_INFINITY:
            self._soft = min(self._soft, self._hard)

    def set(self) -> None:
        """Hold this process to it from here on."""
        resource.setrlimit(resource.RLIMIT_AS, (self._soft, self._hard))

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Without it, for what starts a process, which would inherit it."""
        resource.setrlimit(resource.RLIMIT_AS, (self._before, self._hard))
        try:
            yield
        finally:
            self.set()


class Heart:
    """Beats once a second from a thread, unless the thread that made it is stuck.

    Stuck in C code that holds the interpreter's lock, stopped, or swapped out: then no thread runs. Stuck in
    Python: it uses CPU time and gets nowhere. Time in which it waits, for a program or the host, is neither.
    """

    def __init__(self, beats: Any) -> None:
        """
        Args:
            beats: Writing end of a pipe; a beat is a byte.
        """
        self._beats = beats
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._steps = 0

    def start(self) -> None:
        """Begin to beat."""
        os.set_blocking(self._beats.fileno(), False)
        threading.Thread(target=self._beat, name="heart", daemon=True).start()

    def mark(self) -> None:
        """Say that there was progress."""
        self._steps += 1  # the clock is read once for each beat: reading it is a system call

    def marking(self, items: Iterator[_T]) -> Iterator[_T]:
        """The same items, each counted as progress."""
        for item in items:
            self.mark()
            yield item

    def _beat(self) -> None:
        steps, since = -1, 0.0
        while True:
            used = time.clock_gettime(self._clock)
            if steps != self._steps:
                steps, since = self._steps, used
            if used - since < _STUCK_CPU_SECONDS:
                # A full pipe is a host that does not look; when it does, it finds enough.
                with contextlib.suppress(BlockingIOError):
                    try:
                        os.write(self._beats.fileno(), b".")
                    except BrokenPipeError:
                        return
            time.sleep(BEAT_SECONDS)
