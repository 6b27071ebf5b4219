"""From problems and experiences to tensors: supervised rows, RL rows, and batches of both.

Covers: tokenising prompts and solutions as the sampler reads the ones and would write the others; what was
sampled, which is never tokenised again; padding, for seq2seq and causal models alike. Does not cover: which
rows a step is made of (`rltf.data.microbatches`), or their losses (`rltf.objectives.losses`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from harness.errors import InputError
from harness.models.hf.stopping import StopCriteria
from harness.models.prompt_encoder import ContextWindow, PromptEncoder
from harness.prompts import Prompt
from rltf.objectives.losses import IGNORE
from rltf.rewards.rltf import NO_REWARD, Reward
from rltf.rollout.replay_buffer import Experience

REMEMBERED = 8192
"""Prompts kept as tokens."""


@dataclass(frozen=True, slots=True)
class Row:
    """One example as tokens."""

    prompt: list[int]
    target: list[int]
    """What follows the prompt, its special tokens included."""
    span: list[bool]
    """Per token of the target, whether the fine-grained reward goes to it."""
    reward: Reward | None
    """`None` for a supervised row."""


def experience_row(experience: Experience) -> Row:
    """An RL row: what the policy read and sampled, its rewards, and the tokens to blame."""
    return Row(list(experience.prompt), list(experience.ids), list(experience.span), experience.reward)


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
        pad = self._tokenizer.pad_token_id
        return int(self._tokenizer.eos_token_id if pad is None else pad)

    def solution_row(self, prompt: Prompt, solution: str) -> Row | None:
        """A supervised row; `None` if the tokenizer cannot write the solution."""
        read = self._read(prompt, self._max_target)
        ids = self.target(solution, read.ids)
        if ids is None:
            return None
        ids = ids[: read.limit]
        return Row(list(read.ids), ids, [False] * len(ids), None)

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
        `input_ids`, `attention_mask` `[B, S]`; `labels` `[B, T]`; `spans` `[B, T]` bool; `coarse`,
        `fine`, `adaptive` `[B]` float; and as plain numbers, for which no device is waited for:
        `supervised`, how many of the rows are, which come first; `targets`, tokens to predict in supervised
        and in RL rows.

    Raises:
        ValueError: If a supervised row comes behind one of RL.
    """
    supervised = sum(row.reward is None for row in rows)
    if any(row.reward is None for row in rows[supervised:]):
        raise ValueError("supervised rows come first")
    inputs = [row.prompt if seq2seq else row.prompt + row.target for row in rows]
    before = [0 if seq2seq else len(row.prompt) for row in rows]
    labels = [[IGNORE] * skip + row.target for skip, row in zip(before, rows, strict=True)]
    spans = [[False] * skip + row.span for skip, row in zip(before, rows, strict=True)]
    rewards = [row.reward or NO_REWARD for row in rows]
    return {
        "input_ids": _padded(inputs, pad_id),
        "attention_mask": _padded([[1] * len(each) for each in inputs], 0),
        "labels": _padded(labels, IGNORE),
        "spans": _padded(spans, 0).bool(),
        "supervised": supervised,
        "targets": (
            sum(len(row.target) for row in rows[:supervised]),
            sum(len(row.target) for row in rows[supervised:]),
        ),
        "coarse": torch.tensor([each.coarse for each in rewards]),
        "fine": torch.tensor([each.fine for each in rewards]),
        "adaptive": torch.tensor([each.adaptive for each in rewards]),
    }


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
