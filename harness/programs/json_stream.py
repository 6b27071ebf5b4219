"""Read JSON files of programs piece by piece: one row per line, or the elements of one large document.

Covers: JSON Lines, one top-level array, one top-level object, the samples of inspect's log; each plain or
gzip-compressed, told apart by content and never by file name; a line number for every piece; one clear error
for whatever is not that.
Does not cover: what a piece means (`harness.programs.formats`). No piece may exceed `MAX_PIECE` characters.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from harness.errors import InputError

MAX_PIECE = 256 * 1024 * 1024
"""Characters in one row or element: 200 programs of the largest size allowed; more is not a program file."""

_CHUNK = 1 << 18
_ID_KEY = re.compile(r'\s*\{\s*"(?:[\w.+-]+/)*\d+"\s*:')
_LOG = re.compile(r'\s*\{\s*"version"\s*:\s*\d+\s*,\s*"(?:status|eval)"\s*:')
"""How inspect's logs begin."""
_BROKEN_TAIL = 16
"""A JSON error this near to the end of what was read may only mean that more has to be read."""


class Layout(StrEnum):
    """How a file holds its pieces."""

    LINES = "lines"
    ARRAY = "array"
    OBJECT = "object"
    LOG = "log"


class _Peekable(Protocol):
    """What is needed of a buffered reader, compressed or not."""

    def peek(self, size: int, /) -> bytes: ...
    def read(self, size: int, /) -> bytes: ...
    def readline(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """One row of a JSON Lines file, or one element of a document."""

    line: int
    """1-based line on which it starts."""
    key: str | int | None
    """Key in an object, index in an array, `None` for a line."""
    value: Any
    source: Path | None = None
    """The file it is from, where that is not the path that was asked for."""
    sample_id: int | str | None = None
    """By the name of its file."""


def read_pieces(path: Path) -> Iterator[Piece]:
    """Yield the pieces of `path` in order, holding one at a time.

    Raises:
        InputError: If the file is missing, unreadable, cut off, not UTF-8 or not JSON; names file and line.
    """
    with _opened(path) as stream:
        layout = _layout(path, stream)
        if layout is Layout.LINES:
            yield from _lines(path, stream)
        elif layout is Layout.LOG:
            yield from _log_samples(_Text(path, stream))
        else:
            yield from _elements(_Text(path, stream), layout)


@contextmanager
def _opened(path: Path) -> Iterator[_Peekable]:
    if path.is_dir():
        raise InputError(f"{path} is a directory; name the file of programs inside it")
    try:
        with path.open("rb") as raw:
            if raw.peek(2)[:2] == b"\x1f\x8b":
                yield io.BufferedReader(gzip.GzipFile(fileobj=raw), _CHUNK)
            else:
                yield raw
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; name a file of programs, or 'gold'") from None
    except EOFError:
        raise InputError(f"{path} is a gzip file that ends early; copy or download it again") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is a damaged gzip file ({error}); copy or download it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def _layout(path: Path, stream: _Peekable) -> Layout:
    head = stream.peek(1 << 12)
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
        head = head[len(codecs.BOM_UTF8) :]
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise InputError(f"{path}, line 1: the text is UTF-16; save it as UTF-8")
    text = head.decode("utf-8", errors="replace").lstrip()
    if text.startswith("["):
        return Layout.ARRAY
    if _LOG.match(text):
        return Layout.LOG
    return Layout.OBJECT if _ID_KEY.match(text) else Layout.LINES


def _lines(path: Path, stream: _Peekable) -> Iterator[Piece]:
    number = 0
    while line := stream.readline(MAX_PIECE + 1):
        number += 1
        if len(line) > MAX_PIECE:
            raise InputError(
                f"{path}, line {number}: longer than {MAX_PIECE >> 20} MiB; write one row per line"
            )
        if line.isspace():
            continue
        yield Piece(number, None, _parse_line(f"{path}, line {number}", line))


def _parse_line(where: str, line: bytes) -> Any:
    if b"\0" in line:
        raise InputError(f"{where}: holds a NUL byte at column {line.index(0) + 1}; remove it or the line")
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        cut = "" if line.endswith(b"\n") else ", the file may be cut off"
        raise InputError(
            f"{where}: not JSON ({error.msg}, column {error.colno}{cut}); write one JSON object per line"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: JSON that cannot be read ({error}); mend or delete the line") from None


def _elements(text: _Text, layout: Layout) -> Iterator[Piece]:
    yield from _inside(text, layout)
    _end(text)


def _end(text: _Text) -> None:
    if text.peek():
        raise text.error("more text after the end of the document; write one document, or one row per line")


def _log_samples(text: _Text) -> Iterator[Piece]:
    """The samples of one of inspect's logs; what else is in it is read and dropped."""
    text.take("{")
    first = True
    while text.peek() != "}":
        if not first:
            text.take(",")
            text.peek()
        first = False
        key = text.value()
        text.take(":")
        if key == "samples" and text.peek() == "[":
            for piece in _inside(text, Layout.ARRAY):
                yield Piece(piece.line, None, piece.value)
        else:
            text.peek()
            text.value()
    text.take("}")
    _end(text)


def _inside(text: _Text, layout: Layout) -> Iterator[Piece]:
    text.take("[{")
    closing = "]" if layout is Layout.ARRAY else "}"
    index = 0
    while text.peek() != closing:
        if index:
            text.take(",")
        text.peek()
        line, key = text.line, text.value() if layout is Layout.OBJECT else index
        if layout is Layout.OBJECT:
            if not isinstance(key, str):
                raise text.error('a key that is not a string; write {"problem id": [programs], …}')
            text.take(":")
            text.peek()
        yield Piece(line, key, text.value())
        index += 1
    text.take(closing)


class _Text:
    """A JSON document read as far as needed, with the line that has been reached."""

    def __init__(self, path: Path, stream: _Peekable) -> None:
        self.line = 1
        self._path = path
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._ended = False

    def error(self, problem: str) -> InputError:
        return InputError(f"{self._path}, line {self.line}: {problem}")

    def peek(self) -> str:
        """The next character that is not white space, or `""` at the end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if not character.isspace():
                    return character
                self._advance(self._at + 1)
            if not self._read_more():
                return ""

    def take(self, expected: str) -> None:
        found = self.peek()
        if not found:
            raise self.error("the document ends early; the file may be cut off, copy it again")
        if found not in expected:
            raise self.error(f"not JSON (found {found!r}, expected {' or '.join(expected)}); mend the file")
        self._advance(self._at + 1)

    def value(self) -> Any:
        """Decode the JSON value that starts here."""
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                problem = self._not_json(error)  # before reading on, which moves what its place refers to
                if not self._may_be_incomplete(error) or not self._read_more():
                    raise problem from None
            except (ValueError, RecursionError) as error:
                raise self.error(f"JSON that cannot be read ({error}); mend or delete this element") from None
            else:
                # A number at the end of what was read may go on; strings and containers end by themselves.
                if end < len(self._text) or not self._read_more():
                    self._advance(end)
                    return value

    def _may_be_incomplete(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _BROKEN_TAIL

    def _not_json(self, error: json.JSONDecodeError) -> InputError:
        line = self.line + self._text.count("\n", self._at, error.pos)
        at_end = error.msg.startswith("Unterminated") or not self._text[error.pos :].strip()
        ended = ", the file may be cut off" if at_end else ""
        return InputError(f"{self._path}, line {line}: not JSON ({error.msg}{ended}); mend the file")

    def _advance(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to

    def _read_more(self) -> bool:
        if self._ended:
            return False
        if len(self._text) - self._at > MAX_PIECE:
            raise self.error(f"an element of more than {MAX_PIECE >> 20} MiB; write one row per line")
        # As much again as is held, so that decoding a long element anew stays linear in its length.
        chunk = self._stream.read(max(_CHUNK, len(self._text) - self._at))
        self._ended = not chunk
        try:
            more = self._decoder.decode(chunk, final=self._ended)
        except UnicodeDecodeError as error:
            line = self.line + self._text.count("\n", self._at) + chunk.count(b"\n", 0, error.start)
            raise InputError(f"{self._path}, line {line}: not UTF-8; save the file as UTF-8") from None
        if "\0" in more:
            line = self.line + self._text.count("\n", self._at) + more.count("\n", 0, more.index("\0"))
            raise InputError(f"{self._path}, line {line}: holds a NUL byte; remove it")
        self._text = self._text[self._at :] + more
        self._at = 0
        return not self._ended
