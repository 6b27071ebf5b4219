"""Rows of a run on disk: journals while they are made, then one file in a fixed order.

Covers: the death of any process at any byte. A row is with the operating system when `append_row` returns, a
torn last row is dropped, and the final file replaces the one before it whole. Several processes may each
write a journal of their own beside one final file. Others read it meanwhile: what is written never changes.
Does not cover: loss of power. Rows are not synced to the disk one by one; what is lost is made again.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from harness.errors import InfrastructureError, InputError
from harness.files import replace_file, writing
from harness.run_store.lock import take
from harness.run_store.outcome_rows import check_outcome_row
from harness.run_store.records import Key, encoded, outcome_row
from harness.types import Outcome, Status

_TORN = b" torn by a kill\n"
"""Ends a line that a killed process began, so the line never parses as a row, even if only its newline was
missing."""


class RowFile:
    """Rows with a key each: of several for one key the last counts, and a journal's over the final file's."""

    def __init__(
        self, final: Path, key: Callable[[Mapping[str, Any]], Key], *, shard: int = 0, read: bool = True
    ) -> None:
        """Open, which makes no file.

        Args:
            final: File of all rows in the fixed order; may not exist yet.
            key: Of a row; raises `KeyError` or `TypeError` for what is no row of this file.
            shard: Number of the process that appends here; each has a journal of its own.
            read: Find out which rows are there; else `new_rows` starts with the first.
        """
        self.final = final
        suffix = f".journal-{shard}.jsonl" if shard else ".journal.jsonl"
        self.journal = final.with_suffix(suffix)
        self._key = key
        self._places: dict[Key, tuple[Path, int]] = {}
        self._ends: dict[Path, int] = {}
        self._damaged = 0
        self._stream: IO[bytes] | None = None
        if read:
            self.scan()

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[Key]:
        """The keys of the rows that are there; those of the final file first, in its order."""
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def journals(self) -> list[Path]:
        """The journals that exist, of all processes."""
        return sorted(self.final.parent.glob(f"{self.final.stem}.journal*.jsonl"))

    def scan(self) -> None:
        """Re-scan all files, including rows of other processes."""
        self._places, self._ends, self._damaged = {}, {}, 0
        for _row in self.new_rows():
            pass
        if self._damaged:
            warnings.warn(
                f"{self.final.parent}: rows of {self.final.stem} damaged on disk: {self._damaged:,};"
                " they were dropped, and are made again",
                stacklevel=2,
            )

    def new_rows(self) -> Iterator[dict[str, Any]]:
        """The rows that came since the last reading, from all files; what is damaged or torn is left out."""
        for path in (self.final, *self.journals):
            if not path.exists():
                continue
            with path.open("rb") as stream:
                stream.seek(self._ends.get(path, 0))
                for line in stream:
                    if not line.endswith(b"\n"):
                        break  # torn by a kill, or still being written
                    place = self._ends.get(path, 0)
                    self._ends[path] = place + len(line)
                    row = self._parsed(line)
                    if row is None:
                        self._damaged += not line.endswith(_TORN)  # a kill is no damage
                    else:
                        self._note(row, path, place)
                        yield row

    def append_row(self, row: dict[str, Any]) -> None:
        """Record a row; it survives the death of this process from here on."""
        line = encoded(row)
        with writing(self.journal):
            stream = self._stream or self._open()
            place = stream.tell()
            rest = memoryview(line)
            while rest:
                rest = rest[stream.write(rest) :]
        self._ends[self.journal] = place + len(line)
        self._note(row, self.journal, place)

    def finish(self, keys: Iterable[Key]) -> None:
        """Write the final file with one row for each of `keys`, in their order, and drop the journals.

        Raises:
            InfrastructureError: If a key has no row.
        """
        self.close()
        journals = self.journals
        if journals or not self.final.exists():
            replace_file(self.final, lambda stream: self._copy(keys, stream))
            for journal in journals:
                journal.unlink(missing_ok=True)
            self.scan()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open(self) -> IO[bytes]:
        # Unbuffered: a row is with the operating system once it is written; a kill tears one row at most.
        stream = self.journal.open("ab", buffering=0)
        if not take(stream, self.journal):
            raise InputError(
                f"{self.journal} is in use by another rltf process, perhaps one that an ended launch left"
                " behind; end it, then run the same command again"
            )
        if stream.tell() > self._ends.get(self.journal, 0):
            # Not cut off: a reader may hold its beginning already, and would join it to the row that follows.
            stream.write(_TORN)
        self._stream = stream
        return stream

    def _parsed(self, line: bytes) -> dict[str, Any] | None:
        try:
            row: dict[str, Any] = json.loads(line)
            self._key(row)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None  # damaged on disk: it is made again
        return row

    def _note(self, row: Mapping[str, Any], path: Path, place: int) -> None:
        self._places[self._key(row)] = (path, place)

    def _copy(self, keys: Iterable[Key], target: IO[bytes]) -> None:
        with ExitStack() as stack:
            sources = {path: stack.enter_context(path.open("rb")) for path in self._ends}
            for key in keys:
                if key not in self._places:
                    raise InfrastructureError(self._lost(key))
                path, place = self._places[key]
                sources[path].seek(place)
                target.write(sources[path].readline())

    def _lost(self, key: Key) -> str:
        return f"{self.final.name} lacks a row for {key[1]!r} of {key[0]}"


class OutcomeFile(RowFile):
    """The outcomes of one run.

    A row with an infrastructure error says nothing about the program, so the sample counts as not graded and
    the next run tries it again. So it does with one that says "lost": a machine's trouble may look like that.
    """

    def __init__(self, final: Path) -> None:
        self._failed: set[Key] = set()
        super().__init__(final, lambda row: (row["task_id"], row["sample_id"]))

    def is_graded(self, key: Key) -> bool:
        """Whether there is a verdict on this sample already."""
        return key in self._places and key not in self._failed

    def __len__(self) -> int:
        return len(self._places) - len(self._failed)

    def append(self, outcome: Outcome) -> None:
        """Record an outcome; it survives the death of this process from here on."""
        self.append_row(outcome_row(outcome))

    def _note(self, row: Mapping[str, Any], path: Path, place: int) -> None:
        super()._note(row, path, place)
        if row["infrastructure_error"] is None and Status.LOST not in row["verdicts"].values():
            self._failed.discard(self._key(row))
        else:
            self._failed.add(self._key(row))

    def _parsed(self, line: bytes) -> dict[str, Any] | None:
        row = super()._parsed(line)
        try:
            check_outcome_row(row)
        except ValueError:
            return None
        return row

    def _lost(self, key: Key) -> str:
        return f"the runner gave no outcome for sample {key[1]!r} of {key[0]}"
