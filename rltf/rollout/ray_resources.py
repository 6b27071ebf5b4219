"""Room for samplers on a Ray cluster: how many there are to be, and their places, or what is short.

Places are bundles of one placement group: Ray reserves them together or not at all, spreads them over the
nodes, and finds another place for one whose node is lost. Does not cover: what runs there
(`rltf.rollout.ray_samplers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.cluster.connection import connect
from harness.errors import InputError

_RESERVE_SECONDS = 60.0
"""What an earlier run held is free again seconds after its end, and a busy machine is slow."""


@dataclass(frozen=True, slots=True)
class Need:
    """Of one sampler."""

    cpus: float
    gpus: float

    @property
    def bundle(self) -> dict[str, float]:
        """As Ray writes it."""
        return {name: each for name, each in (("CPU", self.cpus), ("GPU", self.gpus)) if each}

    def room(self, node: Mapping[str, float]) -> int:
        """How many of these samplers a node with such resources has room for."""
        return min(int(node.get(name, 0.0) / each) for name, each in self.bundle.items())

    def __str__(self) -> str:
        return _written(self.bundle)


@dataclass(frozen=True, slots=True)
class Places:
    """Reserved for the samplers of this process."""

    ray: Any
    """The package, connected."""
    group: Any
    """Placement group with a bundle for each sampler."""
    need: Need
    count: int

    def release(self) -> None:
        """Give them back; what runs there ends."""
        self.ray.util.remove_placement_group(self.group)


def reserved(address: str, need: Need, wanted: int | None, *, share: tuple[int, int] = (0, 1)) -> Places:
    """Places on the cluster at `address`.

    Args:
        address: As for `harness.cluster.connection.connect`.
        need: Of one sampler.
        wanted: Samplers in all; `None` for one on each node, or for each GPU.
        share: This process and how many there are: each has its own part of the samplers.

    Raises:
        InputError: If there is no such cluster, or no room on it.
    """
    ray = connect(address)
    process, processes = share
    count = len(range(process, how_many(nodes_of(ray), need, wanted), processes))
    if not count:
        raise InputError(
            f"each of the {processes} processes needs a sampler of its own; pass samplers={processes} or more"
        )
    group = ray.util.placement_group([need.bundle] * count, strategy="SPREAD")
    if not group.wait(_RESERVE_SECONDS):
        ray.util.remove_placement_group(group)
        free, whole = _written(ray.available_resources()), _written(ray.cluster_resources())
        raise InputError(
            f"{count} samplers with {need} each got no place in {_RESERVE_SECONDS:g} s: {free} of"
            f" {whole} are free; wait for the rest, or lower samplers, sampler_cpus or sampler_gpus"
        )
    return Places(ray, group, need, count)


def how_many(nodes: Mapping[str, Mapping[str, float]], need: Need, wanted: int | None) -> int:
    """The number of samplers: as many as wanted, otherwise one for each node, or for each share of a GPU.

    Args:
        nodes: Resources of each node in all, by its address.
        need: Of one sampler.
        wanted: By the user.

    Raises:
        InputError: If there is no room for them, however long one waits.
    """
    rooms = [need.room(node) for node in nodes.values()]
    most = sum(rooms) if need.gpus else sum(room > 0 for room in rooms)
    if (wanted or 1) > sum(rooms):
        has = "; ".join(f"{address}: {_written(node)}" for address, node in nodes.items())
        raise InputError(
            f"samplers={wanted or 1} with {need} each do not fit: the cluster has room for {sum(rooms)}"
            f" ({has}); lower samplers, sampler_cpus or sampler_gpus, or add nodes"
        )
    return wanted or most


def check_room(address: str, need: Need, wanted: int | None) -> None:
    """Hold, before anything is computed, that there is such a cluster and room on it; reserves nothing.

    Raises:
        InputError: As `reserved`, but never waits for others.
    """
    how_many(nodes_of(connect(address)), need, wanted)


def nodes_of(ray: Any) -> dict[str, dict[str, float]]:
    """Resources of the nodes that are alive, by address; two raylets of one machine are told apart."""
    return {
        f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}": node["Resources"]
        for node in ray.nodes()
        if node["Alive"]
    }


def _written(resources: Mapping[str, float]) -> str:
    return " and ".join(f"{resources.get(name, 0):g} {name}" for name in ("CPU", "GPU") if name in resources)
