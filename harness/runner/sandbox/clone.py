"""clone(2) without libc's and Python's work around fork: quicker, and with flags that neither offers.

Python's after-fork hooks re-create locks of threads that a single-threaded process does not have, and seed
`random` anew, which no verdict should depend on. libc's work is what `CLONE_CHILD_SETTID` does here: the new
process must know its own thread id, or `abort()` signals a stranger.
Does not cover: processes with threads.
"""

from __future__ import annotations

import ctypes
import platform
import signal
import threading
from typing import Any

from .libc import checked

FILES, PARENT, NEWUSER, NEWPID = 0x400, 0x8000, 0x10000000, 0x20000000
"""A table of descriptors in common; a sibling and not a child; new namespaces."""
_CHILD_CLEARTID, _CHILD_SETTID = 0x00200000, 0x01000000
_PR_GET_TID_ADDRESS = 40

_libc: Any = ctypes.PyDLL(None, use_errno=True)
# The system call's number, and where among its arguments the address for the thread id stands.
_CALLS = {"x86_64": (56, 3), "aarch64": (220, 4), "riscv64": (220, 4)}


def clone(flags: int = 0) -> int:
    """Make a process that goes on from here, like fork(2).

    Args:
        flags: `FILES`, `PARENT`, `NEWUSER`, `NEWPID`.

    Returns:
        0 in the new process, its id in this one.

    Raises:
        OSError: If the kernel refuses.
    """
    if _ARGUMENTS is None:
        if flags:
            raise OSError(f"no clone(2) for {platform.machine()} here")
        pid = _libc.fork()
    else:
        number, before, address = _ARGUMENTS
        pid = _libc.syscall(number, flags | _FLAGS, *before, address, 0)
    return checked(pid, "clone") if pid < 0 else pid  # no call in the new process: see `child`


def _tid_address() -> int:
    """Where libc keeps the id of this process's one thread; 0 where the kernel does not say."""
    found = ctypes.c_void_p()
    if _libc.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(found), 0, 0, 0) < 0 or not found.value:
        return 0
    known = ctypes.c_int.from_address(found.value).value
    return found.value if known == threading.get_native_id() else 0


def _arguments() -> tuple[int, tuple[int, ...], ctypes.c_void_p] | None:
    call = _CALLS.get(platform.machine())
    if call is None:
        return None
    number, place = call
    return number, (0,) * (place - 1), ctypes.c_void_p(_tid_address())


_ARGUMENTS = _arguments()
_FLAGS = signal.SIGCHLD | (
    _CHILD_SETTID | _CHILD_CLEARTID if _ARGUMENTS is not None and _ARGUMENTS[2].value else 0
)
