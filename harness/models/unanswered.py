"""Samples that a server did not give: why, and in its own words.

A server that fails says nothing of its model. Such a sample is no completion and is never graded: it is
counted apart, and asked for again by the next session of the run.
Does not cover: answers that are the model's own and hold no program; those are completions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from harness.models.base import Completion, Decoding, Request
from harness.prompts import Prompt


class Loss(StrEnum):
    """Why there is no answer."""

    SERVER = "server"
    """It failed, again and again, on this sample and not on others."""
    FILTERED = "filtered"
    """A content filter withheld prompt or answer."""
    TOO_LONG = "too_long"
    """The prompt alone does not fit the server's window."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A sample that was asked for and not given."""

    prompt: Prompt
    sample_id: int
    loss: Loss
    said: str
    """By the server, on one line."""

    @property
    def task_id(self) -> str:
        """Of the problem."""
        return self.prompt.task_id

    def row(self) -> dict[str, Any]:
        """For `lost.jsonl`."""
        return {
            "task_id": self.task_id,
            "sample_id": self.sample_id,
            "loss": str(self.loss),
            "said": self.said,
        }


class LossySampler(Protocol):
    """What `harness.evaluate.generation` samples from: a `Sampler`, or one that may lose samples."""

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion | Unanswered]:
        """As `Sampler.complete`; one result for each sample number asked for, lost ones included."""

    def describe(self) -> Mapping[str, Any]:
        """As `Sampler.describe`."""
