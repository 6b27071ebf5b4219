"""The nodes of a cluster as a runner's workers: found, compared with the driver, lost, and joined by others.

Does not cover: which of them grades what (`harness.runner.runner`), or starting nodes, which is Ray's.
"""

from __future__ import annotations

import queue
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from harness.cluster.connection import connected
from harness.cluster.node import NodeGrader, rules
from harness.cluster.nodes import RayNodes, alive_nodes, placed
from harness.cluster.plain import packed
from harness.cluster.worker import NodeWorker
from harness.errors import InfrastructureError, InputError, IsolationError
from harness.runner.backend import WorkerInfo, WorkerLostError, WorkerStart
from harness.runner.layer_check import lacking
from harness.runner.worker_handle import WorkerHandle
from harness.types import Limits

_LOOK_SECONDS = 3.0
"""Between two looks for nodes that have joined, and two beats."""
_MOST_LOSSES = 3
"""Actors of one node that may be lost in a row before the node is left out;"""
_LASTING_SECONDS = 600.0
"""one that was up for so long begins a new row."""
_NO_NODE_SECONDS = 120.0
"""Without any node, before the run ends: clusters lose nodes and get others."""


class NodePool:
    """A runner's workers, one for each node."""

    def __init__(self, nodes: RayNodes, limits: Limits, profiles: Sequence[str]) -> None:
        """
        Args:
            nodes: Which.
            limits: What a program may use.
            profiles: Names of the comparisons.
        """
        self._nodes = nodes
        self._start = packed(WorkerStart(limits, tuple(profiles)))
        self._rules = rules(tuple(profiles))
        self.workers: list[WorkerHandle] = []
        self.first: WorkerInfo | None = None
        """Of the first node: no other has fewer layers."""
        self._stack = ExitStack()
        self._ray: Any = None
        self._lock = threading.Lock()
        self._known: dict[str, NodeWorker] = {}
        """Nodes with an actor, ready or not."""
        self._losses: Counter[str] = Counter()
        self._reason: dict[str, str] = {}
        """Why a node was lost last, by id."""
        self._left_out: dict[str, tuple[str, str]] = {}
        """Nodes that are not asked again, by id: their name, and why."""
        self._history: list[dict[str, Any]] = []
        self._joined: queue.SimpleQueue[NodeWorker] = queue.SimpleQueue()
        self._look, self._ended = threading.Event(), False
        self._watcher: threading.Thread | None = None
        self._empty_since = 0.0

    @property
    def processes(self) -> int:
        """Programs graded at a time, on all nodes together."""
        return sum(handle.worker.info.pool_size for handle in self.workers)

    # --- life ------------------------------------------------------------------------------------

    def limit(self, most: int) -> None:
        """Nodes start all the same: others may be lost."""

    def start(self) -> None:
        """Connect, and open the runner of every node.

        Raises:
            InputError: If there is no connection, or no node.
            InfrastructureError: If a node differs from this process in what a verdict depends on; names both.
            IsolationError: If a node has fewer layers of isolation than another.
        """
        self._ray = self._stack.enter_context(connected(self._nodes.address))
        opened = self._opened(self._new_nodes())
        if not opened:
            raise InputError(f"--ray {self._nodes.address}: no node can grade: {self._reasons()}")
        every = [item for worker in opened for item in worker.info.layers.items()]
        layers = {name: state for name, state in every if state == "on"}
        for worker in opened:
            self._check_rules(worker)
            self._check_layers(worker, layers)
        for worker in opened:
            self._admit(worker)
        self._watcher = threading.Thread(target=self._watch, name="ray nodes", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """End the actors and the connection, if it is ours."""
        self._ended = True
        self._look.set()
        if self._watcher is not None:
            self._watcher.join()
        with self._lock:
            left = list(self._known.values())
            self._known.clear()
        self.workers.clear()
        if left:
            with ThreadPoolExecutor(min(len(left), 64)) as threads:
                list(threads.map(lambda worker: worker.close(), left))
        self._stack.close()

    # --- for the runner --------------------------------------------------------------------------

    def adopt(self) -> None:
        """Take in the nodes that have joined.

        Raises:
            InfrastructureError: If there has been no node for minutes.
        """
        while not self._joined.empty():
            self._admit(self._joined.get())
        if not self.workers and time.monotonic() - self._empty_since > _NO_NODE_SECONDS:
            raise InfrastructureError(
                f"the cluster has had no node that grades for {_NO_NODE_SECONDS:g} s ({self._reasons()});"
                " what was graded is kept, and the same command goes on from there"
            )

    def replace(self, handle: WorkerHandle, *, prove_all: bool = False) -> None:
        """Leave a lost node out; if it is alive, or another is there, that comes in by `adopt`."""
        worker: Any = handle.worker
        self.workers.remove(handle)
        self._drop(worker, worker.lost)
        warnings.warn(f"{worker.lost}; what it had is graded by others", stacklevel=2)
        self._empty_since = time.monotonic()
        self._look.set()

    def fresh(self, handle: WorkerHandle) -> WorkerHandle:
        """The same: a node's own runner proves its processes."""
        return handle

    def describe(self) -> dict[str, Any]:
        """Every node that has graded, is grading, or was left out, for the manifest."""
        graded = {entry["id"] for entry in self._history}
        left_out = [
            {"name": name, "id": node, "left_out": why}
            for node, (name, why) in self._left_out.items()
            if node not in graded
        ]
        return {"nodes": [*map(dict, self._history), *left_out]}

    # --- nodes -----------------------------------------------------------------------------------

    def _reasons(self) -> str:
        return "; ".join(sorted(set(self._reason.values()))) or "none has processors to spare"

    def _new_nodes(self) -> list[NodeWorker]:
        """Start an actor on each node that has none and is not left out."""
        started = []
        for node in alive_nodes(self._ray):
            count = self._nodes.workers_on(node.processors)
            with self._lock:
                if count < 1 or node.id in self._known or node.id in self._left_out or self._ended:
                    continue
                reserved, calls = min(count, node.processors), NodeGrader.CALLS
                actor = placed(self._ray, NodeGrader, node, reserved, max_concurrency=calls)
                worker = NodeWorker(self._ray, actor.remote(self._start, count), node)
                self._known[node.id] = worker
            started.append(worker)
        return started

    def _opened(self, workers: Sequence[NodeWorker]) -> list[NodeWorker]:
        """Those that come up; the others are said, and tried again later."""

        def ready(worker: NodeWorker) -> bool:
            try:
                worker.wait_ready()
            except WorkerLostError as error:
                self._drop(worker, str(error))
                warnings.warn(f"{error}; it grades nothing", stacklevel=2)
                return False
            return True

        if not workers:
            return []
        with ThreadPoolExecutor(min(len(workers), 64)) as threads:
            return [worker for worker, came in zip(workers, threads.map(ready, workers), strict=True) if came]

    def _drop(self, worker: NodeWorker, why: str) -> None:
        with self._lock:
            self._known.pop(worker.node.id, None)
            lasted = time.monotonic() - worker.since > _LASTING_SECONDS
            self._losses[worker.node.id] = 1 if lasted else self._losses[worker.node.id] + 1
            self._reason[worker.node.id] = why
            if self._losses[worker.node.id] >= _MOST_LOSSES:
                self._left_out[worker.node.id] = worker.node.name, why
        worker.close(at_once=True)
        for entry in self._history:
            if entry["id"] == worker.node.id:
                entry["lost"] = entry.get("lost", 0) + 1

    def _admit(self, worker: NodeWorker) -> None:
        info = worker.info
        self.first = self.first or info
        self.workers.append(WorkerHandle(worker, info.pool_size))
        known = [entry for entry in self._history if entry["id"] == worker.node.id]
        if not known:
            self._history.append(
                {
                    "name": worker.node.name,
                    "id": worker.node.id,
                    "workers": info.pool_size,
                    "isolation": dict(info.layers),
                    "cgroup": list(info.cgroup),
                    "rules": dict(worker.rules),
                    **worker.facts,
                }
            )

    def _check_rules(self, worker: NodeWorker) -> None:
        for name, here in self._rules.items():
            there = worker.rules.get(name, "not there")
            if there != here:
                raise InfrastructureError(
                    f"node {worker.node.name} grades by another version than this process: {name} is"
                    f" {there} there and {here} here; make them the same, or take the node out of the cluster"
                )

    def _check_layers(self, worker: NodeWorker, layers: dict[str, str]) -> None:
        if fewer := lacking(layers, worker.info.layers):
            raise IsolationError(
                f"node {worker.node.name} has less isolation than the others: without {'; '.join(fewer)}; see"
                " `rltf doctor` there, or take it out of the cluster"
            )

    # --- the watching thread ---------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._ended:
            self._look.wait(_LOOK_SECONDS)
            self._look.clear()
            if self._ended:
                return
            for worker in self._ready():
                worker.look()
            try:
                found = self._new_nodes()
            except (
                self._ray.exceptions.RayError
            ):  # no word from the head: Ray ends this process if that lasts
                found = []
            for worker in found:
                threading.Thread(target=self._join, args=(worker,), name="ray node", daemon=True).start()

    def _ready(self) -> Iterator[NodeWorker]:
        for handle in list(self.workers):
            worker: Any = handle.worker
            yield worker

    def _join(self, worker: NodeWorker) -> None:
        """Have a node that has come up while running prove itself; one that differs is named and left out."""
        for each in self._opened([worker]):
            try:
                self._check_rules(each)
                self._check_layers(each, dict(self.first.layers) if self.first else {})
            except (InfrastructureError, IsolationError) as error:
                self._left_out[each.node.id] = each.node.name, str(error)
                warnings.warn(f"{error}; it grades nothing", stacklevel=2)
                self._drop(each, str(error))
                continue
            self._joined.put(each)
