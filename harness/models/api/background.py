"""Run asynchronous work beside the caller and hand its results over as they come.

A thread of its own, so that requests go on while the caller grades. Closing the iterator, or an interrupt in
the caller, cancels what is under way instead of waiting for it; the thread never keeps the process alive.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

Result = TypeVar("Result")
Work = Callable[[Callable[[Result], None]], Coroutine[None, None, None]]
"""Calls what it is given with each result."""

_SECONDS_TO_CLOSE = 2.0
"""Given to connections at the end; a server that does not let go of them keeps nobody waiting."""


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class _Background(Generic[Result]):
    """One thread with one event loop that runs one piece of work."""

    def __init__(self, work: Work[Result]) -> None:
        self.results: SimpleQueue[Result | _End] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(work(self.results.put))
        self._thread = threading.Thread(target=self._run, name="requests", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._loop.run_until_complete(self._task)
        except BaseException as raised:  # whatever it is, the caller is told, or waits for ever
            error = raised
        try:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
            self.results.put(_End(error))

    def close(self) -> None:
        """Cancel what is under way; wait a little for its connections to close."""
        with suppress(RuntimeError):  # it has just ended by itself, and its loop is closed
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(_SECONDS_TO_CLOSE)


def in_background(work: Work[Result]) -> Iterator[Result]:
    """Results of `work` as they come; then its error, if it ended with one."""
    background = _Background(work)
    try:
        while not isinstance(result := background.results.get(), _End):
            yield result
        if result.error is not None:
            raise result.error
    finally:
        background.close()
