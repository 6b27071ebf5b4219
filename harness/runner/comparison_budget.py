"""A clock for what is done with a program's data in the worker: its CPU seconds, and no more of them.

Every step from bytes to verdict is meant to be linear or bounded; this is for where that is a mistake. It
interrupts Python code and regular expressions, again and again until the comparison ends. A single call into
C that never looks back is not interrupted: the host then misses the worker's heartbeat.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

SECONDS = 1.0
"""For any comparison: 100 times what the costliest honest answer of APPS takes (`make honest-answers`)."""
SECONDS_A_MIB = 1 / 16
"""More for each MiB of what is compared: 2 s in all at the output limit."""
_AGAIN = 0.25
"""Between two interruptions, should code that a comparison calls have swallowed the first one."""


class OverBudgetError(BaseException):
    """A comparison has taken too long. No `Exception`: comparisons catch those that their data may raise."""


class budget:
    """Interrupt the block when it has used its CPU time; no clock runs outside of a main thread.

    The signal's handler is set at the first use and stays: setting it costs more than most comparisons do.

    Raises:
        OverBudgetError: In the block.
    """

    _handled = False
    _running = False

    def __init__(self, size: int) -> None:
        """
        Args:
            size: Bytes that the block works on.
        """
        self._seconds = SECONDS + size / (1 << 20) * SECONDS_A_MIB

    def __enter__(self) -> None:
        if threading.get_ident() != _MAIN_THREAD:
            return
        if not budget._handled:
            signal.signal(signal.SIGPROF, _ring)
            budget._handled = True
        budget._running = True
        signal.setitimer(signal.ITIMER_PROF, self._seconds, _AGAIN)

    def __exit__(self, *_error: object) -> None:
        if threading.get_ident() == _MAIN_THREAD:
            budget._running = False
            signal.setitimer(signal.ITIMER_PROF, 0)


_MAIN_THREAD = threading.main_thread().ident


def _ring(_number: int, _frame: FrameType | None) -> None:
    if budget._running:
        raise OverBudgetError
