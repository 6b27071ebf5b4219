"""Where new programs come from, as the trainer sees it: ask, go on, collect.

Covers: making them in the training process while it waits, or beside it while it learns. Does not cover: what
is made (`rltf.rollout.rollout`), or what samples elsewhere (`rltf.rollout.sampler_process`,
`rltf.rollout.ray_samplers`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

from harness.evaluate.evaluation import Grader
from harness.models import Sampler
from rltf.rollout.rollout import Collected, Rollouts


class PublishedSampler(Sampler, Protocol):
    """A sampler with a copy of the weights, which works while the model learns."""

    def publish(self) -> None:
        """Give it the model's weights as they are now; called only between two `complete`."""

    def close(self) -> None:
        """End it; what is under way ends with an `InfrastructureError`."""


class Source(Protocol):
    """Makes programs with the policy as it is when they are requested."""

    beside: bool
    """Works while training goes on."""

    def request(self, count: int, step: int) -> None:
        """Ask for at least `count` programs of the policy, which has made `step` optimiser steps."""

    def collect(self) -> Collected:
        """What was requested; waits for it."""

    def wait_idle(self) -> None:
        """Wait until nothing is under way: the grader and the processors are free then."""

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, what was requested and not collected included; plain JSON values."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the source whose `state` this is."""

    def close(self) -> None:
        """End what was started."""


class Inline:
    """Makes programs in this process when they are collected; training waits for sampling and grading."""

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
        return self._rollouts.start(*self._wanted, self._sampler, self._grader)()

    def wait_idle(self) -> None:
        """Nothing is ever under way between calls."""

    def state(self) -> dict[str, Any]:
        """See `Source.state`."""
        return self._rollouts.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Source.restore`."""
        self._rollouts.restore(state)

    def close(self) -> None:
        """Nothing was started."""


class Overlapped:
    """Samples in this process when programs are requested, and grades them while training goes on.

    A checkpoint waits for what is under way and keeps it, so that a resumed run gets the same programs.
    """

    beside = True

    def __init__(self, rollouts: Rollouts, sampler: Sampler, grader: Grader) -> None:
        """`sampler`: of the model that is being trained; `grader`: running, and ours alone."""
        self._rollouts = rollouts
        self._sampler = sampler
        self._grader = grader
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rollouts")
        self._under_way: Future[Collected] | None = None

    def request(self, count: int, step: int) -> None:
        """See `Source.request`."""
        collect = self._rollouts.start(count, step, self._sampler, self._grader)
        # Where prompts were replaced, the verdicts have been waited for here.
        waited = bool(self._rollouts.objective.resampling_rounds)
        self._under_way = self._thread.submit(_named, collect, () if waited else _AFTER_SAMPLING)

    def collect(self) -> Collected:
        """See `Source.collect`."""
        if self._under_way is None:
            raise RuntimeError("nothing was requested")
        collected = self._under_way.result()
        self._under_way = None
        return collected

    def wait_idle(self) -> None:
        """See `Source.settle`."""
        if self._under_way is not None:
            self._under_way.result()

    def state(self) -> dict[str, Any]:
        """See `Source.state`."""
        self.wait_idle()
        ready = None if self._under_way is None else self._under_way.result().row()
        return {"rollouts": self._rollouts.state(), "ready": ready}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Source.restore`."""
        self._rollouts.restore(state["rollouts"])
        if (ready := state["ready"]) is not None:
            self._under_way = Future()
            self._under_way.set_result(Collected.of(ready))

    def close(self) -> None:
        """See `Source.close`."""
        self._thread.shutdown(cancel_futures=True)


class Beside(Overlapped):
    """Samples elsewhere, so that training waits for nothing but what is not ready in time."""

    def __init__(self, rollouts: Rollouts, sampler: PublishedSampler, grader: Grader) -> None:
        """`sampler`: of the model that is being trained; `grader`: running, and ours alone."""
        super().__init__(rollouts, sampler, grader)
        self._published = sampler

    def request(self, count: int, step: int) -> None:
        """See `Source.request`."""
        self._published.publish()

        def collect() -> Collected:
            return self._rollouts.start(count, step, self._published, self._grader)()

        self._under_way = self._thread.submit(_named, collect, ("sampling", *_AFTER_SAMPLING))

    def close(self) -> None:
        """See `Source.close`."""
        self._published.close()  # ends what is under way, too
        super().close()


class Awaited(Inline):
    """Samples elsewhere while training waits, so that new programs are of the newest weights."""

    def __init__(self, rollouts: Rollouts, sampler: PublishedSampler, grader: Grader) -> None:
        """As `Beside`."""
        super().__init__(rollouts, sampler, grader)
        self._published = sampler

    def request(self, count: int, step: int) -> None:
        """See `Source.request`."""
        self._published.publish()
        super().request(count, step)

    def close(self) -> None:
        """See `Source.close`."""
        self._published.close()


_AFTER_SAMPLING = ("grading", "judging", "crediting", "watching")


def _named(collect: Callable[[], Collected], beside: Sequence[str]) -> Collected:
    """What is collected, with other names for those of its seconds that training did not wait."""
    collected = collect()
    return replace(
        collected,
        seconds={
            f"{name}_beside" if name in beside else name: took for name, took in collected.seconds.items()
        },
    )
