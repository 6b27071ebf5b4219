"""One process at a time in a run folder or a journal: locks that end with the process that took them.

Covers: its death in any way, also where children of it live on. Children that were started (workers,
samplers, Ray) never had the lock, since Python closes it for them; those made by fork let go of it.
Does not cover: helper processes of one launch, which write journals of their own
(`harness.run_store.journal`).
"""

from __future__ import annotations

import fcntl
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol
from weakref import WeakSet

from harness.errors import InputError
from harness.files import writing


class _Open(Protocol):
    """An open file."""

    def fileno(self) -> int:
        """Its descriptor."""

    def close(self) -> None:
        """Close it, if it is not closed already."""


_taken: WeakSet[_Open] = WeakSet()
"""What this process has locked."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Make `path` if it does not exist, and keep it locked; a folder that was made and left empty is removed.

    Raises:
        InputError: If another process has locked it, or it cannot be made or written.
    """
    with writing(path):
        created = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path).close()  # whether anything can be written there
        # The folder itself is locked: a lock file would stay behind, and would have to be explained.
        folder = _Folder(path)
    if not take(folder, path):
        raise InputError(f"{path} is in use by another rltf process; wait for it, or choose another --out")
    try:
        yield
    finally:
        folder.close()
        # Refused input leaves no folder behind; `rmdir` takes empty ones only.
        with suppress(OSError):
            for each in created:
                each.rmdir()


def take(file: _Open, path: Path) -> bool:
    """Lock an open file for this process until it is closed; one that another process has locked is closed.

    Where the file system has no locks, a warning says so.

    Args:
        file: Of this process alone, and of no child of it.
        path: Its name.

    Returns:
        Whether nobody else has it.
    """
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    except OSError as error:
        warnings.warn(
            f"{path} cannot be locked ({error.strerror}): nothing keeps a second rltf process out of it",
            stacklevel=2,
        )
    _taken.add(file)
    return True


class _Folder:
    """A folder that is open to be locked; Python has no object for that."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _leave_to_parent() -> None:
    # A lock lasts until the last process that has the file open closes it.
    for file in list(_taken):
        file.close()


os.register_at_fork(after_in_child=_leave_to_parent)
