"""Watching one process until it ends or is over a limit.

CPU seconds decide a time-out, read from the kernel, so a loaded machine does not change a verdict. The
wall-clock cap counts idle time only: a process that waits for a processor is the machine's fault, one
that sleeps is its own.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from . import wire

HEARTBEAT_SECONDS = 1.0
"""A judge that hears nothing for much longer than this takes its server for dead."""


class Watch(NamedTuple):
    """What one process may use."""

    cpu_seconds: float
    """For each test."""
    load_cpu_seconds: float
    """For compiling and loading the program."""
    idle_seconds: float
    """Neither running nor waiting for a processor."""
    report_limit: int
    """Bytes of a report that are read."""
    heartbeat: Callable[[], None]
    """Called at least every `HEARTBEAT_SECONDS`."""

    def wait(self, pid: int, report: int, tests: int, cpu_left: float) -> str | None:
        """Wait for the process to end; kill it when it is over a limit.

        Args:
            pid: The process, a child of this one.
            report: Descriptor of its report.
            tests: Tests it is to run.
            cpu_left: CPU seconds that all of the program's processes may still use.

        Returns:
            `"cpu"`, `"idle"`, `"stopped"`: why it was killed; `None` if it ended by itself.
        """
        pidfd = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            wait = min(self.cpu_seconds, cpu_left)
            started = time.monotonic()
            while not poll.poll(min(wait, HEARTBEAT_SECONDS) * 1000):
                self.heartbeat()
                used = time.clock_gettime(_cpu_clock(pid))
                allowed = min(self._allowed_cpu(report, used, tests), cpu_left)
                idle = time.monotonic() - started - _busy_seconds(pidfd, used)
                idle_left = self.idle_seconds - idle
                why = (
                    "cpu" if used >= allowed
                    else "idle" if idle_left <= 0
                    else "stopped" if os.waitid(os.P_PIDFD, pidfd, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
                    else None
                )  # fmt: skip
                if why:
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    return why
                wait = max(0.01, min(allowed - used, idle_left))
            return None
        finally:
            os.close(pidfd)

    def _allowed_cpu(self, report: int, used: float, tests: int) -> float:
        """CPU seconds at which the process is over its limit, by the step it has reached."""
        records = list(wire.split_records(contents(report, self.report_limit)))
        if not records:
            return self.load_cpu_seconds
        # What a record says of CPU time is the program's word: it can't exceed what was used.
        since = min(used, max(0.0, records[-1][0]))
        if len(records) == 1 and tests > 1:
            return self.load_cpu_seconds
        return min(since + self.cpu_seconds, self.load_cpu_seconds + tests * self.cpu_seconds)


def contents(fd: int, limit: int) -> bytes:
    """The first `limit` bytes of a file, whatever its position."""
    size = min(os.fstat(fd).st_size, limit)
    return os.pread(fd, size, 0) if size else b""


def _cpu_clock(pid: int) -> int:
    """The clock of a process's CPU time (MAKE_PROCESS_CPUCLOCK of the kernel's posix-timers.h)."""
    return (~pid << 3) | 2


def _busy_seconds(pidfd: int, used: float) -> float:
    """Seconds that the process's threads ran or waited for a processor; `used` where the kernel won't say."""
    try:
        with open(f"/proc/self/fdinfo/{pidfd}") as file:
            # /proc is the host's, and so is the pid it shows for our descriptor.
            pid = next(line.split()[1] for line in file if line.startswith("Pid:"))
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                ran, waited, _ = file.read().split()
            total += int(ran) + int(waited)
        return max(used, total / 1e9)
    except (OSError, StopIteration, ValueError):
        return used
