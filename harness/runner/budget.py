"""A clock for what is done with a program's data in the judge: its CPU seconds, and no more of them.

Every step from bytes to verdict is meant to be linear or bounded; this is for where that is a mistake. It
interrupts Python code and regular expressions, again and again until the comparison ends. A single call into
C that never looks back is not interrupted: the host then misses the judge's heartbeat.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SECONDS = 1.0
"""For any comparison."""
SECONDS_A_MIB = 1 / 16
"""More for each MiB of what is compared: 2 s in all at the output limit."""
_AGAIN = 0.25
"""Between two interruptions, should code that a comparison calls have swallowed the first one."""


class OverBudgetError(BaseException):
    """A comparison has taken too long. No `Exception`: comparisons catch those that their data may raise."""


@contextlib.contextmanager
def budget(size: int) -> Iterator[None]:
    """Interrupt the block when it has used its CPU time; no clock runs outside of a main thread.

    Args:
        size: Bytes that it works on.

    Raises:
        OverBudgetError: In the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    running = True

    def ring(_number: int, _frame: FrameType | None) -> None:
        if running:
            raise OverBudgetError

    before = signal.signal(signal.SIGPROF, ring)
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS + size / (1 << 20) * SECONDS_A_MIB, _AGAIN)
        yield
    finally:
        running = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
