"""Where benchmark data comes from, and how its files are read.

Covers: the search order (argument, `$RLTF_DATA`, hub), JSON and JSON-lines files with errors that name
file and line, the hash of a data set, what was found out about a file in an earlier run, and a benchmark's
ERRATA.toml.
Does not cover: what the rows mean (`benchmarks.*`), nor downloads other than through `datasets`.
"""

from __future__ import annotations

import gzip
import json
import os
import tomllib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from hashlib import file_digest, sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.errors import DatasetError, InputError
from harness.files import user_cache, write_json

ENVIRONMENT_VARIABLE = "RLTF_DATA"
"""Names a folder with one sub-folder per benchmark (or a benchmark's own folder)."""

# Python never limits int <-> str below this many digits (sys.int_info.str_digits_check_threshold).
_SAFE_DIGITS = 640


def locate(
    benchmark: str, candidates: Sequence[str], data_dir: str | Path | None, *, hub: bool = True
) -> Path | None:
    """The first of `candidates` that exists in `data_dir` or `$RLTF_DATA`; `None` means: try the hub.

    Each folder is searched as the parent of `benchmark`'s own folder, then as that folder itself.

    Args:
        hub: Whether the benchmark is read from the hub as well; for the error's words.

    Raises:
        DatasetError: If `data_dir` is given and holds none of them: data that the user
            pointed to is never quietly replaced by the hub's.
    """
    folder = data_dir if data_dir is not None else os.environ.get(ENVIRONMENT_VARIABLE)
    if not folder:
        return None
    for root in (Path(folder, benchmark), Path(folder)):
        for candidate in candidates:
            if (root / candidate).exists():
                return root / candidate
    if data_dir is None:
        return None
    raise DatasetError(
        f"{data_dir} holds no {benchmark} data: expected {' or '.join(candidates)} in it or in its "
        f"sub-folder {benchmark}/; put one there, or name none to use"
        f" ${ENVIRONMENT_VARIABLE}{' or the hub' if hub else ''}"
    )


def read_jsonl(path: Path, only: Set[int] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of a JSON-lines file (gzip if named `.gz`) and its place, `file:line`; skips blank lines.

    Args:
        path: The file.
        only: Which objects, counted from 0; no other is parsed, and nothing behind the last is read.

    Raises:
        DatasetError: If the file can't be read or a line is no JSON object; names file and line.
    """
    number, found, left = 0, -1, -1 if only is None else len(only)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if left == 0:
                    return
                if not line.strip():
                    continue
                found += 1
                if only is not None and found not in only:
                    continue
                left -= 1
                yield f"{path}:{number}", parse_object(line, f"{path}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: unreadable after line {number} ({error}); the file is damaged or cut, get it again"
        ) from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DatasetError: If it can't be read or is no JSON; names file and line.
    """
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}:{error.lineno}: broken JSON ({error.msg}); get the file again") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: unreadable ({error}); get the file again") from error


def parse_object(text: bytes | str, place: str) -> dict[str, Any]:
    """A JSON object; `place` names where it stands in the error."""
    try:
        value = json.loads(text)
    except ValueError as error:  # broken JSON or not UTF-8
        raise DatasetError(f"{place}: broken JSON ({error}); get the file again") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{place}: expected a JSON object, got {type(value).__name__}; get the file again")
    return value


def parse_long_int(digits: str) -> int:
    """`int(digits)` for any length, for `json.loads(parse_int=…)`.

    Python refuses decimal integers of more than 4,300 digits by default; the limit is the whole
    interpreter's, so it is not ours to change, and blocks below it are always allowed.
    """
    if len(digits) <= _SAFE_DIGITS:
        return int(digits)
    sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits)
    total = 0
    for start in range(0, len(digits), _SAFE_DIGITS):
        block = digits[start : start + _SAFE_DIGITS]
        total = total * 10 ** len(block) + int(block)
    return sign * total


