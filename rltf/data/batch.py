"""From problems and rollouts to tensors: supervised rows, RL rows, and batches of both.

Covers: tokenising prompts and solutions as the sampler reads the ones and would write the others; what was
sampled, which is never tokenised again; padding, for seq2seq and causal models alike. Does not cover: which
rows a step is made of (`rltf.data.microbatches`), or their losses (`rltf.objectives.losses`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from harness.errors import InputError
from harness.models.hf.stopping import StopCriteria
from harness.models.prompt_encoder import ContextWindow, PromptEncoder
from harness.prompts import Prompt
from rltf.objectives.losses import IGNORE
from rltf.objectives.second_models import pad_id_of
from rltf.rollout.records import Credit, Rollout, is_masked

REMEMBERED = 8192
"""Prompts kept as tokens."""


@dataclass(frozen=True, slots=True)
class Row:
    """One example as tokens."""

    prompt: list[int]
    target: list[int]
    """What follows the prompt, its special tokens included."""
    credit: Credit | None = None
    """What each token of the target earns, by term; `None` for a supervised row."""
    log_probs: list[float] = field(default_factory=list)
    """Per token of the target, under the policy that wrote it; empty for a supervised row."""


def rollout_row(rollout: Rollout) -> Row:
    """An RL row: what the policy read and sampled, how likely that was, and what it earns."""
    return Row(list(rollout.prompt_ids), list(rollout.token_ids), rollout.credit, list(rollout.log_probs))


class Tokens:
    """Tokenises what a model reads, and what it is to write."""

    def __init__(
        self, model: Any, tokenizer: Any, *, max_prompt_tokens: int | None, max_target_tokens: int
    ) -> None:
        """
        Args:
            model: Its config says of which kind it is and how long its context.
            tokenizer: Of `transformers`.
            max_prompt_tokens: Longer prompts lose the end of their statement; `None` for what the context
                allows.
            max_target_tokens: Longer targets lose their end.

        Raises:
            InputError: If the tokenizer has no end token.
        """
        if tokenizer.eos_token_id is None:
            raise InputError("the model's tokenizer has no end token, so no program would ever end")
        self.seq2seq = bool(model.config.is_encoder_decoder)
        self._tokenizer = tokenizer
        self._max_target = max_target_tokens
        self._endings = StopCriteria(tokenizer, frozenset({int(tokenizer.eos_token_id)}), ())
        prompting = PromptEncoder(tokenizer, ContextWindow.of(model), source_tokens=max_prompt_tokens)
        # Shortening a prompt means tokenising it a dozen times, and each comes with many programs.
        self._read = lru_cache(REMEMBERED)(prompting.encode)

    @property
    def pad_id(self) -> int:
        """Fills up batches; never attended to, and no target."""
        return pad_id_of(self._tokenizer)

    @property
    def end_id(self) -> int:
        """Ends a completion."""
        return int(self._tokenizer.eos_token_id)

    def solution_row(self, prompt: Prompt, solution: str) -> Row | None:
        """A supervised row; `None` if the tokenizer cannot write the solution."""
        read = self._read(prompt, self._max_target)
        ids = self.target(solution, read.ids)
        if ids is None:
            return None
        ids = ids[: read.limit]
        return Row(list(read.ids), ids)

    def target(self, text: str, prompt: Sequence[int]) -> list[int] | None:
        """Token ids that the sampler would read as `text` behind the prompt, and the end token.

        A seq2seq model's labels begin with what its tokenizer puts in front (CodeT5's `<s>`). A causal
        model's go on after the prompt, where a tokenizer that puts a blank in front of every text (Llama 2's,
        Mistral's) has it tokenised behind an anchor, which is taken off again.

        Returns:
            `None` if no tokens spell the text: the tokenizer loses line ends, blanks or characters.
        """
        end = int(self._tokenizer.eos_token_id)
        for ids in self._spellings(text):
            if self.read_back(ids, prompt) == text:
                return [*ids, end]
        return None

    def read_back(self, ids: Sequence[int], prompt: Sequence[int]) -> str:
        """What the sampler would take `ids` for, behind the prompt."""
        return self._endings.added(() if self.seq2seq else prompt, ids)

    def spelling(self, text: str) -> list[int]:
        """As the tokenizer spells a text that stands alone, without the end token."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=self.seq2seq, verbose=False).input_ids
        end = self._tokenizer.eos_token_id
        return ids[:-1] if self.seq2seq and ids and ids[-1] == end else ids

    def _spellings(self, text: str) -> Iterator[list[int]]:
        yield self.spelling(text)
        if self.seq2seq:
            return
        for anchor in _ANCHORS:
            before, both = self.spelling(anchor), self.spelling(anchor + text)
            if before and both[: len(before)] == before:
                yield both[len(before) :]


