"""A clock for what is done with a program's data in the worker: its CPU seconds, and no more of them.

Every step from bytes to verdict is meant to be linear or bounded; this is for where that is a mistake. It
interrupts Python code and regular expressions, again and again until the comparison ends. A single call into
C that never looks back is not interrupted: the host then misses the worker's heartbeat.
"""

from __future__ import annotations

import math
import signal
import threading
from types import FrameType

SECONDS = 1.0
"""For any comparison: 100 times what the costliest honest answer of APPS takes (`make honest-answers`)."""
SECONDS_A_MIB = 1 / 16
"""More for each MiB of what is compared: 2 s in all at the output limit."""
PROCESS_SECONDS, PROCESS_SECONDS_A_MIB = 4.0, 1.0
"""For all tests of a process together: twice what the costliest kinds of plain data take."""
FAILED_SECONDS = 2.0
"""For those that are left when one has failed, where what a failed program costs is counted."""
TICK_SECONDS = 0.05
"""Of the clock: asking the kernel for the time at each comparison costs more than most comparisons do."""
_AGAIN_TICKS = 5
"""Between two interruptions of a block: the first has what was made to be freed, and is to be handled."""


class OverBudgetError(BaseException):
    """A comparison has taken too long. No `Exception`: comparisons catch those that their data may raise."""


class budget:
    """Interrupt the block when it has used its CPU time, within a tick or two; none outside of a main thread.

    The clock goes on from block to block, until a tick finds none.

    Raises:
        OverBudgetError: In the block; and again after some ticks, should code that it calls swallow it.
    """

    _ticking = False
    _running = False
    _left = 0
    """Ticks, of the block that runs."""
    _ticks = 0
    """In blocks, so far."""

    def __init__(self, size: int, most: float = math.inf) -> None:
        """
        Args:
            size: Bytes that the block works on.
            most: CPU seconds that are left for it.
        """
        self._seconds = min(most, SECONDS + size / (1 << 20) * SECONDS_A_MIB)

    def __enter__(self) -> None:
        if self._seconds <= 0:
            raise OverBudgetError
        if threading.get_ident() != _MAIN_THREAD:
            return
        budget._left = math.ceil(self._seconds / TICK_SECONDS)
        budget._running = True
        if not budget._ticking:
            budget._ticking = True
            signal.signal(signal.SIGPROF, _ring)
            signal.setitimer(signal.ITIMER_PROF, TICK_SECONDS, TICK_SECONDS)

    def __exit__(self, *_error: object) -> None:
        stop()


def stop() -> None:
    """End the block. Again after an interruption: one that meets the end of the block leaves it running."""
    if threading.get_ident() == _MAIN_THREAD:
        budget._running = False


def spent() -> float:
    """CPU seconds of all blocks so far, in ticks."""
    return budget._ticks * TICK_SECONDS


class Allowance:
    """CPU seconds for comparing all that one process has reported.

    Each of its tests has a budget; a forger has as many tests as the problem.
    """

    def __init__(self, size: int) -> None:
        """
        Args:
            size: Bytes of the report.
        """
        self._until = spent() + PROCESS_SECONDS + size / (1 << 20) * PROCESS_SECONDS_A_MIB

    def shorten(self) -> None:
        """Leave no more than there is for a program that has failed."""
        self._until = min(self._until, spent() + FAILED_SECONDS)

    @property
    def left(self) -> float:
        """Seconds."""
        return self._until - spent()


_MAIN_THREAD = threading.main_thread().ident


def _ring(_number: int, _frame: FrameType | None) -> None:
    if not budget._running:
        signal.setitimer(signal.ITIMER_PROF, 0)
        budget._ticking = False
        return
    budget._ticks += 1
    budget._left -= 1
    if budget._left < 0:
        budget._left = _AGAIN_TICKS
        raise OverBudgetError
