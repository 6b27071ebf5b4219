"""The two kinds of models of which rows are continued: with an encoder and without one.

Does not cover: which rows there are, and where they stand in the cache (`harness.models.hf.kv_batch`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.models.hf.forward import Forward, last_logits
from harness.models.hf.kv_batch import Batch, Pair, Read
from harness.models.hf.kv_columns import by_row


class CausalBatch(Batch):
    """Rows of a model without an encoder."""

    def _read(self, prompts: list[Sequence[int]]) -> Read:
        ids, mask = self._padded(prompts, left=True)
        outputs = self._forward.causal(ids, mask, None, use_cache=self._forward.cacheable)
        cache = _divisible(outputs) if self._forward.cacheable else None
        padding = [ids.shape[1] - len(prompt) for prompt in prompts]
        if cache is None:
            return Read(prompts, last_logits(outputs), None, padding=padding)
        return Read(
            prompts, last_logits(outputs), cache, cache.get_seq_length(), padding, _keys_and_values(cache)
        )

    def _next(self, ids: Tensor, mask: Tensor | None) -> Any:
        return self._forward.causal(ids, mask, self._cache, use_cache=True)

    def _again(self) -> Any:
        return self._forward.causal(*self._padded(self._texts, left=True), None, use_cache=False)


class EncodedBatch(Batch):
    """Rows of an encoder-decoder model; prompts are padded on the right, and only the encoder sees them."""

    def __init__(self, forward: Forward, slots: int) -> None:
        super().__init__(forward, slots)
        self._encoded: Any = None
        self._prompt_tokens = [1] * slots
        self._crossed: list[Any] = []

    def _read(self, prompts: list[Sequence[int]]) -> Read:
        ids, mask = self._padded(prompts, left=False)
        encoded = self._forward.encode(ids, mask)
        if self._encoded is None:
            self._encoded = type(encoded)(last_hidden_state=encoded.last_hidden_state[:0])
        begun = self._forward.tensor([[self._forward.start or 0]] * len(prompts))
        cacheable = self._forward.cacheable
        outputs = self._forward.decoder(encoded, mask, begun, None, use_cache=cacheable)
        cache = _divisible(outputs) if cacheable else None
        read = Read(prompts, last_logits(outputs), cache, padding=[0] * len(prompts))
        read.encoded = encoded.last_hidden_state
        if cache is not None:
            read.columns = cache.get_seq_length()
            read.keys = _keys_and_values(cache.self_attention_cache)
            read.crossed = _keys_and_values(cache.cross_attention_cache)
        return read

    def _put(self, read: Read, whose: Tensor, slots: Sequence[int]) -> None:
        super()._put(read, whose, slots)
        places, number = self._places(slots), len(self._live)
        for slot, owner in zip(slots, whose.tolist(), strict=True):
            self._texts[slot] = [self._forward.start or 0]
            self._prompt_tokens[slot] = len(read.prompts[owner])
        assert read.encoded is not None  # noqa: S101 - an encoder has states
        states = _placed(self._encoded.last_hidden_state, number, places, read.encoded[whose], 1)
        self._encoded = type(self._encoded)(last_hidden_state=states)
        for layer, pair in zip(self._crossed, read.crossed, strict=True):
            layer.keys, layer.values = (
                _placed(old, number, places, new[whose], 2)
                for old, new in zip((layer.keys, layer.values), pair, strict=True)
            )

    def _take_over(self, read: Read) -> None:
        super()._take_over(read)
        self._crossed = [each for each in self._cache.cross_attention_cache.layers if each.is_initialized]
        for layer in self._crossed:
            layer.keys, layer.values = layer.keys[:0], layer.values[:0]

    def _next(self, ids: Tensor, mask: Tensor | None) -> Any:
        seen = self._seen()
        return self._forward.decoder(self._encoded, seen, ids, self._cache, decoder_mask=mask, use_cache=True)

    def _again(self) -> Any:
        ids, mask = self._padded(self._texts, left=True)
        seen = self._seen()
        return self._forward.decoder(self._encoded, seen, ids, None, decoder_mask=mask, use_cache=False)

    def _seen(self) -> Tensor | None:
        """`[R, S]`: the prompts' tokens that are no padding; None where there is none."""
        longest = self._encoded.last_hidden_state.shape[1] - self._forward.virtual_states
        if all(length == longest for length in self._prompt_tokens):
            return None
        columns = torch.arange(longest, device=self._forward.device)
        return (columns < self._places(self._prompt_tokens)[:, None]).long()

    def _select(self, places: Tensor) -> None:
        self._prompt_tokens = [self._prompt_tokens[place] for place in places.tolist()]
        states = self._encoded.last_hidden_state[places]
        self._encoded = type(self._encoded)(last_hidden_state=states)


def start_batch(forward: Forward, slots: int) -> Batch:
    """The batch for the model's kind."""
    return (CausalBatch if forward.start is None else EncodedBatch)(forward, slots)


def _placed(old: Tensor, number: int, places: Tensor, rows: Tensor, dim: int) -> Tensor:
    """`old` `[number, …]`, or `[0, …]` for none yet, with `rows` in `places`, as long as the longest."""
    length = max(rows.shape[dim], old.shape[dim] if len(old) else 0)
    if len(old) != number or old.shape[dim] != length:
        shape = [number, *rows.shape[1:]]
        shape[dim] = length
        wider = rows.new_zeros(shape)
        if len(old):
            wider.narrow(dim, 0, old.shape[dim]).copy_(old)
        old = wider
    old.narrow(dim, 0, rows.shape[dim])[places] = rows
    return old


def _keys_and_values(cache: Any) -> list[Pair]:
    return [(layer.keys, layer.values) for layer in cache.layers if layer.is_initialized]


def _divisible(outputs: Any) -> Any:
    """The cache of `outputs` if each of its layers is keys and values by row, else None."""
    cache = getattr(outputs, "past_key_values", None)
    parts = [getattr(cache, name, None) for name in ("self_attention_cache", "cross_attention_cache")]
    layers = [
        layer
        for part in (parts if all(parts) else [cache])
        for layer in getattr(part, "layers", None) or [None]
    ]
    return cache if all(map(by_row, layers)) else None
