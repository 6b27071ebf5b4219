"""What grades programs for a runner: the `Worker` protocol, and the messages to a worker and back.

A worker is anything that takes chunks of programs and returns outcomes: `worker_handle.LocalWorker` is a
process of this machine, `harness.cluster.worker.NodeWorker` all processors of another.
`Runner(workers=[factory, …])` takes others; for workers that come and go there is `pool.PoolSource`.
A runner trusts its workers: they hold the expected answers, and decide.
Does not cover: how many programs a worker is given at a time (`worker_handle.WorkerHandle`), or when it is
replaced (`pool`, `runner`).
"""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Protocol

from harness.types import Limits, Outcome, TestSuite

PACKAGES = ("numpy",)
"""What programs may import beyond the standard library: named, so that a verdict is no matter of what
else happens to be installed."""


class WorkerLostError(Exception):
    """A worker is gone, or it is stuck."""


@dataclass(frozen=True, slots=True)
class Task:
    """A job as it travels to a worker."""

    number: int
    task_id: str
    sample_id: int | str
    code: str
    digest: str
    alone: bool = False
    """On trial: it has cost the grader processes before, and no other program is near. One loss will do."""
    limits: Limits | None = None
    """Of this program; `None` for the runner's."""
    files: Mapping[str, bytes] | None = None
    """That it finds in its folder."""
    execute: bool = False
    """Whether what it does is wanted, an `Execution`, and no verdict."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some jobs and the suites that they need."""

    tasks: Sequence[Task]
    suites: dict[str, TestSuite]


@dataclass(frozen=True, slots=True)
class Unprepared:
    """In place of an outcome: the problem's own tests, or its checker, can't be used. No second try helps."""

    reason: str


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker says of itself once it is ready, as seen where its programs run."""

    machine: str
    """Processor architecture, as `platform.machine`."""
    implementation: str
    """Of Python: `CPython`."""
    python: str
    """Its version."""
    packages: Mapping[str, str]
    """Versions of what programs may import beyond the standard library; "absent" where missing."""
    host: str = ""
    """Name of the machine."""
    layers: Mapping[str, str] = field(default_factory=dict)
    """Layers of isolation of its first server: `"on"`, or why not."""
    fork_optimizations: Mapping[str, int] = field(default_factory=dict)
    """What makes a fork cheap there, which changes no verdict; in bytes."""
    cgroup: tuple[str, ...] = ()
    """Which limits a control group holds for all programs of a server."""
    pool_size: int = 0
    """Of one that stands for several processes: how many. It answers in any order, replaces those that are
    lost, and tries a program that costs them alone, so its answers are final. 0 for a single process."""

    @property
    def versions(self) -> tuple[Any, ...]:
        """All that a verdict may depend on: workers of one runner must agree on it."""
        return self.machine, self.implementation, self.python, sorted(self.packages.items())


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """What a worker is to be, for its factory."""

    limits: Limits
    """What a program may use, where its job does not say."""
    profiles: Sequence[str]
    """Names of the comparisons."""
    layers: Mapping[str, str] = field(default_factory=dict)
    """Of isolation, that its servers must have; empty for the first worker."""
    prove_all: bool = False
    """Whether it is to try a server of each kind before it is ready."""


class Worker(Protocol):
    """Grades programs somewhere. The runner's thread calls it; no method but `wait_ready` may wait."""

    @property
    def info(self) -> WorkerInfo:
        """What it is; known once `wait_ready` has returned."""

    def wait_ready(self) -> None:
        """Wait until it can grade, and has checked itself.

        Raises:
            IsolationError: If programs would not be confined there.
            WorkerLostError: If it does not come up.
        """

    def submit(self, chunk: Chunk) -> None:
        """Give it programs. They are graded in order; each is answered once, by its task's number."""

    def poll(self) -> list[tuple[int, Any]]:
        """What has come, by number: `Outcome`, `Execution` for tasks with `execute`, or `Unprepared`.

        Called when `fileno` is readable.

        Raises:
            IsolationError: If programs are no longer confined there.
            WorkerLostError: If it is gone: the runner replaces it and gives what is outstanding to others.
        """

    def pace(self) -> float | None:
        """Of a pool: seconds in which all its processes together grade a program, as measured there.

        `None` where that is not known yet, and for a single process.
        """

    def check_alive(self) -> None:
        """Look whether it is well; called several times a second.

        Raises:
            WorkerLostError: If it is gone, or gave no sign of life for too long.
        """

    def fileno(self) -> int:
        """A descriptor that is readable when `poll` has something to return or to raise."""

    def close(self, *, at_once: bool = False) -> None:
        """End it and all its programs; raises nothing.

        Args:
            at_once: It is lost: do not wait for it.
        """


WorkerFactory = Callable[[WorkerStart], Worker]
"""Starts a worker; an `OSError` is a shortage of processes or memory, and tried again."""
Answer = Outcome | Any
"""An `Outcome`, or the `Execution` of a task with `execute`."""


def package_versions() -> dict[str, str]:
    """Versions of `PACKAGES` here; "absent" where missing."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


def info_here(
    layers: Mapping[str, str] | None = None,
    fork_optimizations: Mapping[str, int] | None = None,
    cgroup: tuple[str, ...] = (),
) -> WorkerInfo:
    """The facts about this process, as a worker in it would give them."""
    return WorkerInfo(
        machine=platform.machine(),
        implementation=platform.python_implementation(),
        python=platform.python_version(),
        packages=package_versions(),
        host=socket.gethostname(),
        layers=dict(layers or {}),
        fork_optimizations=dict(fork_optimizations or {}),
        cgroup=cgroup,
    )
