"""The workers of a runner: started, replaced, and held to the layers of the first.

Does not cover: which worker grades what (`runner.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from harness.errors import InfrastructureError, IsolationError
from harness.runner.layer_check import lacking
from harness.runner.retry import SHORTAGE_ATTEMPTS, retried
from harness.runner.worker_handle import LocalWorker, WorkerLostError
from harness.types import Limits

MAX_START_FAILURES = 5
_MAX_REFUSALS = 3
"""Workers in a row with fewer layers than the first."""


class Pool:
    """Some workers, all ready."""

    def __init__(self, limits: Limits, profiles: Sequence[str]) -> None:
        self._limits, self._profiles = limits, profiles
        self.workers: list[LocalWorker] = []
        self.layers: dict[str, str] = {}
        """Of the first server: `"on"`, or why not. No other has fewer."""

    def start(self, count: int) -> None:
        """Start that many at once, and wait for all.

        Raises:
            IsolationError: If one does not hold what it should.
            InfrastructureError: If they do not come up.
        """
        for _ in range(count):
            self.workers.append(self._started())
        for index in range(count):
            self._make_ready(index)

    def replace(self, worker: LocalWorker, *, prove_all: bool = False) -> LocalWorker:
        """End a worker and put another into its place; `start` says what may be raised."""
        index = self.workers.index(worker)
        worker.close(at_once=True)
        self.workers[index] = self._started(prove_all=prove_all)
        return self._make_ready(index, prove_all=prove_all)

    def close(self) -> None:
        """End them all."""
        while self.workers:
            self.workers.pop().close()

    def _started(self, *, prove_all: bool = False) -> LocalWorker:
        start = partial(LocalWorker, self._limits, self._profiles, self.layers, prove_all=prove_all)
        try:
            return retried(start, {OSError: SHORTAGE_ATTEMPTS})
        except OSError as error:
            raise InfrastructureError(
                f"no worker process could be started for minutes: {error}; raise the limit on processes,"
                " memory or open files, or use fewer workers"
            ) from None

    def _make_ready(self, index: int, *, prove_all: bool = False) -> LocalWorker:
        def ready() -> LocalWorker:
            worker = self.workers[index]
            try:
                worker.wait_ready()
                if fewer := lacking(self.layers, worker.layers):
                    raise IsolationError(
                        "a worker came up with less isolation than the first: without"
                        f" {'; '.join(fewer)}; nothing more was graded. Run `rltf doctor`"
                    )
            except (WorkerLostError, IsolationError):
                worker.close(at_once=True)
                self.workers[index] = self._started(prove_all=prove_all)
                raise
            self.layers = self.layers or dict(worker.layers)
            return worker

        try:
            return retried(ready, {WorkerLostError: MAX_START_FAILURES, IsolationError: _MAX_REFUSALS})
        except WorkerLostError as error:
            raise InfrastructureError(
                f"a worker died {MAX_START_FAILURES} times while starting ({error}); see `rltf doctor`"
            ) from None
