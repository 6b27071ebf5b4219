"""Bodies of requests: decompressed within bounds, and what memory they stand for.

Does not cover: what they say.
"""

from __future__ import annotations

import base64
import binascii
import zlib

_MOST_MEMBERS = 64
"""Of a gzip file: behind each of them the rest is copied, and an empty one has 20 bytes."""

MOST_VALUES = 2_000_000
"""Of one request: while they are read, nobody else is answered."""
_VALUE_BYTES = 128
"""Of a list or dictionary in a list, or a field: all that its text is short for."""


class TooLargeError(Exception):
    """More bytes than are allowed."""


def inflate(data: bytes, most: int) -> bytes:
    """Decompress gzip or zlib data; no more than `most` bytes are ever made.

    Raises:
        TooLargeError: If there are more.
        ValueError: If it is no such data, or not the whole of it.
    """
    made, rest, members = bytearray(), data, 0
    while rest:
        members += 1
        if members > _MOST_MEMBERS:
            raise ValueError(f"compressed data in more than {_MOST_MEMBERS} members")
        # 47: either kind, told by its header. Gzip files may have several members.
        machine = zlib.decompressobj(wbits=47)
        try:
            made += machine.decompress(rest, most - len(made) + 1)
        except zlib.error as error:
            raise ValueError(f"not compressed data: {error}") from None
        if len(made) > most:
            raise TooLargeError
        if not machine.eof:
            raise ValueError("compressed data that ends too early")
        rest = machine.unused_data
    return bytes(made)


def values_in(body: bytes) -> int:
    """How many values JSON has, roughly; no fewer than any data that are made of it."""
    found = _marks(body)
    if found <= MOST_VALUES:
        return found
    # Marks within text are none.
    body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    texts = body.count(b'"') // 2
    return texts if texts > MOST_VALUES else _marks(b"".join(body.split(b'"')[::2]))


def _marks(body: bytes) -> int:
    return sum(map(body.count, (b"[", b"{", b",")))


def memory_of(body: bytes, values: int) -> int:
    """Bytes that the data take which JSON of so many values makes, at most."""
    # One character beyond Latin makes a whole text four times as large.
    width = 1 if body.isascii() and b"\\u" not in body else 4
    return width * len(body) + _VALUE_BYTES * values


def from_base64(text: str) -> bytes:
    """The bytes of base64 text.

    Raises:
        ValueError: If it is none.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
