"""Rows that are continued together, one token a step, from one cache.

Covers: a prompt encoded or prefilled once for all its samples; rows that leave. Models whose cache cannot be
taken apart row by row (recurrent states, caches of remote code) are asked without one: slower, the same
samples, and `cached` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.models.hf.forward import Forward, last_logits


class Batch:
    """B rows; all have the same number of tokens after their prompts."""

    def __init__(self, forward: Forward, prompts: Sequence[Sequence[int]]) -> None:
        """Prompts that are equal and follow one another are computed once."""
        self._forward = forward
        self._unique: list[Sequence[int]] = []
        self._owner: list[int] = []
        for prompt in prompts:
            if not self._unique or self._unique[-1] != prompt:
                self._unique.append(prompt)
            self._owner.append(len(self._unique) - 1)
        self._cache: Any = None
        self._mask: Tensor | None = None

    @property
    def cached(self) -> bool:
        """Whether what was computed is kept for the next token; known once `first` was called."""
        return self._cache is not None

    def first(self) -> Tensor:
        """Logits `[B, V]` of each row's first token; call it once, before all else."""
        logits = self._start(self._unique)
        if self._owner != list(range(len(self._unique))):
            self.keep(self._owner)
            logits = logits[self._places(self._owner)]
        return logits

    def after(self, newest: Tensor) -> Tensor:
        """Logits `[B, V]` after `newest`, `[B, 1]`: each row's token that is not read yet."""
        raise NotImplementedError

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows, each as often as it is named."""
        places = self._places(rows)
        if self._cache is not None:
            self._cache.batch_select_indices(places)
        if self._mask is not None:
            self._mask = self._mask[places]
        self._select(places)

    def _start(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        raise NotImplementedError

    def _select(self, places: Tensor) -> None:
        raise NotImplementedError

    def _places(self, rows: Sequence[int]) -> Tensor:
        return torch.tensor(rows, dtype=torch.long, device=self._forward.device)

    def _padded(self, prompts: Sequence[Sequence[int]], *, left: bool) -> Tensor:
        """Ids `[B, L]`, padded with 0; sets the mask that hides the padding, where there is any."""
        longest = max(map(len, prompts))

        def pad(row: Sequence[int]) -> list[int]:
            gap = [0] * (longest - len(row))
            return [*gap, *row] if left else [*row, *gap]

        if any(len(prompt) < longest for prompt in prompts):
            self._mask = self._forward.tensor([pad([1] * len(prompt)) for prompt in prompts])
        return self._forward.tensor([pad(prompt) for prompt in prompts])


class CausalBatch(Batch):
    """Rows of a model without an encoder; prompts are padded on the left."""

    def _start(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        self._ids = self._padded(prompts, left=True)
        outputs = self._forward.causal(self._ids, self._mask, None, use_cache=self._forward.cacheable)
        self._cache = _divisible(outputs) if self._forward.cacheable else None
        return last_logits(outputs)

    def after(self, newest: Tensor) -> Tensor:
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(newest), 1)], dim=1)
        if self._cache is None:
            self._ids = torch.cat([self._ids, newest], dim=1)
            return last_logits(self._forward.causal(self._ids, self._mask, None, use_cache=False))
        outputs = self._forward.causal(newest, self._mask, self._cache, use_cache=True)
        self._cache = outputs.past_key_values
        return last_logits(outputs)

    def _select(self, places: Tensor) -> None:
        self._ids = self._ids[places]


class EncodedBatch(Batch):
    """Rows of an encoder-decoder model; prompts are padded on the right, and only the encoder sees them."""

    def _start(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        ids = self._padded(prompts, left=False)
        self._encoded = self._forward.encode(ids, self._mask)
        self._ids = torch.full((len(prompts), 1), self._forward.start or 0, device=ids.device)
        cacheable = self._forward.cacheable
        outputs = self._forward.decoder(self._encoded, self._mask, self._ids, None, use_cache=cacheable)
        self._cache = _divisible(outputs) if cacheable else None
        return last_logits(outputs)

    def after(self, newest: Tensor) -> Tensor:
        cached = self._cache is not None
        if not cached:
            self._ids = torch.cat([self._ids, newest], dim=1)
        ids = newest if cached else self._ids
        outputs = self._forward.decoder(self._encoded, self._mask, ids, self._cache, use_cache=cached)
        self._cache = outputs.past_key_values if cached else None
        return last_logits(outputs)

    def _select(self, places: Tensor) -> None:
        self._ids = self._ids[places]
        states = self._encoded.last_hidden_state[places]
        self._encoded = type(self._encoded)(last_hidden_state=states)


def start_batch(forward: Forward, prompts: Sequence[Sequence[int]]) -> Batch:
    """The batch for the model's kind."""
    return (CausalBatch if forward.start is None else EncodedBatch)(forward, prompts)


def _divisible(outputs: Any) -> Any:
    """The cache of `outputs` if each of its layers is keys and values by row, else None."""
    cache = getattr(outputs, "past_key_values", None)
    parts = [getattr(cache, name, None) for name in ("self_attention_cache", "cross_attention_cache")]
    layers = [
        layer
        for part in (parts if all(parts) else [cache])
        for layer in getattr(part, "layers", None) or [None]
    ]
    if all(_by_row(layer) for layer in layers):
        return cache
    return None


def _by_row(layer: Any) -> bool:
    # A layer may be both, attention and recurrent, and then selects the rows of its attention only.
    return hasattr(layer, "batch_select_indices") and not hasattr(layer, "update_recurrent_state")
