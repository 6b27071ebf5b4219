"""A model's predictions for the next token, by its public `forward`.

Covers: causal and encoder-decoder models of transformers. Does not use `generate`: what that adds to a
forward pass are the model's own generation settings, which are not wanted here, and a batch of fixed size.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class Forward:
    """How a model is asked; knows what its `forward` accepts."""

    def __init__(self, model: Any, start: int | None) -> None:
        """`start`: the decoder's first token, for encoder-decoder models; None for causal ones."""
        self.model = model
        self.start = start
        # A PEFT model forwards everything; the model in it says what it takes.
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        accepted = inspect.signature(inner.forward).parameters
        self._positions = "position_ids" in accepted
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        device: torch.device = self.model.device
        return device

    def causal(self, ids: Tensor, mask: Tensor | None, cache: Any, *, use_cache: bool) -> Any:
        """Outputs for `ids` `[B, T]`; `mask` `[B, past + T]`, None where nothing is padded."""
        given: dict[str, Any] = {"input_ids": ids, "use_cache": use_cache, **self._last_only}
        if mask is not None:
            given["attention_mask"] = mask
            if self._positions:
                given["position_ids"] = (mask.cumsum(-1) - 1).clamp_(min=0)[:, -ids.shape[1] :]
        if cache is not None:
            given["past_key_values"] = cache
        return self.model(**given, return_dict=True)

    def encode(self, ids: Tensor, mask: Tensor | None) -> Any:
        """The encoder's outputs for `[B, S]`."""
        return self.model.get_encoder()(input_ids=ids, attention_mask=mask, return_dict=True)

    def decoder(self, encoded: Any, mask: Tensor | None, ids: Tensor, cache: Any, *, use_cache: bool) -> Any:
        """The decoder's outputs for `ids` `[B, T]`."""
        given: dict[str, Any] = {"past_key_values": cache} if cache is not None else {}
        return self.model(
            encoder_outputs=encoded,
            attention_mask=mask,
            decoder_input_ids=ids,
            use_cache=use_cache,
            return_dict=True,
            **given,
        )

    def alone(self, prompt: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Logits `[1, V]` after `prompt` and `tokens`: no batch, no padding, no cache, one thread.

        On one machine these are the same bits whatever else is being sampled and in how many processes.
        """
        with _one_thread(self.device):
            if self.start is None:
                ids = self.tensor([[*prompt, *tokens]])
                return last_logits(self.causal(ids, None, None, use_cache=False))
            encoded = self.encode(self.tensor([prompt]), None)
            ids = self.tensor([[self.start, *tokens]])
            return last_logits(self.decoder(encoded, None, ids, None, use_cache=False))

    def tensor(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """`[B, T]` on the model's device."""
        return torch.tensor(rows, dtype=torch.long, device=self.device)


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """Sums are split over threads, and `accelerate launch` gives its processes another number of them."""
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def last_logits(outputs: Any) -> Tensor:
    """`[B, V]` of the last position."""
    logits: Tensor = outputs.logits[:, -1]
    return logits
