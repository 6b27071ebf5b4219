"""Predictions from a text alone: the same bits whatever else is being sampled and in how many processes.

No batch, no padding, one thread. A prompt is read in a pass of its own and the answer's tokens in a second
one, always, so that what was computed of a prompt serves all its samples.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from harness.models.hf.forward import Forward, last_logits
from harness.models.hf.kv_columns import by_row

_KEPT = 16
"""Prompts: about as many as are sampled at once, with some samples of each."""


class Unbatched:
    """Predictions of one model; to be made anew when its weights have changed."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._kept: OrderedDict[tuple[int, ...], tuple[Any, Tensor | None]] = OrderedDict()

    def logits(self, prompt: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """`[1, V]` after `prompt` and `tokens`."""
        forward = self._forward
        with _one_thread(forward.device):
            read, logits = self._read(tuple(prompt))
            if forward.start is not None:
                ids = forward.tensor([[forward.start, *tokens]])
                return last_logits(forward.decoder(read, None, ids, None, use_cache=False))
            if not tokens and logits is not None:
                return logits
            if read is None:
                ids = forward.tensor([[*prompt, *tokens]])
                return last_logits(forward.causal(ids, None, None, use_cache=False))
            return last_logits(forward.causal(forward.tensor([tokens]), None, _copied(read), use_cache=True))

    def _read(self, prompt: tuple[int, ...]) -> tuple[Any, Tensor | None]:
        """A prompt's cache, or None if it cannot be kept, and its logits; an encoder's outputs and None."""
        if prompt not in self._kept:
            if len(self._kept) == _KEPT:
                self._kept.popitem(last=False)
            self._kept[prompt] = self._computed(self._forward.tensor([prompt]))
        self._kept.move_to_end(prompt)
        return self._kept[prompt]

    def _computed(self, ids: Tensor) -> tuple[Any, Tensor | None]:
        if self._forward.start is not None:
            return self._forward.encode(ids, None), None
        if not self._forward.cacheable:
            return None, None
        outputs = self._forward.causal(ids, None, None, use_cache=True)
        cache = getattr(outputs, "past_key_values", None)
        layers = getattr(cache, "layers", None) or [None]
        return (cache, last_logits(outputs)) if all(map(by_row, layers)) else (None, None)


def _copied(cache: Any) -> Any:
    """One that grows on its own; the tensors of this kind of layer are replaced, never written to."""
    own = copy.copy(cache)
    own.layers = [copy.copy(layer) for layer in cache.layers]
    return own


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
