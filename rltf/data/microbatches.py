"""The data stream of training: micro-batches of supervised and RL rows, without end.

Covers: what a micro-batch is made of under each option, and the place to go on from after a checkpoint. Does
not cover: how rows are made (`rltf.data.batch`), or when the buffer is refreshed
(`rltf.monitoring.callbacks`).

No DataLoader: its workers and its look-ahead would draw from the buffer before a refresh that comes between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from rltf.config import RLTFConfig
from rltf.data.batch import Row, Tokens, collate, rollout_row
from rltf.data.solutions import Solutions
from rltf.monitoring.metrics import Meter
from rltf.rollout.records import Rollout, logged_values
from rltf.rollout.replay_buffer import OnlineBuffer
from rltf.rollout.statistics import program_statistics


class Stream:
    """Draws micro-batches when they are asked for, never ahead."""

    def __init__(
        self,
        config: RLTFConfig,
        tokens: Tokens,
        solutions: Solutions,
        buffer: OnlineBuffer,
        *,
        meter: Meter,
    ) -> None:
        self.buffer = buffer
        self._config = config
        self._tokens = tokens
        self._solutions = solutions
        self._meter = meter
        self._drawn = 0
        """Micro-batches so far."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            yield from self.step(1)

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

    def chunks(self, rollouts: Sequence[Rollout]) -> list[tuple[Sequence[Rollout], dict[str, Any]]]:
        """Rollouts that are in no buffer yet, a micro-batch's worth at a time, as a model reads them."""
        size = self._batch_size
        parts = [rollouts[first : first + size] for first in range(0, len(rollouts), size)]
        pad, seq2seq = self._tokens.pad_id, self._tokens.seq2seq
        return [
            (part, collate([rollout_row(each) for each in part], pad_id=pad, seq2seq=seq2seq))
            for part in parts
        ]

    def step(self, count: int) -> list[dict[str, Any]]:
        """The next `count` micro-batches, those of an optimiser step.

        Their rows are dealt anew, the longest first, each kind for itself: less is padding, and the sum of
        their losses is the same but for rounding.
        """
        with self._meter.seconds("batching"):
            drawn = [self._draw() for _ in range(count)]
            if count > 1:
                supervised = _dealt([rows for rows, _ in drawn])
                drawn = list(zip(supervised, _dealt([rows for _, rows in drawn]), strict=True))
            return [self._collated(rows) for rows in drawn]

    def _draw(self) -> tuple[list[Row], list[Row]]:
        """Supervised rows and RL rows of a micro-batch."""
        rl = self._rl_rows()
        supervised = self._batch_size - rl
        self._drawn += 1
        if rl and self._only_solutions:
            rl, supervised = 0, supervised or rl
        return self._solutions.draw(supervised), self._rollouts(rl)

    def _collated(self, rows: tuple[list[Row], list[Row]]) -> dict[str, Any]:
        # Supervised rows first: each kind is then a slice of the batch, and no copy of its logits.
        return collate([*rows[0], *rows[1]], pad_id=self._tokens.pad_id, seq2seq=self._tokens.seq2seq)

    @property
    def _only_solutions(self) -> bool:
        """No program has anything to teach, since all rewards are equal, and solutions are learned anyway."""
        mixed = self._config.mixing == "alternate" or self._config.rl_rows < self._batch_size
        return mixed and bool(self.buffer.zero_advantage) and not len(self.buffer)

    @property
    def _batch_size(self) -> int:
        return self._config.per_device_train_batch_size

    def _rl_rows(self) -> int:
        """RL rows in the next micro-batch."""
        config = self._config
        if not config.online:
            return 0
        if config.mixing == "alternate":
            return self._batch_size * (self._drawn % 2)
        return config.rl_rows

    def _rollouts(self, count: int) -> list[Row]:
        if not count:
            return []
        drawn = self.buffer.draw(count)
        rows = [rollout_row(each) for each in drawn]
        earned = [logged_values(each.credit) for each in drawn]
        statistics = program_statistics(
            "drawn",
            [(each.located_feedback, values) for each, values in zip(drawn, earned, strict=True)],
        )
        statistics |= {
            "drawn/tokens": sum(len(row.target) for row in rows) / count,
            "drawn/truncated": sum(each.truncated for each in drawn) / count,
        }
        self._meter.means("drawn", statistics)
        return rows


def _dealt(batches: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """The rows of all, the longest first, in as many batches of the same sizes."""
    rows = iter(sorted(chain(*batches), key=lambda row: -len(row.prompt) - len(row.target)))
    return [list(islice(rows, len(batch))) for batch in batches]
