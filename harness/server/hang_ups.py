"""What a client that hung up has asked is given up.

Does not cover: programs that run already, which end within their limits (`fair_queue`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class LeftError(Exception):
    """The client hung up."""


async def while_connected(app: App, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
    """Let `app` answer; when the client hangs up, what it does is cancelled.

    Raises:
        LeftError: If it did.
    """
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            await asyncio.Event().wait()  # cancelled with the answer
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def hang_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    answer = asyncio.ensure_future(app(scope, replay, send))
    left = asyncio.ensure_future(hang_up())
    try:
        await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise LeftError
        await answer
    finally:
        for task in (answer, left):
            task.cancel()
        await asyncio.gather(answer, left, return_exceptions=True)
