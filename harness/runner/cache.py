"""Verdicts kept on disk, so that an identical program is graded once, in this run and in later ones.

One SQLite file, read and written by the host only. Infrastructure errors are never kept, nor are programs
that were lost with the grader's processes. A file that another version wrote is no trouble: all that a
verdict depends on is in the key. It has a size that it is brought back to when it is opened, by chance.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from harness.errors import InputError
from harness.run_store.records import encoded, outcome_from_row, outcome_row
from harness.types import Outcome

_COMMIT_EVERY = 256
MAX_MIB = 1024
"""Some four million programs. A file of twice as much is brought back to this."""


_DAMAGE = (
    OSError, sqlite3.Error, zlib.error, ValueError, TypeError, LookupError, ArithmeticError, RecursionError,
    MemoryError,
)  # fmt: skip
"""What a file that is none of ours, or not whole, may raise."""
_BOUND, _CHECK_BYTES = b"\x01", 8
"""How a row begins that is bound to its key: this, and so much of a digest of both."""


class VerdictCache:
    """A mapping from keys (see `harness.runner.cache_key`) to outcomes."""

    def __init__(self, folder: str | Path) -> None:
        """Open or create.

        Raises:
            InputError: If the folder can't be written or holds something else.
        """
        self.path = Path(folder) / "verdicts.sqlite"
        with self._usable():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Training grades in one thread and evaluates in another, one after the other.
            self._db = sqlite3.connect(self.path, timeout=30.0, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            # A cache may lose its last second in a power cut; it may not slow down grading.
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, outcome BLOB) WITHOUT ROWID"
            )
            self._make_room()
        # Not in a transaction, which would keep other evaluations from writing for as long as a batch takes.
        self._unwritten: dict[bytes, bytes] = {}

    def _make_room(self) -> None:
        """Drop rows by chance, down to the size, where the file is beyond twice that."""
        size = self.path.stat().st_size
        if size <= 2 * MAX_MIB << 20:
            return
        # Keys are digests, so a share of all possible ones is the same share of those that are here.
        first_kept = int((1 - (MAX_MIB << 20) / size) * (1 << 64)).to_bytes(8, "big")
        # Another run that is using the file now has its way; there is a next time.
        with suppress(sqlite3.OperationalError):
            with self._db:
                self._db.execute("DELETE FROM verdicts WHERE key < ?", (first_kept,))
            self._db.execute("VACUUM")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise InputError(
                f"{self.path}: not usable as a verdict cache ({error}); remove it or name another folder"
            ) from None

    def get(self, key: bytes) -> Outcome | None:
        """The outcome under this key, if it is known.

        Raises:
            InputError: If the file is damaged.
        """
        with self._usable():
            data = self._unwritten.get(key)
            if data is None:
                row = self._db.execute("SELECT outcome FROM verdicts WHERE key = ?", (key,)).fetchone()
                if row is None:
                    return None
                data = row[0]
            outcome = outcome_from_row(json.loads(_opened(key, data)))
            if not _is_kept(outcome):
                raise ValueError("no verdict: it was not graded")
            return outcome

    def put(self, key: bytes, outcome: Outcome) -> None:
        """Keep an outcome; does nothing for an infrastructure error, or a program that was lost.

        Raises:
            InputError: If the file is damaged.
        """
        if not _is_kept(outcome):
            return
        self._unwritten[key] = _closed(key, encoded(outcome_row(outcome)))
        if len(self._unwritten) >= _COMMIT_EVERY:
            self.flush()

    def flush(self) -> None:
        """Write what was put."""
        rows, self._unwritten = self._unwritten, {}
        if rows:
            with self._usable(), self._db:
                self._db.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", rows.items())

    def close(self) -> None:
        """Write and close."""
        try:
            self.flush()
        finally:
            self._db.close()


def _closed(key: bytes, row: bytes) -> bytes:
    """A row as it is kept: bound to its key, so that none is another program's in a file that is damaged."""
    packed = zlib.compress(row, level=1)
    return _BOUND + sha256(key + packed).digest()[:_CHECK_BYTES] + packed


def _opened(key: bytes, data: bytes) -> bytes:
    if data[:1] != _BOUND:  # kept before rows were bound
        return zlib.decompress(data)
    check, packed = data[1 : 1 + _CHECK_BYTES], data[1 + _CHECK_BYTES :]
    if sha256(key + packed).digest()[:_CHECK_BYTES] != check:
        raise ValueError("a row is not the one that was kept under its key")
    return zlib.decompress(packed)


def _is_kept(outcome: Outcome) -> bool:
    """Whether the program itself decided this, so that another run would find the same."""
    return outcome.infrastructure_error is None and not outcome.lost
