"""Files that are whole or not there, and failures to write them as one line.

Covers: atomic replacement by rename after fsync; a full disk or a missing permission as an `InputError`.
Does not cover: network file systems whose rename is not atomic.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from harness.errors import InputError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def user_cache() -> Path:
    """Where this program keeps what can be made again: `rltf` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "rltf")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` (disk full, no permission) into one line for the user."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}; make room or choose another --out, then"
            " run the same command again: what was graded is kept"
        ) from None


def check_file(path: Path) -> None:
    """Refuse what `replace_file` could not write, before work is done for it."""
    _refuse_folder(path)
    with writing(path):
        TemporaryFile(dir=path.parent).close()


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file")


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write `path` whole or not at all: a reader, or a run after a kill, never sees half a file."""
    _refuse_folder(path)
    temporary = path.with_name(path.name + ".tmp")
    with writing(path):
        # Whatever lies there is removed, never opened: a link in a shared folder could lead anywhere.
        temporary.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(temporary, _NEW, 0o666), "wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(
    path: Path, value: Any, *, default: Callable[[Any], Any] | None = None, allow_nan: bool = False
) -> None:
    """Write `value` whole or not at all, for people to read and to compare: equal values give equal bytes.

    `default` and `allow_nan` are those of `json.dumps`.
    """
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=allow_nan, default=default) + "\n"
    replace_file(path, lambda stream: stream.write(text.encode("ascii")))
