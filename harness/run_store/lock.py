"""One process at a time in a run folder.

Does not cover: helper processes of one launch, which write journals of their own
(`harness.run_store.journal`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import InputError
from harness.files import writing


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Make `path` if it does not exist, and keep it locked; a folder that was made and left empty is removed.

    Raises:
        InputError: If another process has locked it, or it cannot be made.
    """
    with writing(path):
        created = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        # The folder itself is locked: a lock file would stay behind, and would have to be explained.
        lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise InputError(
            f"{path} is in use by another rltf process; wait for it, or choose another --out"
        ) from None
    try:
        yield
    finally:
        os.close(lock)
        # Refused input leaves no folder behind; `rmdir` takes empty ones only.
        with suppress(OSError):
            for folder in created:
                folder.rmdir()
