"""How many new tokens fit a server's window: read from its list of models, and from its refusals.

A window that is known is used as a local model's is: an answer ends where the context ends, and counts as
cut. Does not cover: counting tokens of prompts; the server has done it where it refuses one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_NAMES = (
    "max_model_len",  # vLLM, SGLang, NIM
    "context_length",  # OpenRouter, Together, Fireworks
    "context_window",  # Groq
    "max_context_length",  # Mistral, LM Studio
    "loaded_context_length",
    "max_input_tokens",
    "max_seq_len",
    "n_ctx",  # llama.cpp
)
_INSIDE = ("meta", "metadata", "top_provider", "parameters", "limits")
_MOST = 100_000_000
_NUMBER = r"`?\(?(\d+)(?:\.0)?"
_PROMPT = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(\d+) (?:input tokens|(?:tokens )?in (?:the|your) (?:messages?|prompt)|of text input"
        r"|`inputs` tokens|tokens from the input|prompt tokens)",
        r"(?:prompt|input|inputs|request|messages) (?:length |token count )?(?:contains |has |of )?"
        r"\(?(\d+)(?:\.0)?(?: tokens|\))",
        r"(?:prompt|input) (?:tokens|length)\W{1,3}(\d+)",
        r"n_prompt_tokens\W+(\d+)",
        r"prompt is too long: (\d+)",
        r"given: (\d+)",
    )
)
_WINDOW = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"context (?:length|size|window)(?: is)?(?: only)?(?: of)?[: ]+{_NUMBER}",
        r"(\d+) maximum context",
        rf"must be <= {_NUMBER}",
        r"(?:maximum|max)[ _](?:allowed length|seq[ _]len|model[ _]len|num[ _]tokens"
        rf"|number of tokens allowed)\W+{_NUMBER}",
        r"limit of (\d+)",
        r"less than (\d+) tokens",
        r"n_ctx\W+(\d+)",
    )
)
_MOST_NEW = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"at most (\d+) (?:completion|output) tokens",
        rf"less than or equal to {_NUMBER}",
        r"max_(?:completion_)?tokens: \d+ > (\d+)",
    )
)


def window_of(model: str, listed: Iterable[Mapping[str, Any]]) -> int | None:
    """Tokens of prompt and answer together, as the list of models says; an adapter's is its base's."""
    by_id = {each["id"]: each for each in listed}
    entry = by_id.get(model)
    if entry is None:
        return None
    parent = by_id.get(entry["parent"]) if isinstance(entry.get("parent"), str) else None
    return next((size for each in (entry, parent) if each is not None for size in _sizes(each)), None)


def _sizes(entry: Mapping[str, Any]) -> Iterator[int]:
    inner = [entry[name] for name in _INSIDE if isinstance(entry.get(name), Mapping)]
    for place in (entry, *inner):
        for name in _NAMES:
            size = place.get(name)
            if isinstance(size, int) and not isinstance(size, bool) and 0 < size <= _MOST:
                yield size


def fewer_new_tokens(words: str, asked: int, listed: int | None) -> int | None:
    """How many new tokens to ask for next, after a refusal as too long.

    Args:
        words: the server's.
        asked: new tokens that were refused.
        listed: window in the list of models.

    Returns:
        Fewer than `asked`: what fits by the numbers that are known, else half; `None` if nothing fits.
    """
    words = re.sub(r"(?<=\d),(?=\d{3}\b)", "", words)
    prompt = _first(_PROMPT, words)
    # Both: the one in a message may be wrong (vLLM has subtracted from it), the one in a list another's.
    windows = [each for each in (listed, _first(_WINDOW, words)) if each]
    rooms = [window - prompt for window in windows] if prompt else []
    fits = [room for room in (*rooms, _first(_MOST_NEW, words) or 0) if 0 < room < asked]
    if fits:
        return max(fits)
    if rooms and max(rooms) <= 0:
        return None
    return asked // 2 or None


def _first(patterns: Sequence[re.Pattern[str]], words: str) -> int | None:
    for pattern in patterns:
        if found := pattern.search(words):
            return int(found[1][:12])
    return None
