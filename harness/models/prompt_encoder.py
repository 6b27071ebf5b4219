"""From a prompt to the token ids that a model reads: chat template, special tokens, room in its context.

How much of the context a prompt may take: `source_tokens` where the caller says so; otherwise what is left
beside the new tokens that are asked for, and at least half. A prompt that does not fit is shortened by
`harness.prompts.fit`. Where its fixed parts alone need more, they get it, and the answers get what is left.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import InputError
from harness.models.chat_template import Template, token_text
from harness.models.positions import ContextWindow
from harness.prompts import Prompt, fit

__all__ = ["CHAT", "ContextWindow", "EncodedPrompt", "PromptEncoder"]

CHAT = ("auto", "on", "off")
"""`auto`: prompts of a chat format go through the tokenizer's template if it has one; `on`: all do. Which
format a model is asked in where nobody names one is for `harness.models.chat_template.choose_chat`."""


_HALVES = re.compile("[\\ud800-\\udfff]")


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as a model reads it."""

    prompt: Prompt
    ids: tuple[int, ...]
    limit: int
    """On new tokens."""
    chat: bool = False
    """Through the chat template."""


class PromptEncoder:
    """Encodes prompts for one model."""

    def __init__(
        self,
        tokenizer: Any,
        context: ContextWindow,
        *,
        chat: str = "auto",
        truncation: str = "end",
        source_tokens: int | None = None,
        known_tokens: int | None = None,
    ) -> None:
        """
        Args:
            tokenizer: the model's.
            context: the model's.
            chat: one of `CHAT`.
            truncation: one of `harness.prompts.TRUNCATIONS`.
            source_tokens: most tokens of a prompt, special ones too; None for what the context takes.
            known_tokens: how many tokens the model has embeddings of; None if that is not known.
        """
        if chat not in CHAT:
            raise InputError(f"unknown chat setting {chat!r}; available: {', '.join(CHAT)}")
        self._template = Template(tokenizer)
        if chat == "on" and not self._template:
            raise InputError("chat is on, and the model's tokenizer has no chat template; use --chat off")
        self._tokenizer = tokenizer
        self._context = context
        self._known_tokens = known_tokens
        self._chat = chat if self._template else "off"
        self._truncation = truncation
        self._source_tokens = source_tokens

    def encode(self, prompt: Prompt, max_new_tokens: int) -> EncodedPrompt:
        """Ids of `prompt`, shortened where it must be, and how many new tokens there is room for.

        Raises:
            InputError: If what may not be cut leaves no room, or the prompt has no tokens at all.
        """
        most = min(
            (each for each in (self._room(max_new_tokens), self._source_tokens) if each is not None),
            default=None,
        )
        fitted = prompt if most is None else self._fit(prompt, most)
        ids = self._ids(fitted)
        if not ids:
            raise InputError(
                f"{prompt.task_id}: the prompt has no tokens, and the model has no token to start from;"
                " choose another prompt format"
            )
        self._refuse_unknown(fitted, ids)
        chat = self._through_template(fitted)
        if chat:
            fitted = replace(fitted, sent=self._template.of(fitted.messages))
        return EncodedPrompt(fitted, ids, self._limit(len(ids), max_new_tokens), chat)

    def _room(self, max_new_tokens: int) -> int | None:
        """How many tokens of the context a prompt may take; None for any number."""
        whole = self._context.tokens
        if whole is None or not self._context.shared:
            return whole
        return max(whole - max_new_tokens, whole // 2, 1)

    def _refuse_unknown(self, prompt: Prompt, ids: Sequence[int]) -> None:
        highest = max(ids)
        if self._known_tokens is not None and highest >= self._known_tokens:
            raise InputError(
                f"{prompt.task_id}: the tokenizer writes the prompt with the token {highest}"
                f" ({token_text(self._tokenizer, highest)!r}), and the model knows {self._known_tokens}: they"
                " do not belong together"
            )

    def _limit(self, used: int, max_new_tokens: int) -> int:
        if not self._context.shared:
            own = self._context.for_answer
            return max_new_tokens if own is None else min(max_new_tokens, own)
        whole = self._context.tokens
        return max_new_tokens if whole is None else min(max_new_tokens, max(whole - used, 1))

    def _fit(self, prompt: Prompt, most: int) -> Prompt:
        try:
            return self._cut(prompt, most)
        except InputError:
            whole = self._context.tokens
            if self._source_tokens is not None or whole is None or not self._context.shared:
                raise
            return self._cut(prompt, whole - 1)

    def _cut(self, prompt: Prompt, most: int) -> Prompt:
        """`fit`, told of what the template adds by taking that off the limit."""
        room = most
        while True:
            fitted = fit(prompt, max(room, 1), self._plain, self._text, truncation=self._truncation)
            over = len(self._ids(fitted)) - most
            if over <= 0:
                return fitted
            if room <= 1:
                raise InputError(
                    f"{prompt.task_id}: the chat template alone has more than {most} tokens; allow more"
                )
            room = max(1, min(room, len(self._plain(fitted.text))) - over)

    def _ids(self, prompt: Prompt) -> tuple[int, ...]:
        if self._through_template(prompt):
            try:
                text = self._template.of(prompt.messages)
            except InputError as error:
                raise InputError(f"{prompt.task_id}: {error}") from error
            # The template writes the special tokens itself.
            return tuple(self._tokenizer(_readable(text), add_special_tokens=False, verbose=False).input_ids)
        return tuple(self._plain(prompt.text))

    def _through_template(self, prompt: Prompt) -> bool:
        return self._chat == "on" or (self._chat == "auto" and prompt.format.chat)

    def _plain(self, text: str) -> Sequence[int]:
        ids: list[int] = self._tokenizer(_readable(text), verbose=False).input_ids  # too long a one is cut
        if not self._context.shared:
            return ids
        # A causal model that has read its end token writes something else.
        end = self._tokenizer.eos_token_id
        while len(ids) > 1 and ids[-1] == end and not text.endswith(str(self._tokenizer.eos_token)):
            ids = ids[:-1]
        return ids or [each for each in (self._tokenizer.bos_token_id, end) if each is not None][:1]

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text


def _readable(text: str) -> str:
    """The text without halves of characters, which no tokenizer takes."""
    return _HALVES.sub("\ufffd", text)
