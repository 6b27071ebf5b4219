"""A model's predictions for the next token, by its public `forward`.

Covers: causal and encoder-decoder models of transformers. Does not use `generate`: what that adds to a
forward pass are the model's own generation settings, which are not wanted here, and a batch of fixed size.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.errors import InputError
from harness.models.hf.virtual_tokens import Virtual
from harness.models.library_errors import cause, of_a_device, out_of_memory
from harness.models.positions import first_position, inner_model, is_seq2seq, numbers_positions


class Forward:
    """How a model is asked; knows what its `forward` accepts."""

    def __init__(self, model: Any, start: int | None) -> None:
        """`start`: the decoder's first token, for encoder-decoder models; None for causal ones."""
        self.model = model
        self.start = start
        self._virtual = Virtual(model)
        # A PEFT model forwards everything; the model in it says what it takes, and is asked itself where an
        # adapter puts tokens in front: PEFT would put them there at each step.
        inner = inner_model(model)
        self._asked = inner if self._virtual.count else model
        accepted = inspect.signature(inner.forward).parameters
        self._positions = first_position(model) if "position_ids" in accepted else None
        self.any_column = (
            hasattr(inner.config, "relative_attention_num_buckets")
            if is_seq2seq(inner)
            else "position_ids" in accepted or not numbers_positions(inner)
        )
        """Whether a text may begin in any column: the model is told of positions, or has none of its own."""
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        device: torch.device = self.model.device
        return device

    @property
    def cacheable(self) -> bool:
        """Whether what was computed of a text may be kept for its next token."""
        return not self._virtual.uncached

    @property
    def virtual_tokens(self) -> int:
        """Put by an adapter in front of each text."""
        return self._virtual.count

    @property
    def virtual_states(self) -> int:
        """Of these, those that an encoder makes states of."""
        return self._virtual.embedded

    def causal(self, ids: Tensor, mask: Tensor | None, cache: Any, *, use_cache: bool) -> Any:
        """Outputs for `ids` `[B, T]`; `mask` is over the cache's columns, too, and None for no padding."""
        begins = cache is None
        given: dict[str, Any] = self._virtual.inputs(ids) if begins else {"input_ids": ids}
        mask = self._virtual.mask(mask) if begins else mask
        if mask is not None:
            given["attention_mask"] = mask
            if self._positions is not None:
                read = given["inputs_embeds"].shape[1] if "inputs_embeds" in given else ids.shape[1]
                counted = (mask.cumsum(-1) - 1).clamp_(min=0)[:, -read:]
                given["position_ids"] = counted + self._positions
        if cache is not None:
            given["past_key_values"] = cache
        return self._ask(self._asked, **given, use_cache=use_cache, **self._last_only)

    def encode(self, ids: Tensor, mask: Tensor | None) -> Any:
        """The encoder's outputs for `[B, S]`."""
        given = self._virtual.encoder_inputs(ids)
        return self._ask(self._asked.get_encoder(), **given, attention_mask=self._virtual.encoder_mask(mask))

    def decoder(
        self,
        encoded: Any,
        mask: Tensor | None,
        ids: Tensor,
        cache: Any,
        *,
        decoder_mask: Tensor | None = None,
        use_cache: bool,
    ) -> Any:
        """The decoder's outputs for `ids` `[B, T]`; `decoder_mask` as `causal` has its mask."""
        if cache is None:
            cache = self._virtual.decoder_cache(len(ids))
        given: dict[str, Any] = {"past_key_values": cache} if cache is not None else {}
        if decoder_mask is not None:
            given["decoder_attention_mask"] = decoder_mask
        return self._ask(
            self._asked,
            encoder_outputs=encoded,
            attention_mask=self._virtual.encoder_mask(mask),
            decoder_input_ids=ids,
            use_cache=use_cache,
            **given,
        )

    @staticmethod
    def _ask(model: Any, **given: Any) -> Any:
        """One forward pass; a model that cannot do it is said in one line, the library's error as the cause.

        Raises:
            InputError: If the model fails, other than by a want of memory, which a smaller batch may mend.
        """
        try:
            return model(**given, return_dict=True)
        except Exception as error:
            if out_of_memory(error):
                raise
            which = "the device failed" if of_a_device(error) else "the model failed"
            raise InputError(f"{which} while it was asked for a token: {cause(error)}") from error

    def tensor(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """`[B, T]` on the model's device."""
        return torch.tensor(rows, dtype=torch.long, device=self.device)


def last_logits(outputs: Any) -> Tensor:
    """`[B, V]` of the last position."""
    logits: Tensor = outputs.logits[:, -1]
    return logits
