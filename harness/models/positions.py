"""How many tokens a model can take in, and the number of its first position.

A model's tables of learned positions say it best: how many rows they have, and how many of these are never
reached (OPT and BART keep two in front, RoBERTa those up to its padding token). Beside them a config says it,
under one of many names; the parts of an encoder-decoder model may each have their own.
Does not cover: how far a model with rotary or relative positions stays good beyond what its config names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

_TABLE = re.compile(
    r"(^|\.)(wpe|embed_positions|position_embeddings?|pos_emb(eds?|eddings?)?|positional_embeddings?"
    r"|position_embed|embed_position)$"
)
"""Modules that hold one row for each position."""
_NAMES = (
    "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length",
    "max_seq_length", "context_length", "max_context_length",
)  # fmt: skip
_ENCODER = ("max_encoder_position_embeddings", "max_source_positions")
_DECODER = ("max_decoder_position_embeddings", "max_target_positions")


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """What a model can take in."""

    tokens: int | None
    """Positions of a prompt; None for models without a limit (T5)."""
    shared: bool
    """Prompt and answer share them (causal models); otherwise the answer has its own."""
    answer: int | None = None
    """Positions of an answer where they are not shared and not as many; None for as many."""

    @classmethod
    def of(cls, model: Any) -> ContextWindow:
        """A model's; virtual tokens that a PEFT adapter puts in front are taken off."""
        inner = inner_model(model)
        if not is_seq2seq(inner):
            limit = _limit(_text_part(inner), inner.config, ())
            return cls(_less(limit, virtual_tokens(model)), shared=True)
        encoder, decoder = _parts(inner.config)
        prompt = _limit(inner.get_encoder(), encoder, _ENCODER)
        answer = _limit(inner.get_decoder(), decoder, _DECODER)
        return cls(_less(prompt, virtual_tokens(model)), shared=False, answer=answer)

    @property
    def for_answer(self) -> int | None:
        """Positions that an answer alone may take."""
        return self.tokens if self.answer is None else self.answer


def is_seq2seq(model: Any) -> bool:
    """Whether it has an encoder."""
    return bool(getattr(model.config, "is_encoder_decoder", False))


def inner_model(model: Any) -> Any:
    """The model of transformers in a PEFT model, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _text_part(model: Any) -> Any:
    """Where texts have their positions: a model that is shown images too has a table for their patches."""
    has_decoder = not is_seq2seq(model) and hasattr(model, "get_decoder")
    return model.get_decoder() if has_decoder else model


def virtual_tokens(model: Any) -> int:
    """How many tokens a prompt-like PEFT adapter puts in front of each text; 0 without one."""
    config = getattr(model, "active_peft_config", None)
    if config is None or not getattr(config, "is_prompt_learning", False):
        return 0
    return int(config.num_virtual_tokens or 0)


def first_position(model: Any) -> int:
    """The number of a text's first position where a model is told of positions.

    Models of the RoBERTa kind count from behind their padding token; the others from 0, and those with rows
    in front (OPT) add them themselves.
    """
    firsts = [_padding(table) for table in _tables(_text_part(inner_model(model)))]
    return max(firsts, default=0)


def numbers_positions(model: Any) -> bool:
    """Whether a model has something for each position, learned or computed, rather than for distances."""
    return any(_TABLE.search(name) for name, _ in _text_part(inner_model(model)).named_modules())


def embedding_rows(model: Any) -> int | None:
    """How many tokens the model knows; None if it does not say."""
    try:
        rows = inner_model(model).get_input_embeddings().weight.shape[0]
    except (AttributeError, NotImplementedError):
        return None
    return int(rows)


def _less(limit: int | None, taken: int) -> int | None:
    return limit if limit is None else max(limit - taken, 1)


def _parts(config: Any) -> tuple[Any, Any]:
    """The configs of encoder and decoder: their own, or the model's for both."""
    parts = [getattr(config, name, None) for name in ("encoder", "decoder")]
    encoder, decoder = (part if hasattr(part, "model_type") else config for part in parts)
    return encoder, decoder


def _limit(model: Any, config: Any, names: tuple[str, ...]) -> int | None:
    rows = [table.num_embeddings - _in_front(table) for table in _tables(model)]
    known = [*(each for each in rows if each > 0), *_named(config, names)]
    return min(known, default=None)


def _named(config: Any, names: tuple[str, ...]) -> Iterator[int]:
    """What the config says: the part's own name for it if there is one, else the first general one."""
    texts = config.get_text_config() if hasattr(config, "get_text_config") else config
    if hasattr(texts, "relative_attention_num_buckets") and not hasattr(texts, "max_position_embeddings"):
        return  # T5: its n_positions is the length that it was trained on, and limits nothing
    for name in (*names, *_NAMES):
        for each in (config, texts):
            found = getattr(each, name, None)
            if isinstance(found, int) and not isinstance(found, bool) and found > 0:
                yield found
                return


def _tables(model: Any) -> Iterator[nn.Embedding]:
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and _TABLE.search(name):
            yield module


def _in_front(table: nn.Embedding) -> int:
    """Rows that no position of a text reaches."""
    offset: object = getattr(table, "offset", None)
    return offset if isinstance(offset, int) and offset > 0 else _padding(table)


def _padding(table: nn.Embedding) -> int:
    padding: int | None = table.padding_idx
    return 0 if padding is None or hasattr(table, "offset") else padding + 1
