"""The workers of a runner: started, replaced, held to the layers and the versions of the first.

Does not cover: which worker grades what (`runner`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from harness.errors import InfrastructureError, IsolationError
from harness.runner.backend import WorkerFactory, WorkerInfo, WorkerLostError, WorkerStart
from harness.runner.cleanup import sweep
from harness.runner.layer_check import lacking
from harness.runner.retry import SHORTAGE_ATTEMPTS, retried
from harness.runner.worker_handle import WorkerHandle
from harness.types import Limits

MAX_START_FAILURES = 5
_MAX_REFUSALS = 3
"""Workers in a row with fewer layers than the first."""


class Pool(Protocol):
    """A runner's workers, all ready. The runner's thread calls it."""

    workers: list[WorkerHandle]
    """Always the same list."""
    first: WorkerInfo | None
    """Of the first worker: no other has fewer layers, or other versions."""

    @property
    def processes(self) -> int:
        """Programs graded at a time."""

    def limit(self, most: int) -> None:
        """Be told, before `start`, that there will be no more programs than so many."""

    def start(self) -> None:
        """Start the workers; returns when they are ready."""

    def adopt(self) -> None:
        """Take in those that have joined while running, without waiting; raises if there can be none."""

    def fresh(self, worker: WorkerHandle) -> WorkerHandle:
        """A worker in the place of this one with which a program can be tried alone."""

    def replace(self, worker: WorkerHandle, *, prove_all: bool = False) -> object:
        """End a worker that is lost. Another takes its place, now or by `adopt`."""

    def describe(self) -> dict[str, Any]:
        """What a run's manifest is to say of the workers beyond their infos."""

    def close(self) -> None:
        """End them all."""


class PoolSource(Protocol):
    """Workers that come and go, for `Runner(workers=…)`; pickled with the options of a `GradingService`."""

    def open_pool(self, limits: Limits, profiles: Sequence[str]) -> Pool:
        """The pool of one runner, which will start it."""


class FixedPool:
    """So many workers, each replaced where it is lost."""

    def __init__(self, factories: Sequence[WorkerFactory], limits: Limits, profiles: Sequence[str]) -> None:
        """
        Args:
            factories: One for each worker.
            limits: What a program may use.
            profiles: Names of the comparisons.
        """
        self._factories = tuple(factories)
        self._limits, self._profiles = limits, profiles
        self.workers: list[WorkerHandle] = []
        self.first: WorkerInfo | None = None
        """Of the first worker: no other has fewer layers, or other versions."""

    @property
    def processes(self) -> int:
        """Programs graded at a time."""
        return len(self._factories)

    def limit(self, most: int) -> None:
        """Start no more than so many, where none was started yet."""
        self._factories = self._factories[:most]

    def start(self) -> None:
        """Start all at once, and wait for all.

        Raises:
            IsolationError: If one does not hold what it should.
            InfrastructureError: If they do not come up, or grade by other versions than the first.
        """
        for index in range(len(self._factories)):
            self.workers.append(self._started(index))
        for index in range(len(self._factories)):
            self._make_ready(index)

    def adopt(self) -> None:
        """None join while running."""

    def fresh(self, worker: WorkerHandle) -> WorkerHandle:
        """A worker in the place of this one with which a program can be tried alone."""
        return self.replace(worker, prove_all=True)

    def describe(self) -> dict[str, Any]:
        """Nothing beyond what the workers' infos say."""
        return {}

    def replace(self, worker: WorkerHandle, *, prove_all: bool = False) -> WorkerHandle:
        """End a worker and put another into its place; `start` says what may be raised."""
        index = self.workers.index(worker)
        worker.worker.close(at_once=True)
        sweep()  # a server lives for months, and its workers are killed now and then
        self.workers[index] = self._started(index, prove_all=prove_all)
        return self._make_ready(index, prove_all=prove_all)

    def close(self) -> None:
        """End them all."""
        while self.workers:
            self.workers.pop().worker.close()

    def _started(self, index: int, *, prove_all: bool = False) -> WorkerHandle:
        layers = self.first.layers if self.first else {}
        start = WorkerStart(self._limits, self._profiles, dict(layers), prove_all)
        try:
            return WorkerHandle(retried(partial(self._factories[index], start), {OSError: SHORTAGE_ATTEMPTS}))
        except OSError as error:
            raise InfrastructureError(
                f"no worker process could be started for minutes: {error}; raise the limit on processes,"
                " memory or open files, or use fewer workers"
            ) from None

    def _make_ready(self, index: int, *, prove_all: bool = False) -> WorkerHandle:
        def ready() -> WorkerHandle:
            handle = self.workers[index]
            try:
                handle.worker.wait_ready()
                self._check_layers(handle.worker.info)
            except (WorkerLostError, IsolationError):
                handle.worker.close(at_once=True)
                self.workers[index] = self._started(index, prove_all=prove_all)
                raise
            self._check_versions(handle.worker.info)
            self.first = self.first or handle.worker.info
            return handle

        try:
            return retried(ready, {WorkerLostError: MAX_START_FAILURES, IsolationError: _MAX_REFUSALS})
        except WorkerLostError as error:
            raise InfrastructureError(
                f"a worker died {MAX_START_FAILURES} times while starting ({error}); see `rltf doctor`"
            ) from None

    def _check_layers(self, info: WorkerInfo) -> None:
        if self.first and (fewer := lacking(self.first.layers, info.layers)):
            raise IsolationError(
                "a worker came up with less isolation than the first: without"
                f" {'; '.join(fewer)}; nothing more was graded. Run `rltf doctor`"
            )

    def _check_versions(self, info: WorkerInfo) -> None:
        """A verdict must not depend on which worker happened to be free."""
        if self.first and info.versions != self.first.versions:
            raise InfrastructureError(
                f"the worker on {info.host} is another machine than that on {self.first.host}:"
                f" {_spelled(info)} instead of {_spelled(self.first)}; use workers with the same versions"
            )


def _spelled(info: WorkerInfo) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(info.packages.items()))
    return f"{info.machine}, {info.implementation} {info.python}, {packages}"
