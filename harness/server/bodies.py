"""Bodies of requests: read and decompressed within bounds.

Does not cover: what they say.
"""

from __future__ import annotations

import base64
import binascii
import zlib


class TooLargeError(Exception):
    """More bytes than are allowed."""


def inflate(data: bytes, most: int) -> bytes:
    """Decompress gzip or zlib data; no more than `most` bytes are ever made.

    Raises:
        TooLargeError: If there are more.
        ValueError: If it is no such data, or not the whole of it.
    """
    made, rest = bytearray(), data
    while rest:
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


def from_base64(text: str) -> bytes:
    """The bytes of base64 text.

    Raises:
        ValueError: If it is none.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
