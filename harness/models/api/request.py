"""What a request to an OpenAI-compatible server says, so that nothing is left to the server's own defaults.

Servers fill in what a request leaves out: llama.cpp keeps 40 tokens and those above a twentieth of the
likeliest, llama-cpp-python's server penalises repetitions by 1.1 besides, greedily too, vLLM and
`transformers serve` do what the checkpoint's `generation_config.json` says, and the latter answers greedily
at any temperature unless `do_sample` is set. Here every such choice is stated. A server that refuses a field
does so by name; the field is then left out, provided that this changes no result.

Does not cover: servers that ignore a field without a word (TGI ignores `top_k`); `describe` warns of that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from harness.models.base import Decoding

MAX_STOP = 4
"""Stop strings sent; OpenAI refuses more ("up to 4 sequences"). The sampler cuts at the others itself."""

_REFUSAL = re.compile(
    r"un(?:supported|recogni[sz]ed|known|expected)|not (?:permitted|supported|allowed)", re.IGNORECASE
)
_NEGATIVE = re.compile(r"(?:greater than or equal to|at least|>=) ?0\b|non-?negative", re.IGNORECASE)
_HARMLESS = ("min_p", "repetition_penalty", "repeat_penalty", "seed", "stop")
"""Left out where refused: a server that has no such setting applies none, stop strings are cut here as well,
and no server promises to honour a seed."""


@dataclass(frozen=True, slots=True)
class RequestSchema:
    """What one server understands; the first request speaks the widest, refusals narrow it."""

    left_out: frozenset[str] = frozenset()
    """Fields that the server refused by name."""
    generation_config: bool = False
    """`transformers serve`: everything beyond OpenAI's fields goes into one field of that name."""
    max_completion_tokens: bool = False
    """OpenAI's newer name of `max_tokens`, which its newer models insist on."""
    top_k_of_all: int = -1
    """Keeps all tokens. vLLM, SGLang and llama.cpp take -1; SGLang refuses 0, llama-cpp-python -1."""

    def fields(self, decoding: Decoding, stop: Sequence[str], seed: int) -> dict[str, Any]:
        """All of a request but model and prompt."""
        limit = "max_completion_tokens" if self.max_completion_tokens else "max_tokens"
        said: dict[str, Any] = {
            limit: decoding.max_new_tokens,
            "temperature": 0.0 if decoding.greedy else decoding.temperature,
            "top_p": 1.0 if decoding.greedy else decoding.top_p,
            "seed": seed,
        }
        if stop:
            said["stop"] = list(stop[:MAX_STOP])
        if self.generation_config:
            said["generation_config"] = json.dumps(_generation_config(decoding))
        else:
            top_k = self.top_k_of_all if _keeps_all(decoding) else decoding.top_k
            # The same twice: llama.cpp reads the second name only.
            penalty = {"repetition_penalty": 1.0, "repeat_penalty": 1.0}
            said |= {"top_k": top_k, "min_p": 0.0, **penalty}
        # What was once left out may matter now: it is sent, to be refused aloud.
        left_out = self.left_out.intersection(_droppable(decoding))
        return {name: value for name, value in said.items() if name not in left_out}

    def describe(self) -> dict[str, Any]:
        """For a manifest: what the server did not take, or took in other words."""
        return {
            "left_out": sorted(self.left_out),
            "generation_config": self.generation_config,
            "max_completion_tokens": self.max_completion_tokens,
            "top_k_of_all": self.top_k_of_all,
        }

    def without_negative(self, message: str, decoding: Decoding) -> RequestSchema | None:
        """The dialect to try where -1 as `top_k` is refused; `None` if the refusal is not of that."""
        sent = self.top_k_of_all < 0 and _keeps_all(decoding)
        refused = sent and _names("top_k", message) and _NEGATIVE.search(message)
        return replace(self, top_k_of_all=0) if refused else None

    def without_refused(self, message: str, decoding: Decoding) -> RequestSchema | None:
        """The dialect to try after a refusal; `None` if the refusal is not about a field, or is about one
        without which the samples would be others."""
        if "Unexpected fields in the request" in message and not self.generation_config:
            return replace(self, generation_config=True)
        if not _REFUSAL.search(message):
            return None
        if _names("max_completion_tokens", message) and not self.max_completion_tokens:
            return replace(self, max_completion_tokens=True)
        refused = {name for name in _droppable(decoding) if _names(name, message)} - self.left_out
        return replace(self, left_out=self.left_out | refused) if refused else None


def derived_seed(seed: int, task_id: str, sample_id: int) -> int:
    """Seed of one request, 0 to 2³¹ - 1, which is what every server takes."""
    digest = sha256(f"{seed}\0{task_id}\0{sample_id}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _droppable(decoding: Decoding) -> Sequence[str]:
    return (
        *_HARMLESS,
        *(["top_k"] if _keeps_all(decoding) else []),
        *(["top_p"] if decoding.greedy or decoding.top_p == 1 else []),
        *(["temperature"] if not decoding.greedy and decoding.temperature == 1 else []),
    )


def _keeps_all(decoding: Decoding) -> bool:
    return decoding.greedy or decoding.top_k == 0


def _names(field: str, message: str) -> bool:
    return re.search(rf"\b{field}\b", message) is not None


def _generation_config(decoding: Decoding) -> dict[str, Any]:
    """In transformers' words; what is not said here (end and padding tokens) comes from the checkpoint."""
    said: dict[str, Any] = {
        "do_sample": not decoding.greedy,
        "num_beams": 1,
        "repetition_penalty": 1.0,
        "no_repeat_ngram_size": 0,
    }
    if not decoding.greedy:
        said |= {"temperature": decoding.temperature, "top_p": decoding.top_p}
        said |= {"top_k": decoding.top_k, "min_p": 0.0, "typical_p": 1.0}
    return said
