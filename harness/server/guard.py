"""What stands before every route: who may ask, how much, and how often; and what a client that left gets.

Covers: Host, Origin, content type, token, sizes of bodies as they arrive and decompressed, requests at a
time, cancelling what a client that hung up has asked. An ASGI application around another.
Does not cover: the queue of programs (`fair_queue`), or what a body says.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Collection, Mapping

from harness.server.answering import Answering
from harness.server.bodies import MOST_VALUES, TooLargeError, inflate, memory_of, values_in
from harness.server.hang_ups import App, LeftError, Receive, Scope, Send, while_connected
from harness.server.meters import Meters
from harness.server.origins import Origins, Refusal
from harness.server.settings import Settings

_log = logging.getLogger("rltf.serve")

RETRY_SECONDS = 1
BODY_SECONDS = 60.0
"""For the whole of a body to arrive: one that trickles in holds a place that others wait for."""
OPEN = frozenset({"/health", "/v1/ping"})
"""Routes that need no token: they say that the server is there."""
_BEARER = "bearer "


def busy(detail: str) -> Refusal:
    """Status 503, with when to come again."""
    return Refusal(503, detail, {"retry-after": str(RETRY_SECONDS)})


class Guard:
    """Calls `app` for requests that may pass."""

    def __init__(
        self, app: App, settings: Settings, meters: Meters, routes: Mapping[str, Collection[str]]
    ) -> None:
        """
        Args:
            app: What answers.
            settings: Bounds, token, host names.
            meters: Told of every answer.
            routes: Paths that meters may name, with their methods in lower case; bodies are read for those
                with `post` only.
        """
        self._app, self._settings, self._meters, self._routes = app, settings, meters, routes
        self._origins = Origins(settings.hosts)
        self._requests = self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._measured(scope, receive, send)

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = scope["path"] if scope["path"] in self._routes else "other"
        started = time.monotonic()
        held = _Held(self)
        answering = Answering(send, held.take)
        self._requests += 1
        try:
            await self._guarded(scope, receive, answering, held)
        except Refusal as refusal:
            await answering.refuse(refusal)
        except LeftError:
            return
        except Exception as error:
            # Not to the HTTP server, which logs what an exception says: a part of a program, maybe.
            _log.error("%s at %s", type(error).__name__, route)
            await answering.refuse(Refusal(500, "the server failed"))
        finally:
            self._requests -= 1
            held.release()
            self._meters.requests.labels(route, answering.status).inc()
            self._meters.seconds.labels(route).observe(time.monotonic() - started)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, held: _Held) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._origins.check(headers, "; start the server with --allow-host")
        self._check_token(scope["path"], headers)
        if scope["method"] != "POST" or "post" not in self._routes.get(scope["path"], ()):
            await self._app(scope, receive, send)
            return
        if self._requests > self._settings.most_requests:
            raise busy("too many requests at a time")
        _check_type(headers)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                sent = await self._body(receive, headers, held)
        except TimeoutError:
            raise Refusal(408, "the request came too slowly") from None
        body = self._plain(sent, headers, held)
        del sent
        if (values := values_in(body)) > MOST_VALUES:
            raise Refusal(413, f"a request may have {MOST_VALUES} values")
        held.take(memory_of(body, values))
        await while_connected(self._app, scope, receive, send, body)

    # --- headers ---------------------------------------------------------------------------------

    def _check_token(self, path: str, headers: Mapping[str, str]) -> None:
        token = self._settings.token
        if token is None or path in OPEN:
            return
        sent = headers.get("authorization", "")
        given = sent[len(_BEARER) :] if sent.lower().startswith(_BEARER) else ""
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise Refusal(401, "a token is needed: Authorization: Bearer …", {"www-authenticate": "Bearer"})

    # --- bodies ----------------------------------------------------------------------------------

    async def _body(self, receive: Receive, headers: Mapping[str, str], held: _Held) -> bytes:
        most = self._settings.most_body_mib << 20
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            raise Refusal(413, f"a request may have {self._settings.most_body_mib} MiB")
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise LeftError
            part = message.get("body", b"")
            size, more = size + len(part), message.get("more_body", False)
            if size > most:
                raise Refusal(413, f"a request may have {self._settings.most_body_mib} MiB")
            held.take(len(part))
            parts.append(part)
        return b"".join(parts)

    def _plain(self, body: bytes, headers: Mapping[str, str], held: _Held) -> bytes:
        coding = headers.get("content-encoding", "identity").lower()
        if coding == "identity":
            return body
        if coding not in ("gzip", "deflate"):
            raise Refusal(415, "a body may be compressed by gzip or deflate")
        try:
            plain = inflate(body, self._settings.most_body_mib << 20)
        except TooLargeError:
            raise Refusal(
                413, f"a request may have {self._settings.most_body_mib} MiB, decompressed"
            ) from None
        except ValueError as error:
            raise Refusal(400, f"the body: {error}") from None
        held.take(len(plain))
        return plain

    def hold(self, size: int, before: int = 0) -> None:
        """Count bytes that are in memory; negative when they are let go.

        Args:
            size: How many.
            before: Of the same request, counted before.

        Raises:
            Refusal: If there would be too many; with status 413 if the request alone has too many.
        """
        most = self._settings.most_held_mib << 20
        if size > 0 and before + size > most:
            raise Refusal(413, "more than can be held in memory")
        if size > 0 and self._held + size > most:
            raise busy("too much to hold at a time")
        self._held += size


class _Held:
    """Bytes that one request has in memory."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._size = guard, 0

    def take(self, size: int) -> None:
        self._guard.hold(size, self._size)
        self._size += size

    def release(self) -> None:
        self._guard.hold(-self._size)


def _check_type(headers: Mapping[str, str]) -> None:
    """Web pages may send forms and plain text anywhere without asking; JSON they may not."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "the body must be JSON, with content-type application/json")
