"""How many rows are computed at a time, in which order, and what happens when they do not fit into memory.

Rows of similar prompt length go together whatever problem they belong to; samples of one prompt stay
neighbours, so that it is computed once. The budget starts high and halves when memory runs out; it never
grows again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.machine_limits import available_memory
from harness.models.hf.stopping import StopCriteria
from harness.prompts import Prompt

GPU_TOKENS, CPU_TOKENS = 65_536, 32_768
"""Where the budget starts: prompt and new tokens of all rows. The cache of a model with a billion parameters
takes about 100 kB a token, so 7 GB on the GPU."""
_MOST_CPU_TOKENS = 131_072
"""Of a model whose cache is known to fit. 128 rows of 1,000 tokens: on CPUs reading the weights costs a third
of the speed with a quarter of these rows, and little with more."""
_CACHE_SHARE = 0.25
"""Of the memory, for keys and values: where that runs out, the process is ended."""


@dataclass(eq=False, slots=True)
class Row:
    """One sample that is wanted."""

    prompt: Prompt
    ids: tuple[int, ...]
    """Of the prompt, as the model reads them."""
    sample_id: int
    key: bytes
    """Of its noise."""
    limit: int
    """On new tokens."""
    endings: StopCriteria
    tokens: list[int] = field(default_factory=list)
    """New ones so far."""
    log_probs: list[float] = field(default_factory=list)
    """Of the new tokens, where they are wanted; see `harness.models.base.Trace`."""


def start_tokens(model: Any, device: str) -> int:
    """Where the budget of a model starts."""
    if device != "cpu":
        return GPU_TOKENS
    config = model.config.get_text_config(decoder=True)
    try:
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        size = 2 * config.num_hidden_layers * heads * head * model.dtype.itemsize
        memory = available_memory()
    except (AttributeError, TypeError, ValueError):  # a config with other names, or another system
        return CPU_TOKENS // 2
    return max(1, min(_MOST_CPU_TOKENS, int(_CACHE_SHARE * memory / size)))


@dataclass(slots=True)
class Budget:
    """How much is computed at once."""

    tokens: int
    rows: int | None = None

    def take(self, rows: Sequence[Row]) -> int:
        """How many of the first `rows`, longest prompt first, are computed at a time; at least one."""
        count = max(1, self.tokens // _row_tokens(rows))
        return min(count, len(rows), self.rows or count)

    def halve(self, rows: Sequence[Row]) -> None:
        """After a batch of `rows` did not fit."""
        self.tokens = max(1, len(rows) * _row_tokens(rows) // 2)


def _row_tokens(rows: Sequence[Row]) -> int:
    """Of the largest row, padding included."""
    return max(len(row.ids) for row in rows) + max(row.limit for row in rows)


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Longest prompts first, so that memory runs out early or not at all; equal prompts together."""
    return sorted(rows, key=lambda row: (-len(row.ids), row.prompt.task_id, row.sample_id))
