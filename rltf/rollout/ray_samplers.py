"""Samplers on a Ray cluster, beside the learner: they take new weights, and lost ones are replaced.

What one of them computes at a time is a batch as `LocalSampler` would make it of the same requests, so
neither their number nor the loss of one decides a bit of what is sampled, on like hardware with as many
threads.
Weights go through Ray's object store, which holds one copy on each node while they are pulled.
Covers: nodes with other versions. Does not cover: which batch goes where (`rltf.rollout.dispatch`), room on
the cluster (`rltf.rollout.ray_resources`), NCCL.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import HarnessError, InfrastructureError
from harness.models import Completion, Decoding, Request
from harness.models.hf.batching import CPU_TOKENS, GPU_TOKENS
from harness.models.hf.sampler import LocalSampler
from rltf.rollout.dispatch import Dispatch, LostSamplerError
from rltf.rollout.model_files import ModelFiles
from rltf.rollout.ray_actor import ActorStart, SamplerActor, Weights, versions, without_code
from rltf.rollout.ray_resources import Places
from rltf.rollout.weight_buffer import Layout, pack, tensors_of

_START_SECONDS = 600.0
"""Until an actor has imported torch and built its model."""
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Batch:
    requests: Sequence[Request]
    decoding: Decoding


class RaySamplers:
    """A `harness.models.Sampler` on a cluster that this process is connected to."""

    def __init__(self, places: Places, model: Any, tokenizer: Any, **options: Any) -> None:
        """
        Args:
            places: For them; released by `close`, or if they cannot be made.
            model: That is being trained, not wrapped for data parallelism.
            tokenizer: The model's.
            options: Of `LocalSampler`.

        Raises:
            InputError: If a node has other versions than this process, or cannot build the model.
            InfrastructureError: If an actor does not start.
        """
        self._ray, self._places, need = places.ray, places, places.need
        self._model = model
        device = "cuda" if need.gpus else "cpu"
        options = {"batch_tokens": GPU_TOKENS if need.gpus else CPU_TOKENS, **options}
        self._own = LocalSampler(model, tokenizer, **options)
        self._weights: list[Weights] = []
        self._published = 0
        self._closed = False
        self._actors: list[Any] = []
        try:
            files = ModelFiles.of(model, tokenizer)
            self._start = ActorStart(files, device, max(1, int(need.cpus)), versions(), options)
            self._actors = [self._actor(number) for number in range(places.count)]
            self._check_actors()
            self.publish()
        except BaseException:
            self.close()
            raise
        self._dispatch = Dispatch(self, places.count)

    # --- as a sampler ----------------------------------------------------------------------------

    def publish(self) -> None:
        """Give the samplers the model's weights as they are now; call it only between two `complete`.

        Raises:
            InfrastructureError: If the object store has no room for them.
        """
        parts: dict[str, dict[str, Any]] = {"frozen": {}, "trained": {}}
        for name, each in tensors_of(self._model).items():
            parts["trained" if each.requires_grad else "frozen"][name] = each
        self._published += 1
        self._weights = self._weights[:1] or [self._put("frozen", parts["frozen"])]
        # Without the old ones by now, so that the store need not hold both.
        self._weights = [*self._weights, self._put("trained", parts["trained"])]

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion]:
        """As `Sampler.complete`, batch by batch in the order of the batches.

        Raises:
            InputError: As the samplers'.
            InfrastructureError: If no sampler is left, or a batch ends one after the other.
        """
        requests = list(requests)
        formats = {each.task_id: each.prompt.format for each in requests}
        plain = [without_code(each) for each in requests]
        batches = [_Batch(batch, decoding) for batch in self._own.batches(plain, decoding)]
        for completions in self._dispatch.results(batches):
            for each in completions:
                yield replace(each, prompt=replace(each.prompt, format=formats[each.task_id]))

    def describe(self) -> Mapping[str, Any]:
        """As `Sampler.describe`, of the first sampler, and how many there are."""
        described: dict[str, Any] = self._ray.get(self._actors[0].describe.remote())
        return described | {"samplers": len(self._actors)}

    def close(self) -> None:
        """End the samplers; what is under way ends with an `InfrastructureError`."""
        self._closed = True
        self._weights = []
        for actor in self._actors:
            self._ray.kill(actor)
        self._places.release()

    # --- as `rltf.rollout.dispatch.Samplers` -----------------------------------------------------

    def start(self, sampler: int, batch: _Batch) -> Any:
        """See `Samplers.start`."""
        return self._actors[sampler].complete.remote(self._weights, batch.requests, batch.decoding)

    def restart(self, sampler: int, *, ended: bool) -> Any:
        """See `Samplers.restart`."""
        self._check_open()
        if not ended:
            self._ray.kill(self._actors[sampler])
        # Ray starts it once its place is there again, on another node if need be. Not by `max_restarts`: the
        # call that waits for such an actor is made anew every second, each time with a line to stderr.
        self._actors[sampler] = self._actor(sampler)
        return self._actors[sampler].hello.remote()

    def first_done(self, handles: Sequence[Any], seconds: float) -> Any | None:
        """See `Samplers.first_done`."""
        while seconds > 0:
            self._check_open()
            done, _ = self._ray.wait(list(handles), num_returns=1, timeout=min(seconds, _POLL_SECONDS))
            if done:
                return done[0]
            seconds -= _POLL_SECONDS
        return None

    def result(self, handle: Any) -> Any:
        """See `Samplers.result`."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(handle)
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, HarnessError):
                raise cause from None
            # Of its device or memory, or of pulling the weights.
            if isinstance(cause, RuntimeError | MemoryError | OSError | errors.RayError):
                raise LostSamplerError(_first_line(cause), ended=False) from None
            raise RuntimeError(f"in a sampler:\n{error}") from None
        except errors.RayError as error:
            raise LostSamplerError(_first_line(error), ended=True) from None

    def _check_open(self) -> None:
        if self._closed:
            raise InfrastructureError("the samplers have been closed")

    # --- what they are made of -------------------------------------------------------------------

    def _actor(self, number: int) -> Any:
        need, strategies = self._places.need, self._ray.util.scheduling_strategies
        place = strategies.PlacementGroupSchedulingStrategy(self._places.group, number)
        remote = self._ray.remote(num_cpus=need.cpus, num_gpus=need.gpus, scheduling_strategy=place)
        return remote(SamplerActor).remote(self._start)

    def _check_actors(self) -> None:
        """Hold that each is there, has our versions and builds our model.

        Raises:
            InputError: If one has others, or builds another.
            InfrastructureError: If one does not start.
        """
        layout = Layout.of(tensors_of(self._model))
        try:
            found = [self._answer(each) for each in [actor.hello.remote() for actor in self._actors]]
            for each in [actor.build.remote(layout) for actor in self._actors]:
                self._answer(each)
        except LostSamplerError as error:
            raise InfrastructureError(f"a sampler could not be started: {error}") from None
        if len(kinds := sorted(set(found))) > 1:
            warnings.warn(
                f"samplers run on unlike hardware ({', '.join(kinds)}): the last bits of log-probabilities"
                " depend on which of them samples what",
                stacklevel=2,
            )

    def _answer(self, handle: Any) -> Any:
        if self.first_done([handle], _START_SECONDS) is None:
            raise InfrastructureError(f"a sampler was not there in {_START_SECONDS:g} s")
        return self.result(handle)

    def _put(self, part: str, tensors: Mapping[str, Any]) -> Weights:
        layout = Layout.of(tensors)
        try:
            array = self._ray.put(pack(tensors, layout))
        except self._ray.exceptions.ObjectStoreFullError:
            raise InfrastructureError(
                f"Ray's object store has no room for {layout.size >> 20:,} MiB of weights; start Ray on the"
                " learner's node with more --object-store-memory, then start again with --resume"
            ) from None
        return Weights(part, self._published, layout, (array,))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'it says no more'}"
