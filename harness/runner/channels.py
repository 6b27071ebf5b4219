"""The host's ends of a worker's pipes, none of which the host ever waits on.

Covers: a worker that is stopped while it reads or writes. Messages to it go out from a thread; those from it
are taken as far as they have come; its beats are counted against the host's own looks at them.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

from harness.runner.worker import FRAME

_MOST_BETWEEN_LOOKS = 0.5
"""Seconds of silence that one look can add. The host may have been stopped, or the machine asleep, or a
consumer of outcomes busy with one for minutes: none of that is the worker's silence."""
_READ_BYTES = 1 << 20
_SENT_SECONDS = 0.2


class Outbox:
    """Sends messages in order, from a thread of its own."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, message: object) -> None:
        """Send a message, soon."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)
            self._thread.start()
        self._messages.put(pickle.dumps(message))

    def close(self) -> None:
        """Send no more; what is being sent is given a moment."""
        self._messages.put(None)
        if self._thread is not None:
            self._thread.join(_SENT_SECONDS)

    def _work(self) -> None:
        while (data := self._messages.get()) is not None:
            try:
                self._connection.send_bytes(data)
            except (OSError, TypeError):  # a dead worker shows when it is read from; or this end was closed
                return


class Inbox:
    """Reads messages in frames, as they come."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._data = bytearray()

    def read(self) -> Iterator[Any]:
        """The messages that are whole now; call it when there is something to read.

        Raises:
            EOFError: If there will be no more.
        """
        data = os.read(self._connection.fileno(), _READ_BYTES)
        if not data:
            raise EOFError
        self._data += data
        header = struct.calcsize(FRAME)
        while len(self._data) >= header:
            (length,) = struct.unpack_from(FRAME, self._data)
            if len(self._data) < header + length:
                break
            message = bytes(self._data[header : header + length])
            del self._data[: header + length]
            # From our own worker; what a program made is only strings and numbers within.
            yield pickle.loads(message)  # noqa: S301


class Pulse:
    """How long a worker has not beaten, by the host's own looks."""

    def __init__(self, beats: Any) -> None:
        self._beats = beats
        os.set_blocking(beats.fileno(), False)
        self._silent = 0.0
        self._looked = time.monotonic()

    def silence(self) -> float:
        """Look; seconds since the last beat in which somebody looked."""
        now = time.monotonic()
        self._silent += min(now - self._looked, _MOST_BETWEEN_LOOKS)
        self._looked = now
        with contextlib.suppress(OSError):
            if os.read(self._beats.fileno(), _READ_BYTES):
                self._silent = 0.0
        return self._silent
