"""The one folder that programs may write to, emptied after each.

Never raises over what a program left there: a folder that can't be emptied is said to be so, and costs a new
server with a new folder, not a verdict. Trees of any depth are taken apart without recursion, and without a
descriptor for each level: what lies in a folder is moved up before the folder is removed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from itertools import count

from .protocol import write_all

_MOST_ENTRIES = 1 << 20
"""Taken away before a folder is given up: what a program can make has far fewer."""


def clean(folder: str) -> bool:
    """Empty the folder; whether it is empty now."""
    try:
        if not os.listdir(folder):
            return True
        _empty(folder)
        return not os.listdir(folder)
    except Exception:  # whatever a program thinks of
        return False


def fill(folder: str, files: Mapping[str, bytes]) -> None:
    """Put files into the folder, which is empty. Their names have been checked where they came from.

    Raises:
        OSError: If that can't be done.
    """
    for name, data in files.items():
        if "/" in name or name in ("", ".", ".."):
            raise OSError(f"{name!r} is no name of a file")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(os.path.join(folder, name), flags, 0o644)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)


def remove(folder: str) -> None:
    """Empty and remove it, as far as that can be done."""
    clean(folder)
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _empty(folder: str) -> None:
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    names = (f"{number}" for number in count())
    left = _MOST_ENTRIES
    try:
        while (entries := os.listdir(top)) and left > 0:
            for name in entries:
                left -= _take_apart(top, name, names)
    finally:
        os.close(top)


def _take_apart(top: int, name: str, names: Iterator[str]) -> int:
    """Remove a file, or a folder once what is in it has been moved up; how many entries were touched."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=top)
        return 1
    os.chmod(name, stat.S_IRWXU, dir_fd=top)  # no link, and nobody is there to put one in its place
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    try:
        entries = os.listdir(inner)
        for entry in entries:
            if stat.S_ISDIR(os.stat(entry, dir_fd=inner, follow_symlinks=False).st_mode):
                os.chmod(entry, stat.S_IRWXU, dir_fd=inner)  # a folder that is moved is written to
                _move_up(inner, entry, top, names)
            else:
                os.unlink(entry, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)
    return 1 + len(entries)


def _move_up(inner: int, entry: str, top: int, names: Iterator[str]) -> None:
    for name in names:
        try:
            os.rename(entry, name, src_dir_fd=inner, dst_dir_fd=top)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        else:
            return


_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR, errno.EBUSY)
"""A name of our choice that the program has chosen too."""
