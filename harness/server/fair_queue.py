"""Programs of many clients before one grading service: bounded, and fair.

Addresses take turns, requests of one address take turns, programs of one request go in order. So a batch of a
thousand programs delays another client's single one by one program. A request that is cancelled leaves the
queue; what is running of it runs to its end, within its limits.
Does not cover: grading. One event loop; not thread-safe.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from harness.errors import InfrastructureError

MOST_RESULTS = 1_000_000
"""Each takes half a KiB here, and twice that while its row is written."""
_Answer = TypeVar("_Answer")
Start = Callable[[], "Future[_Answer]"]
"""Hands one program to the service."""


class QueueFullError(Exception):
    """There is no room for these programs now."""


class _Work:
    """One program that waits for its turn, then for its answer."""

    __slots__ = ("answer", "future", "start")

    def __init__(self, start: Start[Any], answer: asyncio.Future[Any]) -> None:
        self.start, self.answer = start, answer
        self.future: Future[Any] | None = None


class FairQueue:
    """Bounded queue with turns."""

    def __init__(self, most_waiting: int, most_running: int, most_results: int = MOST_RESULTS) -> None:
        """
        Args:
            most_waiting: Programs that wait or run.
            most_running: Programs that the service has at a time; the rest wait here, where turns count.
            most_results: Of the tests of all programs whose requests are not answered.
        """
        self.most_waiting, self._most_running = most_waiting, most_running
        self._most_results, self._results = most_results, 0
        self._turns: dict[str, dict[int, deque[_Work]]] = {}
        self._requests = 0
        self.waiting = self.running = 0

    async def run(self, client: str, starts: Sequence[Start[_Answer]], results: int = 0) -> list[_Answer]:
        """The answers to the programs of one request, in their order.

        Args:
            client: Whose they are; clients take turns.
            starts: Called when the turn has come.
            results: Of tests that the answers will have, one for each test of each program.

        Raises:
            QueueFullError: If they do not fit; nothing was started.
        """
        full = self.waiting + self.running + len(starts) > self.most_waiting
        if full or self._results + results > self._most_results:
            raise QueueFullError
        if not starts:
            return []
        loop = asyncio.get_running_loop()
        works = [_Work(start, loop.create_future()) for start in starts]
        self._requests += 1
        self._results += results
        self._turns.setdefault(client, {})[self._requests] = deque(works)
        self.waiting += len(works)
        number = self._requests
        self._pump()
        try:
            return list(await asyncio.gather(*(work.answer for work in works)))
        finally:
            self._results -= results
            self._drop(client, number, works)

    def _drop(self, client: str, number: int, works: Sequence[_Work]) -> None:
        """What has not been answered is not wanted any more."""
        requests = self._turns.get(client, {})
        self.waiting -= len(requests.pop(number, ()))
        if not requests:
            self._turns.pop(client, None)
        for work in works:
            if work.future is not None:
                work.future.cancel()

    def _pump(self) -> None:
        while self.running < self._most_running and self._turns:
            work = self._next()
            self.waiting -= 1
            self._begin(work)

    def _next(self) -> _Work:
        """The program whose turn it is; its client and its request go to the end."""
        client, requests = next(iter(self._turns.items()))
        del self._turns[client]
        number, works = next(iter(requests.items()))
        del requests[number]
        work = works.popleft()
        if works:
            requests[number] = works
        if requests:
            self._turns[client] = requests
        return work

    def _begin(self, work: _Work) -> None:
        loop = asyncio.get_running_loop()
        try:
            work.future = work.start()
        except Exception as error:
            if not work.answer.done():
                work.answer.set_exception(error)
            return
        self.running += 1

        def done(future: Future[Any]) -> None:
            try:
                loop.call_soon_threadsafe(self._end, work, future)
            except RuntimeError:  # the loop is closed: nobody waits
                return

        work.future.add_done_callback(done)

    def _end(self, work: _Work, future: Future[Any]) -> None:
        self.running -= 1
        if not work.answer.done():
            if future.cancelled():  # by the service, which was closed
                work.answer.set_exception(InfrastructureError("the grading service was closed"))
            elif (error := future.exception()) is not None:
                work.answer.set_exception(error)
            else:
                work.answer.set_result(future.result())
        self._pump()
