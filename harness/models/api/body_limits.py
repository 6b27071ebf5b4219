"""Answers that never end: a body that grows without bound, or comes a byte at a time.

The client library reads a body whole and limits only the pause between two pieces. Here what a response may
hold, and how long it may take from its first byte, is checked while it is read; error pages are held to it,
too. Works with any version of the HTTP library, whose own types are taken from the response.
Does not cover: how long the first byte may take (the library's time-out).
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

BYTES = 16 << 20
"""Of a body. The longest answers, 131,072 tokens with every character escaped, have about 4 MiB."""
_ENCODED_BYTES = 256 << 10
"""Of a compressed body, which grows a thousandfold at most; none is asked for."""

HEADERS = {"Accept-Encoding": "identity"}
"""To be sent along, so that bytes are counted as they are."""


class EndlessAnswerError(Exception):
    """A body is too long, or takes too long; the message says which."""


def limited(seconds: float) -> Callable[[Any], None]:
    """An event hook of the HTTP library that limits the body of each response."""

    def hook(response: Any) -> None:
        library = sys.modules[type(response).__module__.partition(".")[0]]
        response.stream = _sync(library, response, seconds)

    return hook


def limited_async(seconds: float) -> Callable[[Any], Awaitable[None]]:
    """As `limited`, for asynchronous clients."""

    async def hook(response: Any) -> None:
        library = sys.modules[type(response).__module__.partition(".")[0]]
        response.stream = _asynchronous(library, response, seconds)

    return hook


class _Meter:
    """Raises once too much has come."""

    def __init__(self, response: Any, seconds: float) -> None:
        encoded = response.headers.get("content-encoding", "identity") not in ("identity", "")
        self._left = _ENCODED_BYTES if encoded else BYTES
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def count(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise EndlessAnswerError("an answer that is longer than any completion")
        if time.monotonic() > self._until:
            raise EndlessAnswerError(f"an answer that took more than {self._seconds:g} s to come")
        return piece


def _sync(library: Any, response: Any, seconds: float) -> Any:
    source, meter = response.stream, _Meter(response, seconds)

    class Limited(library.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            return map(meter.count, source)

        def close(self) -> None:
            source.close()

    return Limited()


def _asynchronous(library: Any, response: Any, seconds: float) -> Any:
    source, meter = response.stream, _Meter(response, seconds)

    class Limited(library.AsyncByteStream):  # type: ignore[misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in source:
                yield meter.count(piece)

        async def aclose(self) -> None:
            await source.aclose()

    return Limited()
