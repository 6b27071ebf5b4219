"""A sampler on a node of a Ray cluster: what runs there, and what crosses.

Only plain data and weights cross: texts, numbers, and flat arrays. Weights are pulled when a batch needs
newer ones than the actor has, so an actor that was started again gets the last that were published.
Does not cover: the learner's side (`rltf.rollout.ray_samplers`).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from harness.errors import InputError
from harness.models import Completion, Decoding, Request
from harness.models.hf.sampler import SAMPLER_VERSION, LocalSampler
from harness.types import PromptFormat
from rltf.rollout.model_files import ModelFiles
from rltf.rollout.weight_buffer import Layout, tensors_of, unpack

_DECIDING = ("torch", "transformers", "rltf-harness")


@dataclass(frozen=True, slots=True)
class Weights:
    """Some of a model's weights, as the learner published them."""

    part: str
    version: int
    layout: Layout
    array: tuple[Any, ...]
    """Ray's reference to the packed array. In a tuple: Ray would fetch a bare one before each call."""


@dataclass(frozen=True, slots=True)
class ActorStart:
    """What an actor builds its sampler of."""

    model: ModelFiles
    device: str
    threads: int
    versions: Mapping[str, str]
    """The learner's."""
    options: Mapping[str, Any]
    """Of `LocalSampler`."""


class SamplerActor:
    """Computes batches; an actor of Ray's, with one call at a time."""

    def __init__(self, start: ActorStart) -> None:
        self._start = start
        self._model: Any = None
        self._sampler: LocalSampler | None = None
        self._versions: dict[str, int] = {}
        """Of the weights that it has, by part."""

    def hello(self) -> str:
        """The hardware that it samples on.

        Raises:
            InputError: If this node has other versions than the learner of what samples depend on.
        """
        check_versions(self._start.versions, versions(), platform.node())
        return hardware(self._start.device)

    def build(self, layout: Layout) -> None:
        """Build the model; `layout` is of all its weights.

        Raises:
            InputError: If it is not the learner's.
        """
        layout.check(tensors_of(self._built()[0]))

    def complete(
        self, weights: Sequence[Weights], requests: Sequence[Request], decoding: Decoding
    ) -> list[Completion]:
        """As `Sampler.complete`, with these weights; `requests` are one batch."""
        model, sampler = self._built()
        for each in weights:
            if self._versions.get(each.part) != each.version:
                self._versions.pop(each.part, None)  # half of them, if pulling fails
                unpack(_fetched(each.array[0]), each.layout, tensors_of(model))
                self._versions[each.part] = each.version
        return list(sampler.complete(requests, decoding))

    def describe(self) -> dict[str, Any]:
        """As `Sampler.describe`."""
        return dict(self._built()[1].describe())

    def _built(self) -> tuple[Any, LocalSampler]:
        if self._sampler is None:
            torch.set_num_threads(self._start.threads)
            self._model, tokenizer = self._start.model.build(self._start.device)
            self._sampler = LocalSampler(self._model, tokenizer, **self._start.options)
        return self._model, self._sampler


def versions() -> dict[str, str]:
    """Of what samples depend on, in this process."""
    found = {name: _version(name) for name in _DECIDING}
    return found | {"Python": ".".join(platform.python_version_tuple()[:2]), "the sampler": SAMPLER_VERSION}


def hardware(device: str) -> str:
    """What decides the last bits of a sum: the processor's instructions, or the GPU."""
    return torch.cuda.get_device_name() if device == "cuda" else torch.backends.cpu.get_cpu_capability()


def check_versions(learner: Mapping[str, str], node: Mapping[str, str], name: str) -> None:
    """
    Raises:
        InputError: With the first that differs.
    """
    for package, wanted in learner.items():
        if (found := node.get(package)) != wanted:
            raise InputError(
                f"node {name} has {package} {found}, and the learner {wanted}: they may not sample the same;"
                " install the same on every node"
            )


def without_code(request: Request) -> Request:
    """The request with its prompt's texts alone: a format's functions may be of a module that no node has."""
    form = request.prompt.format
    plain = PromptFormat(form.name, form.version, _not_here, form.source, form.stop, chat=form.chat)
    return replace(request, prompt=replace(request.prompt, format=plain))


def _not_here(problem: Any) -> Any:
    raise NotImplementedError("prompts are made by the learner")


def _fetched(reference: Any) -> Any:
    import ray  # noqa: PLC0415 - an extra

    return ray.get(reference)


def _version(package: str) -> str:
    """Without the label of a build, such as `+cpu`."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "not installed"
