"""A process beside training that samples, and takes new weights without being started anew.

The weights lie in memory that both processes share: `publish` copies the model's into it, while the process
is idle. Covers: a clean end, and an end with the trainer, whatever ends it (`kill -9` included).
Does not cover: other machines, or when to ask (`rltf.source`).
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import multiprocessing

from harness.errors import HarnessError, InfrastructureError, InputError
from harness.generate import Completion, Decoding, Request
from harness.generate.local import LocalSampler
from harness.runner.sandbox.isolation import die_with_parent

_STOP_SECONDS = 5.0


class SamplerProcess:
    """A `harness.generate.Sampler` that lives in a process of its own."""

    def __init__(self, model: Any, tokenizer: Any, *, device: str | None = None, **options: Any) -> None:
        """
        Args:
            model: That is being trained, not wrapped for data parallelism.
            tokenizer: The model's.
            device: Where the process samples; `None` for the model's own device.
            options: Of `LocalSampler`.
        """
        self._model = model
        self._shared = copy.deepcopy(model).to("cpu").share_memory()
        where = device or str(model.device)
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        given = {"parent": os.getpid(), "tokenizer": tokenizer, "device": where, "options": options}
        self._process = context.Process(target=_serve, args=(other, self._shared), kwargs=given, daemon=True)
        self._process.start()
        other.close()

    def publish(self) -> None:
        """Give the process the model's weights as they are now; call it only between two `complete`."""
        with torch.no_grad():
            for shared, own in zip(self._tensors(self._shared), self._tensors(self._model), strict=True):
                shared.copy_(own)

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion]:
        """As `Sampler.complete`.

        Raises:
            InputError: As the sampler's, from the process.
            InfrastructureError: If the process has ended.
        """
        answer = self._ask("complete", (list(requests), decoding))
        while answer is not None:
            yield from answer
            answer = self._answer()

    def describe(self) -> Mapping[str, Any]:
        """As `Sampler.describe`."""
        described: Mapping[str, Any] = self._ask("describe", ())
        return described

    def close(self) -> None:
        """End the process; what is under way ends with an `InfrastructureError`."""
        if self._process.is_alive():
            self._process.terminate()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()

    @staticmethod
    def _tensors(model: Any) -> list[torch.Tensor]:
        return [*model.parameters(), *model.buffers()]

    def _ask(self, question: str, arguments: tuple[Any, ...]) -> Any:
        with suppress(OSError):  # an end shows when the answer is read
            self._connection.send((question, arguments))
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise InfrastructureError("the sampler process has ended; start again with --resume") from None
        if isinstance(answer, HarnessError):
            raise answer
        return answer


def _serve(
    connection: Any, shared: Any, *, parent: int, tokenizer: Any, device: str, options: Mapping[str, Any]
) -> None:
    """Answer questions until the trainer closes the connection or ends."""
    die_with_parent(parent)
    own = shared if device == "cpu" else copy.deepcopy(shared).to(device)
    sampler = LocalSampler(own, tokenizer, **options)
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            question, arguments = connection.recv()
            try:
                if question == "describe":
                    connection.send(dict(sampler.describe()))
                    continue
                if own is not shared:
                    own.load_state_dict(shared.state_dict())
                for completion in sampler.complete(*arguments):
                    connection.send([completion])
                connection.send(None)
            except InputError as error:
                connection.send(error)
