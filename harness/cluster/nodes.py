"""`RayNodes`: what a runner is told to grade on, and the nodes that Ray says there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cluster.connection import connected, in_a_line
from harness.errors import InputError
from harness.types import Limits

if TYPE_CHECKING:
    from harness.cluster.pool import NodePool

NODE_SECONDS = 180.0
"""For an actor's process and those of its runner; on a busy machine half a minute."""
NO_PROCESSORS = f"it gave no processors in {NODE_SECONDS:g} s: others have them; --workers asks for fewer"


@dataclass(frozen=True, slots=True)
class RayNodes:
    """All nodes of a Ray cluster, for `Runner(workers=…)` and `GradingService(workers=…)`."""

    address: str = "auto"
    """`HOST:PORT` of the head, or `auto`; see `harness.cluster.connection`."""
    workers: int | None = None
    """Programs at a time on each node; `None` for the processors that Ray says it has, less `spare`."""
    spare: int = 0
    """Processors of each node that others of this run will need."""
    shared_by: int = 1
    """Runners that grade there at the same time, each with its share of `workers`."""

    def workers_on(self, processors: int) -> int:
        """Programs at a time on a node with so many processors; 0 for none."""
        return (self.workers or processors - self.spare) // self.shared_by

    def open_pool(self, limits: Limits, profiles: Sequence[str]) -> NodePool:
        """The pool of a runner; nothing is connected yet."""
        from harness.cluster.pool import NodePool  # noqa: PLC0415 - no part of a runner on one machine

        return NodePool(self, limits, profiles)


@dataclass(frozen=True, slots=True)
class Node:
    """One that is up and has processors."""

    id: str
    name: str
    """For people."""
    processors: int
    """As Ray was told."""


def alive_nodes(ray: Any) -> list[Node]:
    """Nodes that are up and have processors."""
    return [
        Node(node["NodeID"], f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})", int(count))
        for node in ray.nodes()
        if node["Alive"] and (count := node["Resources"].get("CPU", 0)) >= 1
    ]


def placed(ray: Any, what: Any, node: Node, processors: int, **options: Any) -> Any:
    """A function or a class, called as `.remote(…)`: on that node and no other, and never a second time."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 - with ray only

    retries = {"max_restarts": 0, "max_task_retries": 0} if isinstance(what, type) else {"max_retries": 0}
    where = NodeAffinitySchedulingStrategy(node.id, soft=False)
    return ray.remote(what).options(num_cpus=processors, scheduling_strategy=where, **retries, **options)


def on_every_node(
    nodes: RayNodes, function: Callable[..., str], *arguments: Any
) -> list[tuple[Node, str | None, str]]:
    """Call a function of this package once on each node, on all at the same time.

    Args:
        nodes: Which.
        function: Takes the number of workers that the node is to have, and the arguments.
        arguments: Plain ones.

    Returns:
        For each node what the function returned, or `None` and why it did not.

    Raises:
        InputError: If there is no connection, or no node.
    """
    with connected(nodes.address) as ray:
        found = alive_nodes(ray)
        if not found:
            raise InputError(f"--ray {nodes.address}: no node of the cluster has processors")
        asked = []
        for node in found:
            count = nodes.workers or node.processors
            asked.append(placed(ray, function, node, min(count, node.processors)).remote(count, *arguments))
        end = time.monotonic() + NODE_SECONDS
        answers: list[tuple[Node, str | None, str]] = []
        for node, reference in zip(found, asked, strict=True):
            try:
                answers.append((node, ray.get(reference, timeout=max(0.0, end - time.monotonic())), ""))
            except ray.exceptions.GetTimeoutError:
                answers.append((node, None, NO_PROCESSORS))
            except ray.exceptions.RayError as error:
                answers.append((node, None, in_a_line(error)))
        return answers
