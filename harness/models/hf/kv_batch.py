"""Rows that are continued together, one token a step, from one cache.

Covers: a prompt read once for all its samples; rows that leave and others that take their slots. Models
whose cache cannot be taken apart row by row (recurrent states, caches of remote code) are asked without one:
slower, the same samples, and `cached` says so. Does not cover: what is asked of a kind of model
(`harness.models.hf.kv_kinds`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from typing import Any

import torch
from torch import Tensor

from harness.models.hf.forward import Forward, last_logits
from harness.models.hf.kv_columns import KeyColumns

Pair = tuple[Tensor, Tensor]
"""Keys and values."""


@dataclass(slots=True)
class Read:
    """What a model computed of U prompts."""

    prompts: list[Sequence[int]]
    logits: Tensor
    """`[U, V]` of each one's next token."""
    cache: Any
    """The library's; None if it cannot be kept."""
    columns: int = 0
    """In the cache, padding included."""
    padding: list[int] = field(default_factory=list)
    """Of these, the first so many of each prompt."""
    keys: list[Pair] = field(default_factory=list)
    """`[U, H, columns, D]` of each layer; of one with a sliding window the last columns alone."""
    crossed: list[Pair] = field(default_factory=list)
    """`[U, H, S, D]` of each layer that looks at the encoder."""
    encoded: Tensor | None = None
    """`[U, S, E]`: an encoder's states."""

    def last(self) -> Read:
        """Of the last prompt alone, in memory of its own."""
        columns = self.columns - self.padding[-1]
        return Read(
            self.prompts[-1:],
            self.logits[-1:].clone(),
            None,
            columns,
            [0],
            [(k[-1:, :, -columns:].clone(), v[-1:, :, -columns:].clone()) for k, v in self.keys],
            [(k[-1:].clone(), v[-1:].clone()) for k, v in self.crossed],
            None if self.encoded is None else self.encoded[-1:].clone(),
        )


