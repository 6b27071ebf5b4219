"""Watching one process until it ends or is over a limit.

CPU seconds decide a time-out, read from the kernel, so a loaded machine does not change a verdict. The
wall-clock cap counts idle time only: a process that waits for a processor is the machine's fault, one
that sleeps is its own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

HEARTBEAT_SECONDS = 1.0
"""A grader worker that hears nothing for much longer than this takes its server for dead."""
_CHILD = (signal.SIGCHLD,)
_SPAWNING_SECONDS = 0.01
"""Between two looks whether the template has made the process by now."""
SPAWNED_WITHIN_SECONDS = 20.0
"""A process that has not been made, or is not said to be, after so long: nobody could end it."""


class TemplateLostError(Exception):
    """A template has ended, was stopped, or has made no process for long: nothing can be run any more."""


class Ended(NamedTuple):
    """How a process ended."""

    killed: str | None
    """`"cpu"`, `"idle"`, `"stopped"`, `"cut"`: why it was killed; `None` if it ended by itself."""
    status: int
    """As `os.waitstatus_to_exitcode` gives it: an exit status, or minus a signal."""
    cpu: float
    idle: float
    """Seconds neither running nor waiting for a processor; 0 for so few that they never matter."""
    rss_kib: int


class Allowed(NamedTuple):
    """What one process may use."""

    cpu: Callable[[float], float]
    """CPU seconds at which it is over its limit, from those that it has used: by the step it has reached."""
    first_look: float
    """CPU seconds before which it can't be."""
    idle: float
    """Seconds neither running nor waiting for a processor."""
    looked_at: Callable[[float], bool]
    """Called with the CPU seconds used, now and then; whether it is to be ended."""


class Watch:
    """Watches the children of this process, one at a time. SIGCHLD must be blocked here."""

    def __init__(self, templates: Sequence[int], heartbeat: Callable[[], None], *, strangers: bool) -> None:
        """
        Args:
            templates: Children that are not to end.
            heartbeat: Called at least every `HEARTBEAT_SECONDS`.
            strangers: Whether there may be children that nobody here asked for: those of programs that
                nothing keeps from making processes.
        """
        self._templates = templates
        self._heartbeat = heartbeat
        self._strangers = strangers

    def wait(self, spawned: Callable[[], int], allowed: Allowed) -> Ended:
        """Wait for the next process to end; kill it when it is over a limit.

        Args:
            spawned: Its id, 0 as long as it has not been made.
            allowed: What it may use.

        Raises:
            TemplateLostError: If it will never be made.
        """
        clock = _Clock()
        killed: str | None = None
        wait = min(allowed.first_look, HEARTBEAT_SECONDS)
        while True:
            signal.sigtimedwait(_CHILD, wait)
            if clock.may_matter(allowed.idle):
                clock.at_the_end(spawned())
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid in self._templates:
                raise TemplateLostError
            if pid and not (self._strangers and pid != self._known(spawned, clock)):
                cpu = usage.ru_utime + usage.ru_stime
                return Ended(
                    killed,
                    os.waitstatus_to_exitcode(status),
                    cpu,
                    clock.idle(cpu, allowed.idle),
                    usage.ru_maxrss,
                )
            self._heartbeat()
            pid = spawned()
            if not pid:
                self._check_to_come(os.WSTOPPED, clock)  # from outside: nobody will let it go on
                wait = _SPAWNING_SECONDS
                continue
            if killed is None:
                wait, killed = self._looked_at(pid, clock, allowed)
                if killed:
                    os.kill(pid, signal.SIGKILL)

    def left_over(self) -> bool:
        """Whether processes have outlived the program that made them; by and by they are children of ours."""
        if not self._strangers:
            return False
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid in self._templates:
                raise TemplateLostError
            if not pid:
                break
        with open("/proc/thread-self/children") as file:
            return len(file.read().split()) > len(self._templates)

    def _check_to_come(self, state: int, clock: _Clock) -> None:
        """Hold that a process may still be made: not where a template is in a state, nor after long.

        Args:
            state: `os.WEXITED`: it has ended; or `os.WSTOPPED`: it was stopped.
            clock: Since the process was asked for.

        Raises:
            TemplateLostError: If it will not be.
        """
        options = state | os.WNOHANG | os.WNOWAIT
        lost = any(os.waitid(os.P_PID, each, options) for each in self._templates)
        if lost or clock.age > SPAWNED_WITHIN_SECONDS:
            raise TemplateLostError

    def _looked_at(self, pid: int, clock: _Clock, allowed: Allowed) -> tuple[float, str | None]:
        """For how long it needs no further look; or why it is to be killed."""
        used = time.clock_gettime(_cpu_clock(pid))
        clock.look(pid, used)
        idle_left = allowed.idle - clock.idle_so_far
        cpu_left = allowed.cpu(used) - used
        why = (
            "cpu" if cpu_left <= 0
            else "idle" if idle_left <= 0 and clock.is_idle(pid, allowed.idle)
            else "stopped" if os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
            else "cut" if allowed.looked_at(used)
            else None
        )  # fmt: skip
        wait = min(cpu_left, idle_left, HEARTBEAT_SECONDS)
        if clock.crowded:  # so that no program knows when its threads are to wait
            wait *= 0.5 + os.urandom(1)[0] / 512
        return max(0.01, wait), why

    def _known(self, spawned: Callable[[], int], clock: _Clock) -> int:
        """The process's id, when the template has said it."""
        while not (pid := spawned()):
            self._check_to_come(os.WEXITED, clock)
            time.sleep(_SPAWNING_SECONDS)
        return pid


