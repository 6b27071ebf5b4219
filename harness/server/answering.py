"""How answers are sent: piece by piece, counted while they are in memory, to clients that take them.

Does not cover: what they say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from harness.server.hang_ups import LeftError, Message, Send
from harness.server.origins import Refusal

SEND_SECONDS = 60.0
"""For the whole of an answer to be taken, and as many more as it has MiB: one that nobody reads stays in
memory."""
_PIECE = 1 << 16
UNANSWERED = "hung up"
"""In place of a status."""
_MORE = "http.response.body"


class Answering:
    """Sends the messages of one answer."""

    def __init__(self, send: Send, take: Callable[[int], None]) -> None:
        """
        Args:
            send: To the client; waits where that does not read.
            take: Counts bytes that are held until the request ends.
        """
        self._send, self._take = send, take
        self._start: Message | None = None
        self._refused = False
        self.status = UNANSWERED
        """As is sent, once it is."""

    async def __call__(self, message: Message) -> None:
        """Send one; in place of an answer that there is no room for now, a refusal.

        Raises:
            LeftError: If the client does not take it.
        """
        if message["type"] != _MORE:
            self._start = message  # until it is known that there is room for what follows
            return
        body = message.get("body", b"")
        try:
            self._take(len(body))
        except Refusal as refusal:  # not to be raised: to the application its answer has begun
            await self.refuse(refusal)
        if self._refused:
            return
        try:
            async with asyncio.timeout(SEND_SECONDS + len(body) / (1 << 20)):
                await self._all(body, more=message.get("more_body", False))
        except TimeoutError:
            raise LeftError from None

    async def refuse(self, refusal: Refusal) -> None:
        """Answer that, unless an answer has begun."""
        if self.status != UNANSWERED:
            return
        self._refused, self.status = True, str(refusal.status)
        body = json.dumps({"detail": refusal.detail}).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self._send({"type": _MORE, "body": body})

    async def _all(self, body: bytes, *, more: bool) -> None:
        if self._start is not None:
            self.status = str(self._start["status"])
            start, self._start = self._start, None
            await self._send(start)
        for at in range(0, len(body), _PIECE):
            last = at + _PIECE >= len(body)
            await self._send({"type": _MORE, "body": body[at : at + _PIECE], "more_body": more or not last})
        if not body:
            await self._send({"type": _MORE, "body": b"", "more_body": more})
