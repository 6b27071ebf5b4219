"""A program's own source as a file in its folder, for programs that may read it.

With `python solution.py` the script lies in the working folder: `open(__file__)`, `inspect.getsource` and the
lines in `traceback.format_exc()` come from there. To make and remove a file costs every process more than to
look for a word, and next to no program reads it; so it is written for those whose text has a word of those
ways, and the folder of all others stays empty. It holds what the program's process has read anyway.
Does not cover: a program that puts the file's name together out of pieces, or that looks up its traceback
by `logging`.
"""

from __future__ import annotations

import contextlib
import os

from .protocol import write_all

_WORDS = (
    b"file",  # __file__, co_filename
    b"argv",
    b".py",
    b"inspect",
    b"traceback",
)
"""Few: each costs every process about a microsecond for a kilobyte of program."""


def write_if_read(source: bytes, name: str) -> None:
    """Write the source to the working folder if it says that it may want that; never raises over it."""
    for word in _WORDS:
        if word in source:
            break
    else:
        return
    # Without room for it in the folder, the program finds none, as it finds no room for files of its own.
    with contextlib.suppress(OSError):
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            write_all(fd, source)
        finally:
            os.close(fd)
