"""Where a completion ends, and its text.

An end token or a stop string ends it, whichever comes first; the text goes up to there. The text of a causal
model's tokens is what they add to the prompt's: read alone, some tokenizers (Llama's) lose a leading blank,
and with it a program's indentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from harness.models.base import Finish
from harness.models.hf.token_offsets import Span, TokenSpans

_CONTEXT = 8
"""Tokens of the prompt that are read with the completion's."""


class StopCriteria:
    """The ends of completions of one model under one set of stop strings."""

    def __init__(self, tokenizer: Any, end_ids: frozenset[int], stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._end_ids = end_ids
        # Models have embeddings to spare, and may write a token that the tokenizer has no text for. A fast
        # one leaves that out by itself.
        fast = getattr(tokenizer, "is_fast", True)
        self._known = None if fast else frozenset(tokenizer.get_vocab().values())
        self._stop = tuple(text for text in stop if text)
        # A token gives at least a byte of text, or none if it is special; the latter are found at the end.
        self._window = max((len(text.encode()) for text in self._stop), default=0) + 4
        self._lasts = frozenset(text[-1] for text in self._stop)
        self._may_complete = lru_cache(maxsize=None)(self._completes)
        self._spans: TokenSpans | None = None

    def ended(self, tokens: Sequence[int]) -> bool:
        """Whether the last of `tokens` ended the completion."""
        if tokens[-1] in self._end_ids:
            return True
        if not self._stop or not self._may_complete(tokens[-1]):
            return False
        tail = self._decode(tokens[-self._window :])
        return any(text in tail for text in self._stop)

    def read(self, prompt: Sequence[int], tokens: Sequence[int]) -> tuple[str, Finish]:
        """The text of a completion that has ended, and why it has; `prompt` is empty for a decoder's own."""
        written = tokens[:-1] if tokens[-1] in self._end_ids else tokens
        text = self.added(prompt, written)
        first = min((text.find(stop) for stop in self._stop if stop in text), default=None)
        stopped = first is not None or len(written) < len(tokens)
        return text[:first], Finish.STOP if stopped else Finish.LENGTH

    def spans(self, prompt: Sequence[int], tokens: Sequence[int], text: str) -> tuple[Span, ...]:
        """Per token of a completion that has ended, its characters in `text`, which `read` gave of it.

        Tokens that wrote none have the same place twice: special ones, and a stop string's behind the text.
        """
        if self._spans is None:
            anchor = self._tokenizer("a", add_special_tokens=False, verbose=False).input_ids
            self._spans = TokenSpans(self._decode, self._tokenizer.convert_ids_to_tokens, anchor[-1:])
        written = tokens[:-1] if tokens[-1] in self._end_ids else tokens
        found = self._spans.find(prompt[-_CONTEXT:], written, self.added(prompt, written))
        behind = [(len(text), len(text))] * (len(tokens) - len(written))
        return (*((min(a, len(text)), min(b, len(text))) for a, b in found), *behind)

    def added(self, prompt: Sequence[int], tokens: Sequence[int]) -> str:
        """What `tokens` add to the text of `prompt`, which is empty for a decoder's own."""
        prompt = prompt[-_CONTEXT:]
        before, both = self._decode(prompt), self._decode([*prompt, *tokens])
        # Not so where the prompt ends within a character.
        return both[len(before) :] if both.startswith(before) else self._decode(tokens)

    def _completes(self, token: int) -> bool:
        """Whether a stop string may end in this token; most tokens are told so without reading any text."""
        piece = self._decode([token])
        # A part of a character, and blanks that a tokenizer drops at the start, are not seen in the piece.
        return "\ufffd" in piece or any(last.isspace() or last in piece for last in self._lasts)

    def _decode(self, tokens: Sequence[int]) -> str:
        known = self._known
        text: str = self._tokenizer.decode(
            [each for each in tokens if known is None or each in known],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return text
