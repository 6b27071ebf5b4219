"""Recursion through C, as deep as a program's recursion limit says, on Pythons 3.12 and 3.13 too.

There CPython counts calls from C back into Python (`lru_cache`, `sorted`'s key, `map`) against a number of
its own, fixed when it was compiled: 1,500 in 3.12.1, 10,000 in 3.13.0. `sys.setrecursionlimit` does not move
it, so programs written for other Pythons end with a RecursionError. What is left of that number stands in
the thread's state beside the recursion limit. It is looked for by the limit's value, and tried out; where it
is not found, all stays as CPython has it. A program that never raises its limit meets CPython's own.
Does not cover: how much stack there is, which is what bounds recursion then, as in 3.11.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any

_PYTHONS = (3, 12), (3, 13)
"""3.11 counts all calls against the recursion limit, and 3.14 looks at the stack itself."""
_FIELDS = 64
"""Integers at the beginning of a thread's state among which the two are: it is far larger."""
_PROBE = 12_347
"""A recursion limit that nobody sets: where it stands in the state, the limit is."""
_UNITS_PER_CALL = 4
"""At most, of CPython's number for one call through C of a Python function."""
_MOST = 1 << 26
"""More calls than a stack has room for; CPython calculates with three times this number in 32 bits."""


def follow_limit() -> bool:
    """Have `sys.setrecursionlimit` raise CPython's number too; whether that is so now.

    To be called once in a process; those forked from it inherit it.
    """
    if sys.version_info[:2] not in _PYTHONS or sys.implementation.name != "cpython":
        return False
    state: Any = ctypes.pythonapi.PyThreadState_Get
    state.restype = ctypes.c_void_p

    def fields() -> ctypes.Array[ctypes.c_int]:
        return (ctypes.c_int * _FIELDS).from_address(state())

    place = _place(fields)
    if place is None:
        return False
    _replace(fields, place)
    return True


def _place(fields: Callable[[], ctypes.Array[ctypes.c_int]]) -> int | None:
    """Index of CPython's number in a thread's state; `None` if it is not surely that."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(_PROBE)
    try:
        found = [number for number, value in enumerate(fields()) if value == _PROBE]
    finally:
        sys.setrecursionlimit(before)
    if len(found) != 1 or found[0] + 1 >= _FIELDS:
        return None
    place = found[0] + 1

    def left(_: object = None) -> int:
        return fields()[place]

    here = left()
    in_c = next(map(left, (0,)))
    deeper = next(map(lambda _: next(map(left, (0,))), (0,)))  # noqa: C417 - calls from C are the point
    falls_evenly = here > in_c > deeper and here - in_c == in_c - deeper <= _UNITS_PER_CALL
    return place if falls_evenly and here < _MOST else None


def _replace(fields: Callable[[], ctypes.Array[ctypes.c_int]], place: int) -> None:
    """Put functions that raise the number in the place of those by which limits and threads are made."""
    set_limit, bootstrap = sys.setrecursionlimit, threading.Thread._bootstrap  # type: ignore[attr-defined]
    allowed = 0

    def lift() -> None:
        state = fields()
        state[place] = max(state[place], allowed)

    def setrecursionlimit(limit: int, /) -> None:
        """Set the maximum depth of the Python interpreter stack to n."""
        nonlocal allowed
        set_limit(limit)
        allowed = min(_UNITS_PER_CALL * sys.getrecursionlimit(), _MOST)
        lift()

    def _bootstrap(self: threading.Thread) -> None:
        # Each thread begins with CPython's number.
        if allowed:
            lift()
        bootstrap(self)

    sys.setrecursionlimit = setrecursionlimit
    threading.Thread._bootstrap = _bootstrap  # type: ignore[attr-defined]
