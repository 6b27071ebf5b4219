"""Where new programs come from, as the trainer sees it: ask, go on, collect.

Covers: making them in the training process while training waits.
Does not cover: the process beside it (`rltf.sampler_process`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from harness.evaluation import Grader
from harness.generate import Sampler
from rltf.rollout import Collected, Rollouts


class Source(Protocol):
    """Makes programs with the policy as it is when they are requested."""

    beside: bool
    """Works while training goes on."""

    def request(self, count: int, step: int) -> None:
        """Ask for at least `count` programs of the policy, which has made `step` optimiser steps."""

    def collect(self) -> Collected:
        """What was requested; waits for it."""

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, what was requested and not collected included; plain JSON values."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the source whose `state` this is."""


class Inline:
    """Makes programs in this process, when they are collected."""

    beside = False

    def __init__(
        self,
        rollouts: Rollouts,
        sampler: Sampler,
        grader: Grader,
        sampling: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """
        Args:
            rollouts: What is drawn, and what it is worth.
            sampler: Of the model that is being trained.
            grader: Running.
            sampling: Entered while programs are made: puts the model in order for it, and back.
        """
        self._rollouts = rollouts
        self._sampler = sampler
        self._grader = grader
        self._sampling = sampling
        self._wanted = (0, 0)

    def request(self, count: int, step: int) -> None:
        """See `Source.request`."""
        self._wanted = (count, step)

    def collect(self) -> Collected:
        """See `Source.collect`."""
        with self._sampling():
            return self._rollouts.collect(*self._wanted, self._sampler, self._grader)

    def state(self) -> dict[str, Any]:
        """See `Source.state`."""
        return self._rollouts.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Source.restore`."""
        self._rollouts.restore(state)
