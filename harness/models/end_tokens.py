"""Which tokens start and end an answer: what a checkpoint names in three places, less what it cannot mean.

A config that was written by hand, or filled with a library's defaults, may name an id that is an ordinary
token of the tokenizer (2, which is `#` for GPT-2's): answers would end at the first comment. Such an id is
left out, and said, unless the tokenizer itself calls it its end token.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

from harness.errors import InputError
from harness.models.chat_template import ChatChoice, choose_chat, special_ids, token_text

_MARKER = re.compile(r"</?\w+>|<[|\uff5c].+[|\uff5c]>|\[/?[A-Z_]+\]", re.DOTALL)
"""Texts that look like marks: tokenizers that were converted forget to call them special."""


def end_ids(generation: Any, config: Any, tokenizer: Any) -> frozenset[int]:
    """All tokens that end an answer: a chat model has several. None at all for a model without.

    Args:
        generation: the model's generation config; None if there is none.
        config: the model's config.
        tokenizer: the model's.
    """
    own = set(_ids(tokenizer))
    named = {*_ids(generation), *_ids(config)} - own
    ordinary = {each for each in named if _is_ordinary(tokenizer, each)}
    for each in sorted(ordinary):
        warnings.warn(
            f"the model's config names the token {each} as its end, which its tokenizer writes"
            f" {token_text(tokenizer, each)!r} with, an ordinary one: answers do not end there",
            stacklevel=2,
        )
    return frozenset(own | named - ordinary)


def chat_end_ids(generation: Any, config: Any, tokenizer: Any) -> frozenset[int]:
    """The end tokens that tell a chat model from a base model: what `generation_config.json` says, and where
    there is none or it names none, the tokenizer, and then the config."""
    written = generation is not None and not getattr(generation, "_from_model_config", False)
    for source in (generation if written else None, tokenizer, config):
        found = [each for each in _ids(source) if source is tokenizer or not _is_ordinary(tokenizer, each)]
        if found:
            return frozenset(found)
    return frozenset()


def generation_of(model: Any) -> Any:
    """A model's generation config, a PEFT model's too; None if it has none."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return getattr(model, "generation_config", None) or getattr(inner, "generation_config", None)


def chat_choice(model: Any, tokenizer: Any) -> ChatChoice:
    """Whether a model in memory is to be asked as a chat model where nobody says how.

    Raises:
        InputError: If it has a chat template that cannot be used.
    """
    return choose_chat(tokenizer, chat_end_ids(generation_of(model), model.config, tokenizer))


def decoder_start(model: Any) -> int:
    """The token that a decoder starts from.

    Raises:
        InputError: If nothing names one.
    """
    for settings in (generation_of(model), model.config, getattr(model.config, "decoder", None)):
        for name in ("decoder_start_token_id", "bos_token_id"):
            found = getattr(settings, name, None)
            if isinstance(found, list | tuple) and len(found) == 1:
                found = found[0]
            if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
                return found
    raise InputError("the model's config names no decoder_start_token_id; it cannot start an answer")


def _ids(source: Any) -> Iterator[int]:
    found = getattr(source, "eos_token_id", None)
    for each in found if isinstance(found, list | tuple) else [found]:
        if isinstance(each, int) and not isinstance(each, bool) and each >= 0:
            yield each


def _is_ordinary(tokenizer: Any, token: int) -> bool:
    """Whether the tokenizer writes text with it. One that it does not know is none."""
    if token in special_ids(tokenizer):
        return False
    text = token_text(tokenizer, token)
    return bool(text) and _MARKER.fullmatch(text) is None
