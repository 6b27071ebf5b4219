"""Keys and values of rows that join and leave, written in place: the cache of a continuous batch.

All rows end in the same column, the newest; a row that joins is placed so that it ends there, too. Two tokens
of a row are as many columns apart as in its text, so models that count columns (relative positions, ALiBi,
sliding windows) see what they would without the other rows. Columns before a row's first are to be masked.

Covers: attention layers of transformers' caches that keep keys and values by row. Does not cover: recurrent
states, layers with more than keys and values, caches of remote code.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

_SPARE = 64
"""Columns that are made at least when there are too few; a quarter of those in use if that is more."""


class KeyColumns(DynamicLayer):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """The keys and values of one attention layer, `[R, H, columns, D]`; R slots for rows.

    The columns in use are `[begin, end)` of a larger buffer: the next one is written without moving the
    others, and leading ones are given up without copying.
    """

    def __init__(self, slots: int, keys: Tensor, values: Tensor) -> None:
        """No columns yet; `keys` and `values` `[_, H, _, D]` say of what kind they will be."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._buffers = [each.new_zeros(slots, each.shape[1], 0, each.shape[3]) for each in (keys, values)]
        self._begin = self._end = 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write the newest columns; all in use."""
        new = key_states.shape[-2]
        if self._end + new > self._buffers[0].shape[-2]:
            self._resize(self.get_seq_length(), front=0)
        at = slice(self._end, self._end + new)
        keys, values = self._buffers
        keys[:, :, at], values[:, :, at] = key_states, value_states
        self._end += new
        used = slice(self._begin, self._end)
        return keys[:, :, used], values[:, :, used]

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self._end - self._begin

    def drop(self, columns: int) -> None:
        """Give up leading columns, in which no row has anything any more."""
        self._begin += columns

    def widen(self, columns: int) -> None:
        """Have at least so many columns, the new ones in front."""
        more = columns - self.get_seq_length()
        if more <= 0:
            return
        if self._begin < more:
            self._resize(columns, front=more)
        self._begin = self._end - columns

    def place(self, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put rows `[b, H, L, D]` into slots `[b]`, so that they end in the newest column."""
        at = slice(self._end - keys.shape[-2], self._end)
        for buffer, rows in zip(self._buffers, (keys, values), strict=True):
            buffer[slots, :, at] = rows

    def batch_select_indices(self, indices: Tensor) -> None:
        """Go on with these slots."""
        used = slice(self._begin, self._end)
        self._end -= self._begin
        self._begin = 0
        self._buffers = [buffer[indices, :, used] for buffer in self._buffers]

    def _resize(self, columns: int, *, front: int) -> None:
        """Buffers for `columns` in use and some to come; what there is goes behind `front` empty ones."""
        used, length = slice(self._begin, self._end), self._end - self._begin
        size = columns + max(_SPARE, columns // 4)
        for place, old in enumerate(self._buffers):
            # Not `empty`: what is masked is multiplied by 0, and NaN stays NaN.
            new = old.new_zeros(*old.shape[:2], size, old.shape[3])
            new[:, :, front : front + length] = old[:, :, used]
            self._buffers[place] = new
        self._begin, self._end = 0, columns


def by_row(layer: Any) -> bool:
    """Whether a layer of a library's cache is keys and values by row and nothing else."""
    return type(layer) in (DynamicLayer, DynamicSlidingWindowLayer)