def require(row: Mapping[str, Any], key: str, kind: type | tuple[type, ...], place: str) -> Any:
    """`row[key]`, checked.

    Raises:
        DatasetError: If the key is missing or its value is not of `kind`.
    """
    if key not in row:
        raise DatasetError(f"{place}: no {key!r} in the row, it has {', '.join(sorted(row)) or 'no keys'}")
    if not isinstance(row[key], kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join(each.__name__ for each in kinds)
        raise DatasetError(f"{place}: {key!r} must be {names}, got {type(row[key]).__name__}")
    return row[key]


def load_hub(what: str, *args: Any, **kwargs: Any) -> Iterable[dict[str, Any]]:
    """`datasets.load_dataset(*args, **kwargs)`; `what` names the data in the error.

    Raises:
        DatasetError: If `datasets` is missing or the hub can't be read; says where else the data may lie.
    """
    fix = (
        f"put it into a folder and name that with data_dir or ${ENVIRONMENT_VARIABLE} "
        f"(see the README of benchmarks/{what.partition(' ')[0]} for the file names)"
    )
    try:
        from datasets import load_dataset  # noqa: PLC0415  # takes a second, and most runs read local files
    except ImportError as error:
        raise DatasetError(
            f"{what} not found here, and the hub needs `pip install 'rltf-harness[hub]'`; or {fix}"
        ) from error
    try:
        rows: Iterable[dict[str, Any]] = load_dataset(*args, **kwargs)
    except Exception as error:  # the hub raises many types; each means that the data did not come
        reason = " ".join(str(error).split())[:200].rstrip(" .")
        raise DatasetError(
            f"{what} not found here, and the hub gave {type(error).__name__}: {reason}; {fix}"
        ) from error
    return rows


class DataHash:
    """Hex SHA-256 of rows in id order, whatever order and source they come from."""

    def __init__(self) -> None:
        self._rows: dict[int, bytes] = {}

    def add(self, row_id: int, fields: Iterable[str]) -> None:
        """Take in one row. Lengths go in too, so text can't move from one field to the next unseen."""
        digest = sha256()
        for text in fields:
            encoded = text.encode(errors="surrogatepass")
            digest.update(b"%d:" % len(encoded))
            digest.update(encoded)
        self._rows[row_id] = digest.digest()

    def __contains__(self, row_id: int) -> bool:
        return row_id in self._rows

    def hexdigest(self) -> str:
        """Of all rows taken in so far."""
        total = sha256()
        for row_id in sorted(self._rows):
            total.update(b"%d:" % row_id + self._rows[row_id])
        return total.hexdigest()


class Findings:
    """What was found out by reading a whole file, kept in the user's cache for the next run.

    By the file's content, which is hashed each time: what is kept can't be another file's, or of this file
    before it changed. Reading a compressed file takes fifty times as long as hashing it.
    """

    def __init__(self, path: Path, kind: str) -> None:
        """
        Args:
            path: The file.
            kind: What is kept, with the version of what finds it out.

        Raises:
            DatasetError: If the file can't be read.
        """
        self._path = path
        self._content = self._hash()
        self._kept = user_cache() / "data" / f"{kind}-{self._content}.json"

    def get(self) -> Any:
        """What was kept, a JSON value; `None` if nothing was, or it can't be read."""
        try:
            return json.loads(self._kept.read_bytes())
        except (OSError, ValueError):
            return None

    def keep(self, value: Any) -> None:
        """Keep a JSON value, unless the file has changed since it was hashed."""
        if self._hash() != self._content:
            return
        with suppress(OSError, InputError):  # a cache that can't be written costs time and nothing else
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._kept, value)

    def _hash(self) -> str:
        try:
            with self._path.open("rb") as stream:
                return file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DatasetError(f"{self._path}: unreadable ({error}); get the file again") from error


def read_errata(package: str, prefix: str) -> dict[str, str]:
    """Task id to cause from `[errata]` in `package`'s ERRATA.toml, for ids that start with `prefix`."""
    table = tomllib.loads((files(package) / "ERRATA.toml").read_text(encoding="utf-8"))["errata"]
    return {task_id: str(cause) for task_id, cause in table.items() if task_id.startswith(prefix)}
