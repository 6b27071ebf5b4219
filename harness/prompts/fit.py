"""Make a prompt fit a model's context, whatever tokenizer the model has.

Covers: shortening what a format lets be shortened, at its end or in its middle; the reference's way; refusal.
Does not cover: tokens that the caller adds later (a chat template's): subtract them from the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from harness.errors import InputError
from harness.prompts.record import Prompt
from harness.types import Piece

Encode = Callable[[str], Sequence[int]]
"""Text to token ids, with the special tokens that the model will get."""
Decode = Callable[[Sequence[int]], str]
"""Token ids to text, without special tokens."""

TRUNCATIONS = ("end", "middle", "reference")
"""`end`, `middle`: the statement loses its end (as in RLTF's generate_codegen.py:93-95) or its middle (ours:
formats and examples stand at a statement's end); format line and `ANSWER:` stay. `reference`: the ids are cut
at the limit, so that exactly those are lost (CodeRL and RLTF with T5)."""


def fit(
    prompt: Prompt, max_tokens: int, encode: Encode, decode: Decode, *, truncation: str = "end"
) -> Prompt:
    """The prompt itself if it has at most `max_tokens` tokens, else shortened to that.

    Except for `reference`, what is left is text of the prompt, cut between characters: nothing goes through
    `decode`, which gives other text back where a token is part of a character. As much is kept as fits, to
    within the few characters by which a count of tokens can jump back and forth.

    Raises:
        InputError: If what may not be cut has more tokens than fit, or there is no such way to truncate.
    """
    if truncation not in TRUNCATIONS:
        raise InputError(f"unknown truncation {truncation!r}; available: {', '.join(TRUNCATIONS)}")
    if max_tokens < 1:
        raise InputError(f"a prompt cannot be cut to {max_tokens} tokens; allow at least 1")
    ids = encode(prompt.text)
    if len(ids) <= max_tokens:
        return prompt
    if truncation == "reference":
        return _cut_ids(prompt, ids, max_tokens, encode, decode)
    return _shorten(prompt, max_tokens, encode, truncation)


def _cut_ids(prompt: Prompt, ids: Sequence[int], max_tokens: int, encode: Encode, decode: Decode) -> Prompt:
    """The text of the first ids; fewer than `max_tokens`, so that the end token that `encode` adds fits."""
    for count in range(max_tokens, -1, -1):
        text = decode(ids[:count])
        if len(encode(text)) <= max_tokens:
            return replace(prompt, pieces=(Piece(text),), shortened=True)
    raise InputError(f"{prompt.task_id}: even an empty prompt has more than {max_tokens} tokens; allow more")


def _shorten(prompt: Prompt, max_tokens: int, encode: Encode, truncation: str) -> Prompt:
    # The longest first: it is the statement, and the others are often not needed then.
    cuttable = [place for place, piece in enumerate(prompt.pieces) if piece.cut]
    for place in sorted(cuttable, key=lambda each: -len(prompt.pieces[each].text)):

        def cut_to(characters: int, prompt: Prompt = prompt, place: int = place) -> Prompt:
            return _with_piece(prompt, place, characters, truncation)

        prompt = _largest(cut_to, len(prompt.pieces[place].text), max_tokens, encode)
        if len(encode(prompt.text)) <= max_tokens:
            return prompt
    raise InputError(
        f"{prompt.task_id}: the prompt has {len(encode(prompt.text))} tokens in the parts that may not be cut"
        f" (format {prompt.name!r}), and {max_tokens} fit; allow more tokens or choose a shorter format"
    )


def _largest(cut_to: Callable[[int], Prompt], length: int, max_tokens: int, encode: Encode) -> Prompt:
    """The longest cut that fits, by bisection; the shortest if none does."""
    low, high, best = 0, length, cut_to(0)
    while low < high:
        middle = (low + high + 1) // 2
        tried = cut_to(middle)
        if len(encode(tried.text)) <= max_tokens:
            low, best = middle, tried
        else:
            high = middle - 1
    return best


def _with_piece(prompt: Prompt, place: int, characters: int, truncation: str) -> Prompt:
    """The prompt with that many characters left of one piece."""
    text = prompt.pieces[place].text
    front = characters if truncation == "end" else (characters + 1) // 2
    back = characters - front
    left = text[:front] + text[len(text) - back :]
    pieces: list[Any] = list(prompt.pieces)
    pieces[place] = replace(prompt.pieces[place], text=left)
    return replace(prompt, pieces=tuple(pieces), shortened=True)
