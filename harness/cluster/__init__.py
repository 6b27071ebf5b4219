"""Grading on the nodes of a Ray cluster: `Runner(workers=RayNodes("auto"))`.

Each node grades with a runner of its own, in an actor (`node`); to the driver's runner it is one worker
(`worker`), which may be lost, and others may join (`pool`). Scheduling, transport, and noticing that a node
is gone are Ray's. What crosses is plain data (`plain`).
Does not cover: the connection (`harness.cluster.connection`), or what is graded where (`harness.runner`).
"""

from harness.cluster.nodes import RayNodes

__all__ = ["RayNodes"]
