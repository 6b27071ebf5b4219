"""`RayNodes`: what a runner is told to grade on, and the nodes that Ray says there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.types import Limits

if TYPE_CHECKING:
    from harness.cluster.pool import NodePool


@dataclass(frozen=True, slots=True)
class RayNodes:
    """All nodes of a Ray cluster, for `Runner(workers=…)` and `GradingService(workers=…)`."""

    address: str = "auto"
    """`HOST:PORT` of the head, or `auto`; see `harness.ray_cluster`."""
    workers: int | None = None
    """Programs at a time on each node; `None` for the processors that Ray says it has."""

    def open_pool(self, limits: Limits, profiles: Sequence[str]) -> NodePool:
        """The pool of a runner; nothing is connected yet."""
        from harness.cluster.pool import NodePool  # noqa: PLC0415 - no part of a runner on one machine

        return NodePool(self, limits, profiles)


def alive_nodes(ray: Any) -> list[tuple[str, str, int]]:
    """Nodes that are up and have processors: id, name for people, and how many processors."""
    return [
        (node["NodeID"], f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})", int(count))
        for node in ray.nodes()
        if node["Alive"] and (count := node["Resources"].get("CPU", 0)) >= 1
    ]


def actor_on(ray: Any, kind: type, node: str, processors: int) -> Any:
    """A class that is called as `.remote(…)`: an actor on that node and no other, which is not restarted."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 - with ray only

    return ray.remote(kind).options(
        num_cpus=processors,
        max_restarts=0,
        max_task_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
    )
