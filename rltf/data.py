"""From problems and experiences to tensors: supervised rows, RL rows, and batches of both.

Covers: tokenising a prompt and what followed it, as the sampler reads the one and writes the other; which
tokens feedback blames; padding, for seq2seq and causal models alike.
Does not cover: which rows a step is made of (`rltf.stream`), or their losses (`rltf.losses`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from harness.errors import InputError
from harness.generate.prompting import Context, Prompting
from harness.prompts import Prompt, make_prompt
from harness.types import Piece, Problem, PromptFormat
from rltf.buffer import Experience
from rltf.chance import shuffled
from rltf.losses import IGNORE
from rltf.rewards import NO_REWARD, Reward
from rltf.spans import feedback_mask

_REMEMBERED = 8192
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


class Tokens:
    """Tokenises what a model reads and what it writes."""

    def __init__(
        self, model: Any, tokenizer: Any, *, max_prompt_tokens: int | None, max_target_tokens: int
    ) -> None:
        """
        Args:
            model: Its config says of which kind it is and how long its context.
            tokenizer: A fast tokenizer of `transformers`.
            max_prompt_tokens: Longer prompts lose the end of their statement; `None` for what the context
                allows.
            max_target_tokens: Longer targets lose their end.

        Raises:
            InputError: If the tokenizer cannot say which characters a token has, or has no end token.
        """
        if not tokenizer.is_fast:
            raise InputError("the tokenizer gives no offsets, so no line can be blamed; use a fast one")
        if tokenizer.eos_token_id is None:
            raise InputError("the model's tokenizer has no end token, so no program would ever end")
        self.seq2seq = bool(model.config.is_encoder_decoder)
        self._tokenizer = tokenizer
        self._max_target = max_target_tokens
        prompting = Prompting(tokenizer, Context.of(model), source_tokens=max_prompt_tokens)
        # Shortening a prompt means tokenising it a dozen times, and each comes with many programs.
        self._read = lru_cache(_REMEMBERED)(prompting.encode)

    @property
    def pad_id(self) -> int:
        """Fills up batches; never attended to, and no target."""
        pad = self._tokenizer.pad_token_id
        return int(self._tokenizer.eos_token_id if pad is None else pad)

    def experience_row(self, experience: Experience, prompt_format: PromptFormat) -> Row:
        """An RL row: what the policy wrote, its rewards, and the tokens to blame."""
        prompt = Prompt(experience.task_id, (Piece(experience.prompt),), prompt_format)
        read = self._read(prompt, self._max_target)
        ids, offsets = self.target(experience.text, ended=experience.ended)
        span = feedback_mask(experience.feedback, experience.text, offsets)
        return Row(list(read.ids), ids[: read.limit], span[: read.limit], experience.reward)

    def solution_row(self, prompt: Prompt, solution: str) -> Row:
        """A supervised row."""
        read = self._read(prompt, self._max_target)
        ids, _ = self.target(solution, ended=True)
        ids = ids[: read.limit]
        return Row(list(read.ids), ids, [False] * len(ids), None)

    def target(self, text: str, *, ended: bool) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids of what a model wrote, and each one's characters in `text`; `(0, 0)` for special ones.

        A seq2seq model's labels begin with what its tokenizer puts in front (CodeT5's `<s>`); a causal
        model's are text. Both end with the end token if the model's answer did.

        Args:
            text: Without special tokens.
            ended: The end token follows.
        """
        found = self._tokenizer(
            text, add_special_tokens=self.seq2seq, return_offsets_mapping=True, verbose=False
        )
        ids, offsets = list(found["input_ids"]), [tuple(each) for each in found["offset_mapping"]]
        end = self._tokenizer.eos_token_id
        if self.seq2seq and ids and ids[-1] == end:
            ids, offsets = ids[:-1], offsets[:-1]
        return ([*ids, end], [*offsets, (0, 0)]) if ended else (ids, offsets)


class Solutions:
    """Problems' own solutions in passes, each once a pass, in an order that depends on the pass alone.

    Uniform over solutions, as in the released code (apps_dataset_online_v1.py:333), not over problems.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        prompt_format: PromptFormat,
        tokens: Tokens,
        *,
        seed: int,
        per_problem: int | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """
        Args:
            problems: Of the training split.
            prompt_format: How they are put.
            tokens: Tokenises.
            seed: Of the order.
            per_problem: Up to so many solutions of each; `None` for all.
            share: `(rank, processes)`: this process takes every `processes`-th.

        Raises:
            InputError: If none of the problems has a solution.
        """
        rank, processes = share
        self._problems = problems
        self._places = [
            (place, number)
            for place, problem in enumerate(problems)
            for number in range(len(problem.solutions[:per_problem]))
        ]
        if not self._places:
            raise InputError("no problem has a solution to learn from; choose another benchmark or split")
        self._places = self._places[rank::processes] or self._places
        self._prompt = lru_cache(_REMEMBERED)(partial(make_prompt, prompt_format))
        self._tokens = tokens
        self._seed = seed
        self._turn = -1
        self._order: list[int] = []
        self.drawn = 0
        """Rows drawn so far: the place to go on from."""

    def draw(self, count: int) -> list[Row]:
        """The next `count` supervised rows."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Row:
        turn, done = divmod(self.drawn, len(self._places))
        if turn != self._turn:
            self._turn, self._order = turn, shuffled(len(self._places), f"{self._seed} solutions {turn}")
        self.drawn += 1
        place, number = self._places[self._order[done]]
        problem = self._problems[place]
        return self._tokens.solution_row(self._prompt(problem), problem.solutions[number])


def collate(rows: Sequence[Row], *, pad_id: int, seq2seq: bool) -> dict[str, Tensor]:
    """Rows side by side, padded on the right.

    B rows, S the longest input, T the longest label (S = T for causal models, whose input is prompt and
    target with labels of `IGNORE` on the prompt).

    Returns:
        `input_ids`, `attention_mask` `[B, S]`; `labels` `[B, T]`; `spans` `[B, T]` bool; `is_rl` `[B]` bool;
        `coarse`, `fine`, `adaptive` `[B]` float.
    """
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
        "is_rl": torch.tensor([row.reward is not None for row in rows]),
        "coarse": torch.tensor([each.coarse for each in rewards]),
        "fine": torch.tensor([each.fine for each in rewards]),
        "adaptive": torch.tensor([each.adaptive for each in rewards]),
    }


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
