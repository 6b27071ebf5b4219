"""Trying again what may fail for want of processes, memory or descriptors: a shortage passes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

SHORTAGE_ATTEMPTS = 60
"""Five minutes or so: whatever took all processes or memory of this machine has a limit of its own."""
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_T = TypeVar("_T")


def retried(action: Callable[[], _T], attempts: Mapping[type[Exception], int]) -> _T:
    """The action's result, at the first attempt that does not fail.

    Args:
        action: Leaves nothing behind where it fails.
        attempts: How often in all it may fail with each kind of exception. Others are raised at once.

    Raises:
        Exception: The last, where that was once too often.
    """
    failures: Counter[type[Exception]] = Counter()
    while True:
        try:
            return action()
        except tuple(attempts) as error:
            kind = next(each for each in attempts if isinstance(error, each))
            failures[kind] += 1
            if failures[kind] >= attempts[kind]:
                raise
            pause = _FIRST_PAUSE_SECONDS * 2 ** (failures.total() - 1)
            time.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
