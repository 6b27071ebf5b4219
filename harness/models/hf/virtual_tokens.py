"""Prompt-like PEFT adapters: virtual tokens in front of every text, put there once and not at every step.

PEFT's own `forward` puts them before whatever it is given, so before each token of a cached decoding too; its
`generate` knows better. Here the first call of a text gets them and the cache keeps them.

Covers: prompt tuning, p-tuning and CPT (embeddings in front of the text), prefix tuning and cartridges (keys
and values in front), causal and encoder-decoder models. Does not cover: multi-task prompt tuning, which wants
to be told the task.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.errors import InputError
from harness.models.positions import virtual_tokens

_CACHED = ("PREFIX_TUNING", "CARTRIDGE")
_NEEDS_A_TASK = ("MULTITASK_PROMPT_TUNING", "POLY")
_UNCACHED = ("XLORA",)


class Virtual:
    """What an adapter puts in front of texts."""

    def __init__(self, model: Any) -> None:
        self.count = virtual_tokens(model)
        """Virtual tokens of each text; 0 for any other adapter, or none."""
        self._model = model
        config = getattr(model, "active_peft_config", None)
        kind = getattr(config, "peft_type", "")
        self._kind = str(getattr(kind, "value", kind))
        if self._kind in _NEEDS_A_TASK:
            raise InputError(
                f"an adapter of the kind {self._kind} wants to be told which task a text belongs to, and"
                " there is no way to say so here; choose an adapter of one task"
            )
        self.uncached = self._kind in _UNCACHED or bool(getattr(config, "alora_invocation_tokens", None))
        """The adapter looks for something in the whole text at each step."""

    @property
    def embedded(self) -> int:
        """Virtual tokens that are read as the text is; the others are in the cache."""
        return 0 if self._kind in _CACHED else self.count

    def mask(self, mask: Tensor | None) -> Tensor | None:
        """`[B, count + T]` for the mask `[B, T]` of a text."""
        if mask is None or not self.count:
            return mask
        return torch.cat([mask.new_ones(len(mask), self.count), mask], dim=1)

    def inputs(self, ids: Tensor) -> dict[str, Any]:
        """What a model is given for the beginning of texts `[B, T]`."""
        if not self.count:
            return {"input_ids": ids}
        if self._kind in _CACHED:
            cache = self._model.get_prompt(len(ids), max_cache_len=ids.shape[1] + self.count)
            return {"input_ids": ids, "past_key_values": cache}
        return {"inputs_embeds": self._embedded(ids)}

    def encoder_inputs(self, ids: Tensor) -> dict[str, Any]:
        """As `inputs`, for an encoder."""
        if not self.count or self._kind in _CACHED:
            return {"input_ids": ids}
        return {"inputs_embeds": self._embedded(ids)}

    def encoder_mask(self, mask: Tensor | None) -> Tensor | None:
        """As `mask`, for an encoder."""
        return mask if self._kind in _CACHED else self.mask(mask)

    def decoder_cache(self, rows: int) -> Any:
        """The cache that a decoder starts from; None for an empty one."""
        return self._model.get_prompt(rows) if self.count and self._kind in _CACHED else None

    def _embedded(self, ids: Tensor) -> Tensor:
        embedded: Tensor = self._model.word_embeddings(ids)
        front = self._model.get_prompt(batch_size=len(ids))[:, : self.count]
        return torch.cat([front.to(embedded.dtype), embedded], dim=1)