class _Clock:
    """How long a process was busy: ran, or waited for a processor.

    Its threads' times add up, but never to more than the time that has passed: what many threads wait for at
    once is not there to be slept through later. Nor between two looks: of several threads, waiting counts
    where one waits at the look too. Who was made to wait by others nearly always does then; who wakes them
    all for a moment, to wait for each other, seldom.
    """

    def __init__(self) -> None:
        self._started = self._looked = time.monotonic()
        self._total = self._cpu = 0.0
        self._busy = 0.0
        self.crowded = False
        """Whether it had several threads at the last look."""

    @property
    def age(self) -> float:
        """Seconds since the process was asked for."""
        return time.monotonic() - self._started

    @property
    def idle_so_far(self) -> float:
        """Until the last look."""
        return self._looked - self._started - self._busy

    def look(self, pid: int, cpu: float) -> None:
        """Take what the kernel says of a process that has used so many CPU seconds."""
        now, seen = time.monotonic(), _seen(pid)
        busy = cpu - self._cpu
        if seen is not None:
            self.crowded = seen.threads > 1
            if seen.waits or not self.crowded:
                busy = max(busy, seen.total - self._total)
            self._total = seen.total
        self._busy += min(max(0.0, busy), now - self._looked)
        self._looked, self._cpu = now, cpu

    def is_idle(self, pid: int, limit: float) -> bool:
        """Whether a process that seems to have been idle for longer than the limit has been.

        It has not where it waits for a processor now: the kernel counts that once it is over, and on a busy
        machine it may be long. Nor where it is younger: before it was made, its template may have waited.
        """
        seen = _seen(pid)
        return seen is None or (not seen.waits and seen.age - self._busy > limit)

    def may_matter(self, limit: float) -> bool:
        """Whether so much time has passed that idleness may come into it."""
        return self.age > limit / 4

    def at_the_end(self, pid: int) -> None:
        """Take what the kernel says, if the process has ended and nobody knows yet."""
        if pid and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            self.look(pid, max(self._cpu, time.clock_gettime(_cpu_clock(pid))))

    def idle(self, cpu: float, limit: float) -> float:
        """In all, of a process that has used so many CPU seconds and has ended."""
        if not self.may_matter(limit):
            return 0.0
        since = time.monotonic() - self._looked
        return max(0.0, self.idle_so_far + since - min(since, max(0.0, cpu - self._cpu)))


def _cpu_clock(pid: int) -> int:
    """The clock of a process's CPU time (MAKE_PROCESS_CPUCLOCK of the kernel's posix-timers.h)."""
    return (~pid << 3) | 2


class _Seen(NamedTuple):
    """What the kernel says of a process's threads."""

    threads: int
    total: float
    """Seconds that they ran or waited for a processor, added up."""
    waits: bool
    """Whether one of them runs or waits for a processor now."""
    age: float
    """Of the oldest, in seconds."""


def _seen(pid: int) -> _Seen | None:
    """A look at a process; `None` where the kernel won't say."""
    try:
        found = [each for each in map(_thread, _threads(pid)) if each is not None]
    except (OSError, StopIteration, ValueError, LookupError):
        return None
    if not found:
        return None
    times, states, begun = zip(*found, strict=True)
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - min(begun)
    return _Seen(len(found), sum(times), "R" in states, age)


def _thread(folder: str) -> tuple[float, str, float] | None:
    """Seconds that it ran or waited, its state, and when it began; `None` if it has ended meanwhile.

    One that has ended is no reason not to look at the rest: else a process that ends a thread at each look
    would have the others' times counted anew at each next.
    """
    try:
        with open(f"{folder}/schedstat") as file:
            ran, waited, _ = file.read().split()
        with open(f"{folder}/stat", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return (int(ran) + int(waited)) / 1e9, fields[0], int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _threads(pid: int) -> list[str]:
    """The folders of a process's threads in /proc."""
    pidfd = os.pidfd_open(pid)
    try:
        with open(f"/proc/self/fdinfo/{pidfd}") as file:
            # /proc is the host's, and so is the pid it shows for our descriptor.
            host = next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
    finally:
        os.close(pidfd)
    return [f"/proc/{host}/task/{task}" for task in os.listdir(f"/proc/{host}/task")]
