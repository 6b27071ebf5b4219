"""Files and folders of programs as pieces, whatever holds them.

Covers: JSON of every layout (`harness.programs.json_stream`); folders of `N.json` (RLTF, CodeRL) and of `.py`
(EvalPlus: `Mbpp_11/0.py`); parquet (TRL), if pyarrow is installed; inspect's `.eval`. One piece is held at a
time. What is none of these but known is refused by name, with the command that converts it.
Does not cover: what a piece means (`harness.programs.formats`).
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.programs.json_stream import MAX_PIECE, Piece, read_pieces

_ROWS = "to_json('programs.jsonl', orient='records', lines=True)"
_FOREIGN = {
    b"\x28\xb5\x2f\xfd": "is zstd-compressed; decompress it with: zstd -d FILE",
    b"\xfd7zXZ": "is xz-compressed; decompress it with: unxz FILE",
    b"BZh": "is bzip2-compressed; decompress it with: bunzip2 FILE",
    b"\x80\x02": "is a pickle, which is not read since it can run code; write one JSON object per line",
    b"\x80\x03": "is a pickle, which is not read since it can run code; write one JSON object per line",
    b"\x80\x04": "is a pickle, which is not read since it can run code; write one JSON object per line",
    b"\x80\x05": "is a pickle, which is not read since it can run code; write one JSON object per line",
    b"ARROW1": f"is an Arrow file; convert it with: datasets.Dataset.from_file(FILE).{_ROWS}",
    b"\xff\xff\xff\xff": f"is an Arrow stream; convert it with: datasets.Dataset.from_file(FILE).{_ROWS}",
    b"SQLite format 3": "is an SQLite database; write one JSON object per line",
}
_BY_NAME = {
    ".csv": f"is CSV; convert it with: pandas.read_csv(FILE).{_ROWS}",
    ".tsv": f"is TSV; convert it with: pandas.read_csv(FILE, sep='\\t').{_ROWS}",
    ".py": "is one program; put it into a row, or into a folder named after its problem, as in Mbpp_11/0.py",
}


def pieces_of(path: Path) -> Iterator[Piece]:
    """Yield the pieces of a file or folder in order.

    Raises:
        InputError: If it is missing, unreadable, damaged, or of a kind that is not read.
    """
    if path.is_dir():
        yield from _of_folder(path)
        return
    head = _head(path)
    for mark, problem in _FOREIGN.items():
        if head.startswith(mark):
            raise InputError(f"{path} {problem}")
    if path.suffix.lower() in _BY_NAME:
        raise InputError(f"{path} {_BY_NAME[path.suffix.lower()]}")
    if head.startswith(b"PAR1"):
        yield from _of_parquet(path)
    elif head.startswith(b"PK\x03\x04"):
        yield from _of_eval(path)
    else:
        yield from read_pieces(path)


def fingerprint_of(path: Path) -> str:
    """Hex SHA-256 of a file, or of a folder's programs with their names.

    Raises:
        InputError: If it is missing or cannot be read.
    """
    digest = sha256()
    try:
        for file in _programs_in(path) if path.is_dir() else [path]:
            if file != path:
                digest.update(os.fsencode(f"\0{file.relative_to(path)}\0{file.stat().st_size}\0"))
            with file.open("rb") as stream:
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; name a file of programs, or 'gold'") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    return digest.hexdigest()


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(16)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; name a file of programs, or 'gold'") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def _programs_in(folder: Path) -> list[Path]:
    """The folder's `N.json`, or its `.py` files, in the order of their numbers.

    Raises:
        InputError: If it has neither, or both.
    """
    documents = [file for file in folder.glob("*.json") if re.fullmatch("[0-9]+", file.stem)]
    scripts = [
        file
        for pattern in ("*.py", "*/*.py")
        for file in folder.glob(pattern)
        if _task_of(file, folder) is not None
    ]
    if documents and scripts:
        raise InputError(f"{folder} holds both N.json and .py files; put them into folders of their own")
    if not documents and not scripts:
        raise InputError(
            f"{folder} is a directory without N.json or NAME_N/*.py; name the file of programs inside it"
        )
    return sorted(documents or scripts, key=lambda file: _natural(str(file.relative_to(folder))))


def _of_folder(folder: Path) -> Iterator[Piece]:
    for file in _programs_in(folder):
        if file.suffix == ".json":
            for piece in read_pieces(file):
                yield Piece(piece.line, piece.key, piece.value, source=file)
        else:
            number = file.stem if file.parent != folder else None
            sample_id = int(number) if number is not None and re.fullmatch("[0-9]{1,18}", number) else number
            yield Piece(1, _task_of(file, folder), _script(file), source=file, sample_id=sample_id)


def _task_of(file: Path, folder: Path) -> str | None:
    """`Mbpp/11` for `Mbpp_11/0.py` and for `Mbpp_11.py`; `None` for what names no problem."""
    name = file.stem if file.parent == folder else file.parent.name
    found = re.fullmatch(r"(?:(.*?)[_-])?([0-9]+)", name)
    if found is None:
        return None
    return f"{found[1].replace('_', '/')}/{found[2]}" if found[1] else found[2]


def _script(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8; save the file as UTF-8, or remove it") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Orders 2 before 10."""
    parts = re.split("([0-9]{1,18})", name)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts if part]


def _of_parquet(path: Path) -> Iterator[Piece]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - heavy, and optional
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - the same
    except ImportError:
        raise InputError(
            f"{path} is parquet, which needs pyarrow; install it with: pip install pyarrow, or convert"
            f" with: pandas.read_parquet(FILE).{_ROWS}"
        ) from None
    number = 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    number += 1
                    yield Piece(number, None, row)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split())[:160]
        raise InputError(f"{path} is parquet that cannot be read ({cause}); copy or write it again") from None


def _of_eval(path: Path) -> Iterator[Piece]:
    """The samples of inspect's log, which is a zip archive."""
    convert = "convert it with: inspect log convert FILE --to json --output-dir DIR"
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if re.fullmatch(r"samples/.*\.json", name)]
            if not names:
                raise InputError(f"{path} is a zip archive without inspect's samples; unpack it first")
            for name in sorted(names, key=_natural):
                if archive.getinfo(name).file_size > MAX_PIECE:
                    raise InputError(f"{path}, {name}: longer than {MAX_PIECE >> 20} MiB; delete the sample")
                yield Piece(1, None, _document(path, name, archive.read(name)), source=path / name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path} is a damaged zip archive ({error}); copy it again") from None
    except (NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{path} is a zip archive that this Python cannot read ({error}); {convert}"
        ) from None


def _document(path: Path, name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, {name}: not JSON ({error}); write the log again") from None