_ANCHORS = ("\n", ";", "a")
"""Tokenised in front of a text, and taken off where they stayed tokens of their own."""


def collate(rows: Sequence[Row], *, pad_id: int, seq2seq: bool) -> dict[str, Any]:
    """Rows side by side, padded on the right.

    B rows, S the longest input, T the longest label (S = T for causal models, whose input is prompt and
    target with labels of `IGNORE` on the prompt).

    Returns:
        `input_ids`, `attention_mask` `[B, S]`; `labels` `[B, T]`; `old_log_probs` `[B, T]`, 0 where there are
        none; `values`, by term `[B]`, and `weights`, by term `[B, T]`, of the credit of those terms that
        weigh tokens; and as plain numbers, for which no device is waited for: `supervised`, how many of the
        rows are, which come first; `first`, the first column of `labels` with a target; `targets`, tokens to
        predict in supervised and in RL rows that are not masked.

    Raises:
        ValueError: If a supervised row comes behind one of RL.
    """
    supervised = sum(row.credit is None for row in rows)
    if any(row.credit is None for row in rows[supervised:]):
        raise ValueError("supervised rows come first")
    inputs = [row.prompt if seq2seq else row.prompt + row.target for row in rows]
    before = [0 if seq2seq else len(row.prompt) for row in rows]
    labels = [[IGNORE] * skip + row.target for skip, row in zip(before, rows, strict=True)]
    width = max(map(len, labels))
    return {
        "input_ids": _padded(inputs, pad_id),
        "attention_mask": _padded([[1] * len(each) for each in inputs], 0),
        "labels": _padded(labels, IGNORE),
        "old_log_probs": _floats([row.log_probs for row in rows], before, width),
        **_credit(rows, before, width),
        "supervised": supervised,
        "first": min(before),
        "targets": (
            sum(len(row.target) for row in rows[:supervised]),
            sum(len(row.target) for row in rows[supervised:] if not is_masked(row.credit or {})),
        ),
    }


def _credit(rows: Sequence[Row], before: Sequence[int], width: int) -> dict[str, dict[str, Tensor]]:
    given = [row.credit or {} for row in rows]
    names = list(dict.fromkeys(name for credit in given for name in credit))
    weighted = [
        name for name in names if any(name in each and each[name].weights is not None for each in given)
    ]
    ones = [[1.0] * len(row.target) for row in rows]

    def weights(name: str) -> list[Sequence[float]]:
        found = [credit[name].weights if name in credit else () for credit in given]
        return [one if each is None else each for each, one in zip(found, ones, strict=True)]

    return {
        "values": {
            name: torch.tensor([credit[name].value if name in credit else 0.0 for credit in given])
            for name in names
        },
        "weights": {name: _floats(weights(name), before, width) for name in weighted},
    }


def _floats(rows: Sequence[Sequence[float]], before: Sequence[int], width: int) -> Tensor:
    """`[B, width]`: each row behind so many zeros, and zeros behind it."""
    found = torch.zeros(len(rows), width)
    for place, (row, skip) in enumerate(zip(rows, before, strict=True)):
        found[place, skip : skip + len(row)] = torch.tensor(row)
    return found


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