class Batch:
    """R slots for rows; `join` fills some, `after` continues all that are filled.

    Columns are numbered from where the first rows ended; the batch has those of `[first, now)`.
    """

    def __init__(self, forward: Forward, slots: int) -> None:
        self._forward = forward
        self._cache: Any = None
        self._layers: list[KeyColumns] = []
        self._last: Read | None = None
        self._texts: list[list[int]] = [[] for _ in range(slots)]
        self._live = [False] * slots
        self._starts = [0] * slots
        """The column of each row's first token."""
        self._first = self._now = 0

    @property
    def cached(self) -> bool:
        """Whether what was computed is kept for the next token; known once `join` was called."""
        return self._cache is not None

    @property
    def open(self) -> bool:
        """Whether rows may join others that have begun."""
        return self._forward.any_column

    def join(self, prompts: Sequence[Sequence[int]], slots: Sequence[int]) -> Tensor:
        """Logits `[b, V]` of each row's first token; the rows take these slots.

        Prompts that are equal and follow one another are computed once, the last of a call and the first of
        the next included. The first call fills all slots.
        """
        found, done = [], 0
        for read, owners in self._reads(prompts):
            whose = self._places(owners)
            self._put(read, whose, slots[done : done + len(owners)])
            found.append(read.logits[whose])
            done += len(owners)
        return torch.cat(found)

    def after(self, newest: Sequence[int]) -> Tensor:
        """Logits `[R, V]` after `newest`: each slot's token that is not read yet, any where no row is."""
        for text, token in zip(self._texts, newest, strict=True):
            text.append(token)
        if self._cache is None:
            return last_logits(self._again())
        self._drop_columns()
        self._now += 1
        return last_logits(self._next(self._forward.tensor([[token] for token in newest]), self._mask()))

    def leave(self, slots: Iterable[int]) -> None:
        """The rows in these slots have ended."""
        for slot in slots:
            self._live[slot] = False

    def keep(self, slots: Sequence[int]) -> None:
        """Go on with these slots alone."""
        self._texts = [self._texts[slot] for slot in slots]
        self._live = [self._live[slot] for slot in slots]
        self._starts = [self._starts[slot] for slot in slots]
        places = self._places(slots)
        if self._cache is not None:
            self._cache.batch_select_indices(places)
        self._select(places)

    def _read(self, prompts: list[Sequence[int]]) -> Read:
        """Compute prompts."""
        raise NotImplementedError

    def _next(self, ids: Tensor, mask: Tensor | None) -> Any:
        """The model's outputs for `ids` `[R, 1]`; `mask` is over the columns."""
        raise NotImplementedError

    def _again(self) -> Any:
        """The model's outputs for all of the texts: nothing is kept."""
        raise NotImplementedError

    def _select(self, places: Tensor) -> None:
        """As `keep`, for what a kind of batch has of its own."""

    def _reads(self, prompts: Sequence[Sequence[int]]) -> Iterator[tuple[Read, list[int]]]:
        """What is computed of `prompts`, in their order, and to which of it each of them belongs."""
        last = self._last
        again = 0 if last is None else sum(1 for _ in takewhile(last.prompts[0].__eq__, prompts))
        if last is not None and again:
            yield last, [0] * again
        for group in self._together(prompts[again:]):
            runs = [list(run) for _, run in groupby(group)]
            read = self._read([run[0] for run in runs])
            if read.cache is not None:
                self._last = read.last()
            yield read, [number for number, run in enumerate(runs) for _ in run]

    def _together(self, prompts: Sequence[Sequence[int]]) -> list[list[Sequence[int]]]:
        """Prompts that may be padded to one length: virtual tokens stand before the padding."""
        key = len if self._forward.virtual_tokens else lambda _: 0
        return [list(group) for _, group in groupby(prompts, key)]

    def _put(self, read: Read, whose: Tensor, slots: Sequence[int]) -> None:
        if self._cache is None and read.cache is not None:
            self._take_over(read)
        places = self._places(slots)
        for layer, (keys, values) in zip(self._layers, read.keys, strict=True):
            layer.widen(read.columns)
            layer.place(places, keys[whose], values[whose])
        self._first = min(self._first, self._now - read.columns)
        for slot, owner in zip(slots, whose.tolist(), strict=True):
            self._live[slot] = True
            self._starts[slot] = self._now - read.columns + read.padding[owner]
            self._texts[slot] = list(read.prompts[owner])

    def _take_over(self, read: Read) -> None:
        """Go on with the library's cache, its layers that grow in place of ours."""
        self._cache = read.cache
        own = getattr(read.cache, "self_attention_cache", read.cache)
        own.layers = [
            KeyColumns(len(self._live), layer.keys, layer.values) if layer.is_initialized else layer
            for layer in own.layers
        ]
        self._layers = [layer for layer in own.layers if isinstance(layer, KeyColumns)]

    def _drop_columns(self) -> None:
        """Give up those before the first of the rows that go on."""
        first = min(start for start, live in zip(self._starts, self._live, strict=True) if live)
        for layer in self._layers:
            layer.drop(first - self._first)
        self._first = first

    def _mask(self) -> Tensor | None:
        """`[R, columns]`; None where every row that goes on has them all."""
        rows = zip(self._starts, self._live, strict=True)
        if not any(live and start > self._first for start, live in rows):
            return None
        columns = torch.arange(self._first, self._now, device=self._forward.device)
        return (columns >= self._places(self._starts)[:, None]).long()

    def _places(self, numbers: Sequence[int]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self._forward.device)

    def _padded(self, rows: Sequence[Sequence[int]], *, left: bool) -> tuple[Tensor, Tensor | None]:
        """Ids `[B, L]`, padded with 0, and the mask that hides the padding, where there is any."""
        longest = max(map(len, rows))

        def pad(row: Sequence[int]) -> list[int]:
            gap = [0] * (longest - len(row))
            return [*gap, *row] if left else [*row, *gap]

        mask = None
        if any(len(row) < longest for row in rows):
            mask = self._forward.tensor([pad([1] * len(row)) for row in rows])
        return self._forward.tensor([pad(row) for row in rows]), mask
