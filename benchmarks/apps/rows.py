"""APPS rows from wherever they lie: row files, the original folders, the hub.

Every source gives the columns of the hub's `codeparrot/apps`: `problem_id, question, solutions,
input_output, difficulty, url, starter_code`, with `solutions` and `input_output` as JSON text.
Does not cover: what the columns mean, or which rows are wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.datasource import DataHash, load_hub, locate, parse_object, read_jsonl, require
from harness.errors import DatasetError

Rows = Iterable[tuple[str, dict[str, Any]]]
"""Columns with their place, for errors."""

_REQUIRED = ("question", "solutions", "input_output", "difficulty")
_OPTIONAL = ("url", "starter_code")

# The repository's own loading script is refused by datasets >= 4 and would run the hub's code before
# that, so the files of the hub's Parquet conversion are named instead ("all": every difficulty).
HUB_FILES = "hf://datasets/codeparrot/apps@refs/convert/parquet/all/{split}/*.parquet"


@dataclass(frozen=True, slots=True)
class Row:
    """A row whose columns are of the right types."""

    place: str
    """For errors."""
    number: int
    """Its `problem_id`."""
    fields: dict[str, str]
    """The text columns in a fixed order."""


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of one split."""

    name: str
    """For manifests."""
    rows: Rows
    """Read as they are asked for, once."""
    file: Path | None = None
    """Where all of them lie in one file."""


def checked(rows: Rows, data_hash: DataHash) -> Iterator[Row]:
    """Rows with all that they need, each taken into the hash.

    Raises:
        DatasetError: At the first malformed one, or the second of a number; names its place.
    """
    for place, columns in rows:
        number = require(columns, "problem_id", int, place)
        if number in data_hash:
            raise DatasetError(f"{place}: problem_id {number} occurs twice; get the file again")
        fields = _fields(columns, place)
        data_hash.add(number, fields.values())
        yield Row(place, number, fields)


def _fields(row: dict[str, Any], place: str) -> dict[str, str]:
    """The row's text columns in a fixed order; absent ones are empty text (the hub writes some as null)."""
    nullable = (str, type(None))
    fields = {key: require(row, key, nullable, place) or "" for key in _REQUIRED}
    return fields | {key: require({key: None, **row}, key, nullable, place) or "" for key in _OPTIONAL}


def find_source(split: str, data_dir: str | Path | None) -> Source:
    """Where the rows of a split are.

    Raises:
        DatasetError: If nothing is found, at once; if a row can't be read, when its turn comes.
    """
    path = locate("apps", (f"{split}.jsonl.gz", f"{split}.jsonl", split), data_dir)
    if path is None:
        pattern = HUB_FILES.format(split=split)
        found = load_hub(f"apps ({split} split)", "parquet", data_files={split: pattern}, split=split)
        return Source(pattern, _numbered(pattern, found))
    if path.is_dir():
        return Source(str(path), _read_folders(path))
    return Source(str(path), read_jsonl(path), path)


def _numbered(source: str, rows: Iterable[dict[str, Any]]) -> Rows:
    for number, row in enumerate(rows):
        yield f"{source} row {number}", row


def _read_folders(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The layout that the authors publish: a folder `0000` per problem, most of its files optional."""
    folders = sorted(each for each in root.iterdir() if each.is_dir() and each.name.isdecimal())
    if not folders:
        raise DatasetError(f"{root}: no problem folders (0000, 0001, …) in it; unpack the APPS archive here")
    for folder in folders:
        metadata = parse_object(_text(folder / "metadata.json") or "{}", str(folder / "metadata.json"))
        question = _text(folder / "question.txt")
        if question is None:
            raise DatasetError(f"{folder}: no question.txt; unpack the APPS archive again")
        yield (
            str(folder),
            {
                "problem_id": int(folder.name),
                "question": question,
                "solutions": _text(folder / "solutions.json") or "",
                "input_output": _text(folder / "input_output.json") or "",
                "starter_code": _text(folder / "starter_code.py") or "",
                "url": metadata.get("url", ""),
                **({"difficulty": metadata["difficulty"]} if "difficulty" in metadata else {}),
            },
        )


def _text(path: Path) -> str | None:
    """A file's text, line ends as they are, so that it equals the hub's row; `None` if there is no file."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: unreadable ({error}); unpack the APPS archive again") from error
