"""A client of HTTP/1.1 that costs little: connections that stay open, answers that say their length.

A server that is measured shares its processors with the client, so the client must need few.
Does not cover: answers in chunks, redirects, encryption.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Connection:
    """One connection, opened at first use and again after it was closed."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.reused = False
        """Whether the newest request went over a connection that had been used, and may have been closed."""

    async def get(self, path: str) -> Answer:
        """The answer to a GET."""
        await self.send("GET", path, b"")
        return await self.answer()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a POST of JSON.

        Raises:
            OSError: If the server closes the connection instead of answering.
        """
        await self.send("POST", path, body, headers)
        return await self.answer()

    async def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a request without waiting for its answer; `headers` replace those of the same name."""
        self.reused = self._writer is not None and not self._writer.is_closing()
        if self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        lines = {
            "host": f"{self._host}:{self._port}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await self._writer.drain()

    async def answer(self) -> Answer:
        """The next answer."""
        if self._reader is None:
            raise RuntimeError("nothing was sent")
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        except asyncio.IncompleteReadError:
            self.hang_up()
            raise ConnectionResetError("the server closed the connection") from None
        if headers.get("connection") == "close":
            self.hang_up()
        return Answer(int(first.split()[1]), headers, body)

    def hang_up(self) -> None:
        """Close it at once, whatever is under way."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None
