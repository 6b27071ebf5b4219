"""Where new programs come from, as the trainer sees it: ask, go on, collect.

Covers: making them in the training process while it waits, or beside it while it learns.
Does not cover: what is made (`rltf.rollout`), or the process that samples (`rltf.sampler_process`).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Protocol

from harness.evaluation import Grader
from harness.generate import Sampler
from rltf.buffer import experience_of
from rltf.rollout import Collected, Rollouts
from rltf.sampler_process import SamplerProcess


class Source(Protocol):
    """Makes programs with the policy as it is when they are requested."""

    beside: bool
    """Works while training goes on."""

    def request(self, count: int, step: int) -> None:
        """Ask for at least `count` programs of the policy, which has made `step` optimiser steps."""

    def collect(self) -> Collected:
        """What was requested; waits for it."""

    def settle(self) -> None:
        """Wait until nothing is under way: the grader and the processors are free then."""

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, what was requested and not collected included; plain JSON values."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the source whose `state` this is."""

    def close(self) -> None:
        """End what was started."""


class Inline:
    """Makes programs in this process, when they are collected."""

    beside = False

    def __init__(self, rollouts: Rollouts, sampler: Sampler, grader: Grader) -> None:
        """`sampler`: of the model that is being trained; `grader`: running."""
        self._rollouts = rollouts
        self._sampler = sampler
        self._grader = grader
        self._wanted = (0, 0)

    def request(self, count: int, step: int) -> None:
        """See `Source.request`."""
        self._wanted = (count, step)

    def collect(self) -> Collected:
        """See `Source.collect`."""
        return self._rollouts.collect(*self._wanted, self._sampler, self._grader)

    def settle(self) -> None:
        """Nothing is ever under way between calls."""

    def state(self) -> dict[str, Any]:
        """See `Source.state`."""
        return self._rollouts.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Source.restore`."""
        self._rollouts.restore(state)

    def close(self) -> None:
        """Nothing was started."""


class Beside:
    """Makes programs with a process beside training; a thread here grades them.

    A checkpoint waits for what is under way and keeps it, so that a resumed run gets the same programs.
    """

    beside = True

    def __init__(self, rollouts: Rollouts, sampler: SamplerProcess, grader: Grader) -> None:
        """`sampler`: of a copy of the model that is being trained; `grader`: running, and ours alone."""
        self._rollouts = rollouts
        self._sampler = sampler
        self._grader = grader
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rollouts")
        self._under_way: Future[Collected] | None = None

    def request(self, count: int, step: int) -> None:
        """See `Source.request`."""
        self._sampler.publish()
        self._under_way = self._thread.submit(
            self._rollouts.collect, count, step, self._sampler, self._grader
        )

    def collect(self) -> Collected:
        """See `Source.collect`."""
        if self._under_way is None:
            raise RuntimeError("nothing was requested")
        collected = self._under_way.result()
        self._under_way = None
        return collected

    def settle(self) -> None:
        """See `Source.settle`."""
        if self._under_way is not None:
            self._under_way.result()

    def state(self) -> dict[str, Any]:
        """See `Source.state`."""
        self.settle()
        ready = None if self._under_way is None else asdict(self._under_way.result())
        return {"rollouts": self._rollouts.state(), "ready": ready}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Source.restore`."""
        self._rollouts.restore(state["rollouts"])
        if (ready := state["ready"]) is not None:
            experiences = [experience_of(row) for row in ready["experiences"]]
            self._under_way = Future()
            self._under_way.set_result(Collected(experiences, ready["metrics"], ready["seconds"]))

    def close(self) -> None:
        """See `Source.close`."""
        self._sampler.close()  # ends what is under way, too
        self._thread.shutdown(cancel_futures=True)
