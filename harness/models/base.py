"""What is asked of a model and what it answers: the words between evaluation, trainer and samplers.

Covers: decoding settings, requests, completions, and what a sampler must do.
Does not cover: prompts (`harness.prompts`), or reading programs out of completions (`harness.extraction`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from harness.prompts import Prompt


class Finish(StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    """At the end token, or before a stop string."""
    LENGTH = "length"
    """At the limit on new tokens, or at the end of the model's context."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are chosen; every value is passed to the sampler and recorded, whatever the model's own
    generation settings say."""

    temperature: float = 1.0
    top_p: float = 1.0
    """The smallest set of tokens with at least this probability mass; 1 keeps all."""
    top_k: int = 0
    """Only the k likeliest tokens; 0 keeps all. transformers' own default is 50, which changes results."""
    max_new_tokens: int = 512
    stop: tuple[str, ...] = ()
    """A completion ends before the first of them; the format's stop strings come on top."""
    seed: int = 0
    greedy: bool = False
    """The likeliest token at each position; temperature, top-p, top-k and seed then have no effect."""

    def __post_init__(self) -> None:
        if not (self.greedy or self.temperature > 0):
            raise ValueError(f"temperature must be positive, got {self.temperature!r}; use greedy for 0")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p!r}")
        if self.top_k < 0 or self.max_new_tokens < 1:
            raise ValueError("top_k must be at least 0 and max_new_tokens at least 1")


@dataclass(frozen=True, slots=True)
class Request:
    """Completions wanted of one prompt."""

    prompt: Prompt
    sample_ids: tuple[int, ...]
    """Their numbers; a completion depends on its number, not on which others are asked for with it."""

    @property
    def task_id(self) -> str:
        """Of the problem."""
        return self.prompt.task_id


@dataclass(frozen=True, slots=True)
class Trace:
    """A completion token by token: what a trainer learns from."""

    prompt: tuple[int, ...]
    """Token ids that the model read."""
    ids: tuple[int, ...]
    """Sampled: the end token or a stop string's tokens are the last where one of them ended it."""
    log_probs: tuple[float, ...]
    """Of each sampled token under the model's own distribution: temperature 1, no top-p, no top-k; nats."""
    spans: tuple[tuple[int, int], ...]
    """Characters of the completion's text that each token wrote, `(first, behind the last)`."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote for one prompt."""

    prompt: Prompt
    """As the model read it: shortened to its context where it had to be."""
    sample_id: int
    text: str
    """Raw, special tokens excluded; from the first token of the answer to the one at which it ended."""
    finish: Finish
    tokens: int
    """Generated, the end token included."""
    trace: Trace | None = None
    """Where the sampler was asked for it, and has it."""

    @property
    def task_id(self) -> str:
        """Of the problem."""
        return self.prompt.task_id


class Sampler(Protocol):
    """A model that completes prompts: a local checkpoint, or a server."""

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion]:
        """Completions in any order, each as soon as it is finished; one for each sample number asked for.

        Raises:
            InputError: If a prompt cannot be fitted to the model, or the model cannot be reached any more.
        """

    def describe(self) -> Mapping[str, Any]:
        """The model (id or path, revision, hash of what was loaded, dtype, device) and whether samples are
        a function of model, prompt, decoding, seed and sample number alone; plain JSON values."""
