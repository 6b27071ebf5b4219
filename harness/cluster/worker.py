"""A node as the driver's runner sees it: a `Worker` that stands for all of the node's processes.

Does not cover: which nodes there are (`pool`).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

from harness.cluster.connection import in_a_line
from harness.cluster.node import KEPT_SUITE_BYTES
from harness.cluster.nodes import NO_PROCESSORS, NODE_SECONDS, Node
from harness.cluster.plain import packed, unpacked
from harness.runner.backend import Chunk, WorkerInfo, WorkerLostError

_SILENT_SECONDS = 120.0
"""After an unanswered beat. Ray says sooner that a process is gone; this is for one that is stuck."""
_CLOSE_SECONDS = 5.0


class NodeWorker:
    """One node's actor. `poll` and `submit` belong to the runner's thread, `look` to the pool's."""

    def __init__(self, ray: Any, actor: Any, node: Node) -> None:
        """
        Args:
            ray: The package, connected.
            actor: Handle of a `NodeGrader`.
            node: Where that is.
        """
        self._ray, self._actor, self.node = ray, actor, node
        self.rules: Mapping[str, str] = {}
        """See `node.rules`."""
        self.facts: Mapping[str, Any] = {}
        """Versions and hardware, for the manifest."""
        self._info: WorkerInfo | None = None
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._answered: deque[tuple[Chunk | None, Any]] = deque()
        """Calls that have returned: with the chunk that was sent, or without one from `collect`."""
        self._pace: float | None = None
        self._sent: OrderedDict[str, int] = OrderedDict()
        self._sent_bytes = 0
        self._lost: str | None = None
        self._beat: Any = None
        self._beat_sent = 0.0
        self._closed, self._lock = False, threading.Lock()
        self.since = time.monotonic()
        """When it was started."""
        self._opening = actor.open.remote()

    @property
    def lost(self) -> str:
        """Why it can't be used any more."""
        return f"node {self.node.name}: {self._lost or 'its actor was lost'}"

    @property
    def info(self) -> WorkerInfo:
        """What the node said of itself when it was ready."""
        if self._info is None:
            raise RuntimeError("a worker says what it is once it is ready")
        return self._info

    def wait_ready(self) -> None:
        """Wait until its runner is up.

        Raises:
            WorkerLostError: If it does not come up; says why.
        """
        try:
            opened = unpacked(self._ray.get(self._opening, timeout=NODE_SECONDS))
        except self._ray.exceptions.GetTimeoutError:
            raise WorkerLostError(f"node {self.node.name}: {NO_PROCESSORS}") from None
        except (self._ray.exceptions.RayError, pickle.UnpicklingError) as error:
            raise WorkerLostError(f"node {self.node.name}: {in_a_line(error)}") from None
        if isinstance(opened, str):
            raise WorkerLostError(f"node {self.node.name}: {opened}")
        self._info, self.rules, self.facts = opened
        self._expect(self._actor.collect.remote(), None)

    def submit(self, chunk: Chunk) -> None:
        """Send a chunk, with the tests that the node is not known to have."""
        new = {digest: suite for digest, suite in chunk.suites.items() if digest not in self._sent}
        for digest, suite in chunk.suites.items():
            self._remember(digest, len(suite.packed))
        self._send(chunk, new)

    def _send(self, chunk: Chunk, suites: Mapping[str, Any]) -> None:
        reference = self._actor.grade.remote(packed(Chunk(chunk.tasks, dict(suites))))
        self._expect(reference, chunk)

    def _expect(self, reference: Any, chunk: Chunk | None) -> None:
        def take(future: Any) -> None:  # in a thread of Ray's
            self._answered.append((chunk, future))
            self._signal()

        reference.future().add_done_callback(take)

    def _signal(self) -> None:
        with self._lock:  # the number of a closed descriptor may be another's by now
            if not self._closed:
                os.eventfd_write(self._wake, 1)

    def _remember(self, digest: str, size: int) -> None:
        if digest not in self._sent:
            self._sent_bytes += size
        self._sent[digest] = size
        self._sent.move_to_end(digest)
        # Half of what the node keeps: it may have dropped what is older, and says so where it has.
        while self._sent_bytes > KEPT_SUITE_BYTES // 2 and len(self._sent) > 1:
            self._sent_bytes -= self._sent.popitem(last=False)[1]

    def poll(self) -> list[tuple[int, Any]]:
        """Read the outcomes that have come.

        Raises:
            WorkerLostError: If the node, its actor or its runner is gone.
        """
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        answers: list[tuple[int, Any]] = []
        while self._answered:
            chunk, future = self._answered.popleft()
            try:
                answer = unpacked(future.result())
            except (self._ray.exceptions.RayError, pickle.UnpicklingError) as error:
                answer = in_a_line(error)
            if isinstance(answer, str):
                self._lost = self._lost or answer
            elif chunk is None:
                answers += answer[0]
                self._pace = answer[1]
                self._expect(self._actor.collect.remote(), None)
            elif answer:
                self._send(chunk, {digest: chunk.suites[digest] for digest in answer})
        if not answers:
            self.check_alive()
        elif self._lost is not None:
            self._signal()  # what was graded is taken first
        return answers

    def pace(self) -> float | None:
        """As the node said last."""
        return self._pace

    def check_alive(self) -> None:
        """Whether it is known to be lost.

        Raises:
            WorkerLostError: If it is.
        """
        if self._lost is not None and not self._answered:
            raise WorkerLostError(self.lost)

    def look(self) -> None:
        """Send a beat, or see what became of the last."""
        if self._beat is not None:
            if self._beat.done():
                self._beat = None
            elif time.monotonic() - self._beat_sent > _SILENT_SECONDS and self._lost is None:
                self._lost = f"no sign of life for {_SILENT_SECONDS:g} s"
                self._signal()
        if self._beat is None:
            self._beat, self._beat_sent = self._actor.beat.remote().future(), time.monotonic()

    def fileno(self) -> int:
        """Readable when there is something to poll."""
        return self._wake

    def close(self, *, at_once: bool = False) -> None:
        """End the actor, and with it all that it started; raises nothing."""
        if self._closed:
            return
        with self._lock:
            self._closed = True
        with contextlib.suppress(Exception):
            if not at_once:
                self._ray.get(self._actor.close.remote(), timeout=_CLOSE_SECONDS)
        with contextlib.suppress(Exception):
            self._ray.kill(self._actor)
        os.close(self._wake)
