"""Data out of text: JSON, a Python literal, base64 and zlib around them, and a pickle that holds one text.

Sizes are bounded before anything is unpacked. A pickle is never loaded: its opcodes are read, and any other
than those of a single text is refused, so that it can name no global and build nothing.

Does not cover: what the data means (`shapes.py`).
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import pickletools
import zlib
from typing import Any

from harness.datasource import parse_long_int
from harness.errors import InputError

MOST_PACKED = 128 << 20
"""Bytes of one problem's tests as they come. The longest rows of LiveCodeBench have some 50 MB."""
MOST_UNPACKED = 512 << 20
"""Bytes of them once base64 and zlib are undone."""
MOST_PYTHON = 4 << 20
"""Characters of Python in one problem's tests, a literal or statements: the syntax tree takes up to five
hundred times their size, and a second or two for each MiB. The longest row of MBPP+ has 0.2 MiB."""
MOST_TESTS = 100_000
"""Of one problem, each of which a program is told and a verdict has a row of."""

_TEXT_OPCODES = frozenset(
    (
        "PROTO", "FRAME", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "MEMOIZE", "BINPUT", "LONG_BINPUT",
        "PUT", "UNICODE", "STOP",
    )
)  # fmt: skip
"""All that a pickle of one text has in it."""


def check_size(*, count: int = 0, python: int = 0) -> None:
    """Refuse tests that would take too long, or too much memory, to make ready.

    Args:
        count: How many there are.
        python: Characters of Python in them.

    Raises:
        InputError: If it is more than is read.
    """
    if count > MOST_TESTS:
        raise InputError(f"{count} tests of one problem: at most {MOST_TESTS} are read; leave some out")
    if python > MOST_PYTHON:
        raise InputError(
            f"tests with {python / (1 << 20):.1f} MiB of Python: at most {MOST_PYTHON >> 20} are read; give"
            " inputs and outputs as JSON, or leave some out"
        )


def unpack(text: str | bytes) -> Any:
    """The data in a text; the text itself where it is neither JSON, a literal nor base64 of such.

    Raises:
        InputError: If it is too long, packed or unpacked, or is packed and damaged, or a pickle of more
            than a text.
    """
    if len(text) > MOST_PACKED:
        raise InputError(f"tests of {len(text) >> 20} MiB in one text: at most {MOST_PACKED >> 20} are read")
    if isinstance(text, bytes):
        text = _decode(text)
    found = _data(text)
    if found is not text:
        return found
    packed = _base64(text)
    return text if packed is None else _unpacked(packed)


def _data(text: str) -> Any:
    """JSON, or the literal of a list or dictionary; the text itself if it is neither."""
    start = text.lstrip()[:1]
    if not start or start not in '[{("':
        return text
    try:
        return json.loads(text, parse_int=parse_long_int)
    except (ValueError, RecursionError):
        pass
    if start == '"' or len(text) > MOST_PYTHON:
        return text
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text


def _base64(text: str) -> bytes | None:
    """What base64 holds; `None` if it is none, or holds nothing that zlib has packed."""
    try:
        packed = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    # The first byte of zlib's, and the check that the first two make.
    looks_packed = len(packed) > 2 and packed[0] == 0x78 and int.from_bytes(packed[:2]) % 31 == 0
    return packed if looks_packed else None


def _unpacked(packed: bytes) -> Any:
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed, MOST_UNPACKED)
    except zlib.error as error:
        raise InputError(f"tests in base64 and zlib are damaged ({error}); get the data again") from error
    if not stream.eof:
        # Stopped by the limit, or short of its end.
        why = "are cut" if len(plain) < MOST_UNPACKED else f"unpack to more than {MOST_UNPACKED >> 20} MiB"
        raise InputError(f"tests in base64 and zlib {why}; get the data again, or leave the problem out")
    text = pickled_text(plain) if plain[:1] == b"\x80" else _decode(plain)
    return _data(text)


def pickled_text(data: bytes) -> str:
    """The text that a pickle holds.

    Raises:
        InputError: If it holds anything else, or is damaged.
    """
    text = None
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name not in _TEXT_OPCODES:
                raise InputError(
                    f"tests in a pickle with {opcode.name}: only one that holds a text is read, since others"
                    " can run programs; store the tests as JSON"
                )
            if isinstance(argument, str):
                if text is not None:
                    raise InputError("tests in a pickle of several texts: store the tests as JSON")
                text = argument
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise InputError(f"tests in a damaged pickle ({str(error)[:80]}); get the data again") from error
    if text is None:
        raise InputError("tests in a pickle without a text: store the tests as JSON")
    return text


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"tests that are no UTF-8 text ({error.reason}); store them as JSON") from error
