"""The data stream of training: micro-batches of supervised and RL rows, without end.

Covers: what a micro-batch is made of under each option, and the place to go on from after a checkpoint.
Does not cover: how rows are made (`rltf.data`), or when the buffer is refreshed (`rltf.callbacks`).

No DataLoader: its workers and its look-ahead would draw from the buffer before a refresh that comes between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from harness.types import PromptFormat
from rltf.buffer import OnlineBuffer
from rltf.config import RLTFConfig
from rltf.data import Row, Solutions, Tokens, collate
from rltf.meter import Meter
from rltf.statistics import program_statistics


class Stream:
    """Draws micro-batches when they are asked for, never ahead."""

    def __init__(
        self,
        config: RLTFConfig,
        tokens: Tokens,
        solutions: Solutions,
        buffer: OnlineBuffer,
        *,
        prompt_format: PromptFormat,
        meter: Meter,
    ) -> None:
        """`prompt_format`: of the prompts that the policy has answered."""
        self.buffer = buffer
        self.prompt_format = prompt_format
        self._config = config
        self._tokens = tokens
        self._solutions = solutions
        self._meter = meter
        self._drawn = 0
        """Micro-batches so far."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            yield self._next()

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain JSON values."""
        return {
            "micro_batches": self._drawn,
            "solutions": self._solutions.drawn,
            "buffer": self.buffer.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where the stream was whose `state` this is."""
        self._drawn = state["micro_batches"]
        self._solutions.drawn = state["solutions"]
        self.buffer.restore(state["buffer"])

    def _next(self) -> dict[str, Tensor]:
        with self._meter.seconds("batching"):
            rl = self._rl_rows()
            self._drawn += 1
            # Supervised rows first: each kind is then a slice of the batch, and no copy of its logits.
            rows = self._solutions.draw(self._config.per_device_train_batch_size - rl) + self._experiences(rl)
            return collate(rows, pad_id=self._tokens.pad_id, seq2seq=self._tokens.seq2seq)

    def _rl_rows(self) -> int:
        """RL rows in the next micro-batch."""
        config = self._config
        if config.method == "sft":
            return 0
        if config.mixing == "alternate":
            return config.per_device_train_batch_size * (self._drawn % 2)
        return config.rl_rows

    def _experiences(self, count: int) -> list[Row]:
        if not count:
            return []
        drawn = self.buffer.draw(count)
        rows = [self._tokens.experience_row(each, self.prompt_format) for each in drawn]
        statistics = program_statistics("drawn", [(each.feedback, each.reward) for each in drawn])
        statistics |= {
            "drawn/tokens": sum(len(row.target) for row in rows) / count,
            "drawn/truncated": sum(not each.ended for each in drawn) / count,
        }
        self._meter.means("drawn", statistics)
        return rows
