"""Nodes that answer after a delay, get lost and join, without Ray or programs: a `PoolSource` for a runner.

Time is a clock that stands still while anybody works: what takes time is the runner's own work, and a node
answers as soon as the runner has nothing else to do.
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
from dataclasses import dataclass, field
from typing import Any

from harness.runner.backend import Chunk, Task, WorkerLostError, info_here
from harness.runner.worker_handle import WorkerHandle
from harness.types import Outcome, Status, TestOutcome

GATHERED = 0.1
"""Seconds; as `harness.cluster.node`."""


class FakeNode:
    """Grades its chunks one after the other on each of its processes, at times of the cluster's clock."""

    def __init__(self, cluster: FakeCluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.info = info_here({"landlock": "on"})
        object.__setattr__(self.info, "pool_size", cluster.processes)
        self.wake = os.eventfd(0, os.EFD_NONBLOCK)
        self.free = [0.0] * cluster.processes
        self.answers: list[tuple[int, Any]] = []
        self.held = 0
        self.lost = self.closed = False

    def submit(self, chunk: Chunk) -> None:
        self.held += len(chunk.tasks)
        self.cluster.sent(self, chunk)
        self.signal()  # the runner is not to wait by the real clock

    def poll(self) -> list[tuple[int, Any]]:
        os.eventfd_read(self.wake)
        self.check_alive()
        answers, self.answers = self.answers, []
        self.held -= len(answers)
        return answers

    def pace(self) -> float:
        return self.cluster.seconds / self.cluster.processes

    def check_alive(self) -> None:
        if self.lost:
            raise WorkerLostError(f"{self.name} is gone")

    def fileno(self) -> int:
        return self.wake

    def close(self, *, at_once: bool = False) -> None:
        if not self.closed:
            self.closed = True
            os.close(self.wake)

    def signal(self) -> None:
        if not self.closed:
            os.eventfd_write(self.wake, 1)


@dataclass
class FakeCluster:
    """`Runner(workers=FakeCluster(…))`."""

    nodes: int
    processes: int = 8
    seconds: float = 0.01
    """That a program takes, on average; they are spread exponentially, as programs are."""
    latency: float = 0.005
    """Of the way there and back."""
    losses: int = 0
    """Nodes that are lost, spread evenly over the programs; another joins for each."""
    programs: int = 0
    seed: int = 0
    now: float = 0.0
    graded: dict[Any, int] = field(default_factory=dict)
    """How often the programs were graded, by sample."""
    most_held: int = 0

    def open_pool(self, limits: object, profiles: object) -> FakePool:
        self.random = random.Random(self.seed)
        self.events: list[tuple[float, int, FakeNode, Task]] = []
        self.numbers = itertools.count()
        self.loss_at = [self.programs * (n + 1) // (self.losses + 1) for n in range(self.losses)]
        self.pool = FakePool(self)
        return self.pool

    def sent(self, node: FakeNode, chunk: Chunk) -> None:
        now = self.now + self.latency / 2
        for task in chunk.tasks:
            begins = max(now, heapq.heappop(node.free))
            ends = begins + self.random.expovariate(1 / self.seconds)
            heapq.heappush(node.free, ends)
            heapq.heappush(self.events, (ends + self.latency / 2, next(self.numbers), node, task))
        self.most_held = max(self.most_held, node.held)

    def step(self) -> None:
        """Let time go on until there are answers, and take together what comes soon after, as nodes do."""
        if any(handle.worker.answers or handle.worker.lost for handle in self.pool.workers):
            return
        until = None
        while self.events and (until is None or self.events[0][0] <= until):
            self.now, _, node, task = heapq.heappop(self.events)
            if node.lost:
                continue
            until = until or self.now + GATHERED
            if self.loss_at and len(self.graded) >= self.loss_at[0]:
                self.loss_at.pop(0)
                node.lost = True
            else:
                self.graded[task.sample_id] = self.graded.get(task.sample_id, 0) + 1
                status = {"strict": Status.PASSED if task.sample_id % 3 else Status.WRONG_ANSWER}
                tests = (TestOutcome(status),) * 3
                node.answers.append((task.number, Outcome(task.task_id, task.sample_id, status, tests)))
            node.signal()


class FakePool:
    """Its nodes."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.workers: list[WorkerHandle] = []
        self.first = info_here({"landlock": "on"})
        self.joining = 0

    @property
    def processes(self) -> int:
        return sum(handle.worker.info.pool_size for handle in self.workers)

    def limit(self, most: int) -> None:
        pass

    def start(self) -> None:
        for n in range(self.cluster.nodes):
            self.join(f"node {n}")

    def join(self, name: str) -> None:
        self.workers.append(WorkerHandle(FakeNode(self.cluster, name), self.cluster.processes))

    def adopt(self) -> None:
        while self.joining:
            self.joining -= 1
            self.join("one that joined")
        self.cluster.step()

    def fresh(self, handle: WorkerHandle) -> WorkerHandle:
        return handle

    def replace(self, handle: WorkerHandle, *, prove_all: bool = False) -> None:
        self.workers.remove(handle)
        handle.worker.close(at_once=True)
        self.joining += 1

    def describe(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        while self.workers:
            self.workers.pop().worker.close()
