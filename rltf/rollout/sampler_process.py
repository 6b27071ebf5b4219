"""A process beside training that samples, and takes new weights without being started anew.

The weights lie in memory that both processes share: `publish` copies the model's into it, while the process
is idle. Each answer carries its question's number, so that one which nobody waits for any more is never taken
for the next. Covers: a clean end, an end with the trainer, whatever ends it (`kill -9` included), and errors:
they come over with their cause, and those that are no bug of ours as one line.
Does not cover: other machines, or when to ask (`rltf.rollout.schedule`).
"""

from __future__ import annotations

import copy
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import multiprocessing

from harness.errors import HarnessError, InfrastructureError
from harness.models import Completion, Decoding, Request
from harness.models.hf.sampler import LocalSampler
from harness.runner.sandbox.isolation import die_with_parent

_STOP_SECONDS = 5.0


class SamplerProcess:
    """A `harness.models.Sampler` that lives in a process of its own."""

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
        self._asked = 0
        other.close()

    def publish(self) -> None:
        """Give the process the model's weights as they are now; call it only between two `complete`."""
        with torch.no_grad():
            for shared, own in zip(self._tensors(self._shared), self._tensors(self._model), strict=True):
                shared.copy_(own)

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion]:
        """As `Sampler.complete`; where it is left before its end, the process stops at the next completion.

        Raises:
            InputError: As the sampler's, from the process.
            InfrastructureError: If the process has ended, or its device or memory failed.
        """
        number = self._ask("complete", (list(requests), decoding))
        ended = False
        try:
            while (completion := self._answer(number)) is not None:
                yield completion
            ended = True
        except Exception:  # the answer ended with it
            ended = True
            raise
        finally:
            if not ended:
                self._leave(number)

    def describe(self) -> Mapping[str, Any]:
        """As `Sampler.describe`."""
        described: Mapping[str, Any] = self._answer(self._ask("describe", ()))
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

    def _ask(self, question: str, arguments: tuple[Any, ...]) -> int:
        """Put a question; its number."""
        self._asked += 1
        with suppress(OSError):  # an end shows when the answer is read
            self._connection.send((self._asked, question, arguments))
        return self._asked

    def _answer(self, number: int) -> Any:
        """The next message of the answer to question `number`."""
        while True:
            try:
                of, kind, answer = self._connection.recv()
            except (EOFError, OSError):
                raise InfrastructureError(
                    "the sampler process has ended; start again with --resume"
                ) from None
            if of == number:
                break
        if kind == "error":
            raise answer
        if kind == "bug":
            raise RuntimeError(f"in the sampler process:\n{answer}")
        return answer

    def _leave(self, number: int) -> None:
        """Have the process stop answering, and wait until it has."""
        left = self._ask("leave", ())
        with suppress(HarnessError, RuntimeError):
            self._answer(left)


def _serve(
    connection: Any, shared: Any, *, parent: int, tokenizer: Any, device: str, options: Mapping[str, Any]
) -> None:
    """Answer questions until the trainer closes the connection or ends."""
    die_with_parent(parent)
    answers: _Answers | None = None
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            number, question, arguments = connection.recv()
            try:
                answers = answers or _Answers(shared, tokenizer, device, options)
                for answer in answers.to(question, arguments):
                    connection.send((number, "answer", answer))
                    if connection.poll():  # nobody waits for the rest: the next question is there
                        break
            except Exception as error:  # told to the trainer, which raises it
                connection.send((number, *_told(error)))


class _Answers:
    """The process's copy of the model, and what it says."""

    def __init__(self, shared: Any, tokenizer: Any, device: str, options: Mapping[str, Any]) -> None:
        self._shared = shared
        self._own = shared if device == "cpu" else copy.deepcopy(shared).to(device)
        self._sampler = LocalSampler(self._own, tokenizer, **options)

    def to(self, question: str, arguments: tuple[Any, ...]) -> Iterator[Any]:
        """The messages of an answer."""
        if question == "describe":
            yield dict(self._sampler.describe())
        elif question == "leave":
            yield None
        else:
            if self._own is not self._shared:
                self._own.load_state_dict(self._shared.state_dict())
            yield from self._sampler.complete(*arguments)
            yield None


def _told(error: Exception) -> tuple[str, Any]:
    """An error as the trainer gets it: a user's as it is, a device's in a line, a bug with its trace."""
    if isinstance(error, HarnessError):
        return "error", error
    if isinstance(error, RuntimeError | MemoryError | OSError):
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        return "error", InfrastructureError(
            f"the sampler process failed: {cause}; start again with --resume, with another sampler_device or"
            " a smaller sample_batch_size if it fails again"
        )
    return "bug", traceback.format_exc()
