"""Batches handed to samplers as they become free; the batches of a lost sampler go to another.

Results come in the order of the batches, whichever sampler made them and however often one was lost, so what
is made of them does not depend on either. Does not cover: where samplers are (`rltf.rollout.ray_samplers`).
"""

from __future__ import annotations

import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.errors import InfrastructureError

_MOST_LOSSES = 3
"""Of one batch, or of one sampler without a batch in between: after so many it is no accident."""
_RESTART_SECONDS = 300.0
"""How long to wait where no sampler is left and all are being started again: a node takes minutes to boot."""


class LostSamplerError(Exception):
    """A sampler cannot go on as it is; the message says why."""

    def __init__(self, why: str, *, ended: bool) -> None:
        """`ended`: its process is no more."""
        super().__init__(why)
        self.ended = ended


class Samplers(Protocol):
    """Samplers somewhere, numbered from 0; what they do is known by handles."""

    def start(self, sampler: int, batch: Any) -> Any:
        """Have a sampler compute a batch; the handle of its result."""

    def restart(self, sampler: int, *, ended: bool) -> Any:
        """Have a lost sampler started again; a handle whose result is there when it can compute.

        `ended`: as `LostSamplerError.ended`.
        """

    def first_done(self, handles: Sequence[Any], seconds: float) -> Any | None:
        """One of `handles` whose result is there; None if there is none after `seconds`.

        Raises:
            InfrastructureError: If the samplers have been closed.
        """

    def result(self, handle: Any) -> Any:
        """What was computed.

        Raises:
            LostSamplerError: If it cannot be had, because the sampler was lost.
        """


@dataclass(frozen=True, slots=True)
class _Given:
    """What a sampler computes."""

    sampler: int
    call: int
    batch: int
    """Its number in the call."""


@dataclass(slots=True)
class _Call:
    """One call of `Dispatch.results`."""

    number: int
    waiting: deque[int]
    """Batches that no sampler has."""
    done: dict[int, Any] = field(default_factory=dict)
    losses: Counter[int] = field(default_factory=Counter)
    """Of each batch."""

    def lose(self, batch: int, why: LostSamplerError) -> None:
        """Have it computed by another sampler, before all others.

        Raises:
            InfrastructureError: If that has been done too often.
        """
        self.losses[batch] += 1
        if self.losses[batch] == _MOST_LOSSES:
            raise InfrastructureError(
                f"{_MOST_LOSSES} samplers were lost on the same programs: {why}; lower sample_batch_size if"
                " memory is short, then start again with --resume"
            )
        self.waiting.appendleft(batch)


class Dispatch:
    """Keeps `count` samplers busy; one for the life of the samplers."""

    def __init__(self, samplers: Samplers, count: int) -> None:
        self._samplers = samplers
        self._idle = deque(range(count))
        self._computing: dict[Any, _Given] = {}
        """By handle."""
        self._restarting: dict[Any, int] = {}
        self._losses: Counter[int] = Counter()
        """Of each sampler, since it last computed a batch."""
        self._calls = 0
        """Of `results`."""

    def results(self, batches: Sequence[Any]) -> Iterator[Any]:
        """The result of each batch, in their order; where it is left before its end, the rest is dropped.

        Raises:
            InfrastructureError: If no sampler is left, or a batch is lost again and again.
        """
        self._calls += 1
        call = _Call(self._calls, deque(range(len(batches))))
        for number in range(len(batches)):
            while number not in call.done:
                while self._idle and call.waiting:
                    given = _Given(self._idle.popleft(), call.number, call.waiting.popleft())
                    self._computing[self._samplers.start(given.sampler, batches[given.batch])] = given
                self._take(call)
            yield call.done.pop(number)

    def _take(self, call: _Call) -> None:
        """Wait for one sampler, and take note of what became of it."""
        handle = self._next()
        if handle in self._restarting:
            self._restarted(handle)
            return
        given = self._computing.pop(handle)
        wanted = given.call == call.number  # that of a call which was left is waited for by nobody
        try:
            result = self._samplers.result(handle)
        except LostSamplerError as error:
            self._lose(given.sampler, error)
            if wanted:
                call.lose(given.batch, error)
            return
        except Exception:
            self._idle.append(given.sampler)  # it lives; what is wrong is what it was given
            if wanted:
                raise
            return
        self._losses.pop(given.sampler, None)
        self._idle.append(given.sampler)
        if wanted:
            call.done[given.batch] = result

    def _next(self) -> Any:
        """A handle whose result is there."""
        handles = [*self._computing, *self._restarting]
        while handles:
            found = self._samplers.first_done(handles, _RESTART_SECONDS)
            if found is not None:
                return found
            if not self._computing:
                raise InfrastructureError(
                    f"no sampler is left: {len(handles)} were to be started again, and none was in"
                    f" {_RESTART_SECONDS:g} s; give the cluster the resources, then start again with --resume"
                )
        raise InfrastructureError("no sampler is left; start again with --resume")

    def _restarted(self, handle: Any) -> None:
        sampler = self._restarting.pop(handle)
        try:
            self._samplers.result(handle)
        except LostSamplerError as error:
            self._lose(sampler, error)
        else:
            self._idle.append(sampler)

    def _lose(self, sampler: int, why: LostSamplerError) -> None:
        self._losses[sampler] += 1
        if self._losses[sampler] == _MOST_LOSSES:
            warnings.warn(f"sampler {sampler} is given up: {why}", stacklevel=2)
            return
        times = f"loss {self._losses[sampler]}"
        warnings.warn(f"sampler {sampler} is lost and started again ({times}): {why}", stacklevel=2)
        self._restarting[self._samplers.restart(sampler, ended=why.ended)] = sampler
