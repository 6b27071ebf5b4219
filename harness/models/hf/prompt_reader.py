"""What reads prompts for a checkpoint: its tokenizer and its config, without its weights.

Covers: adapters with a tokenizer or a template of their own, tokenizers whose files the library stumbles
over, configs of models that do not write text. Does not cover: weights (`harness.models.hf.loading`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from transformers.utils.hub import cached_file

from harness.errors import InputError
from harness.models.chat_template import ChatChoice, choose_chat, special_ids
from harness.models.end_tokens import chat_end_ids
from harness.models.hf.adapters import adapter_file
from harness.models.hf.checkpoint_files import Source, has_tokenizer, source_of
from harness.models.hf.gguf_tokenizer import named_split, split_as
from harness.models.library_errors import asked


@dataclass(frozen=True, slots=True)
class Reader:
    """What reads prompts for a model, without its weights."""

    tokenizer: Any
    ends: frozenset[int]
    """Those that tell a chat model from a base model."""
    seq2seq: bool

    def chat_choice(self) -> ChatChoice:
        """As `LocalSampler.chat_choice`."""
        return choose_chat(self.tokenizer, self.ends)


def load_reader(
    name: str,
    *,
    revision: str | None = None,
    adapter: str | None = None,
    trust_remote_code: bool = False,
    gguf_file: str | None = None,
) -> Reader:
    """What reads prompts for the model `name`; arguments as for `load`.

    Raises:
        InputError: If it is not there, cannot be read, or does not write text.
    """
    source = source_of(name, adapter=adapter, gguf_file=gguf_file)
    options = library_options(source, revision, trust_remote_code)
    config = load_config(source, options)
    tokenizer = tokenizer_of(source, options)
    try:
        generation = transformers.GenerationConfig.from_pretrained(source.model, revision=revision or "main")
    except (OSError, ValueError):  # most have none, and a model made from such files does without, too
        generation = None
    seq2seq = bool(getattr(config, "is_encoder_decoder", False))
    return Reader(tokenizer, chat_end_ids(generation, config, tokenizer), seq2seq)


def library_options(source: Source, revision: str | None, trust_remote_code: bool) -> dict[str, Any]:
    """What the library is told each time that it reads something of a checkpoint."""
    found: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    # Absent where it is not wanted: not every class of the library knows the word.
    return found if source.gguf_file is None else {**found, "gguf_file": source.gguf_file}


def load_config(source: Source, options: dict[str, Any]) -> Any:
    """The config of a checkpoint that writes text.

    Raises:
        InputError: If it cannot be read, or is an encoder's.
    """
    config = asked(source.model, transformers.AutoConfig.from_pretrained, source.model, **options)
    _refuse_encoders(source.model, config)
    # CodeRL's checkpoints of CodeT5 say false, which T5's own classes then stumble over; before the model is
    # made, because its encoder and decoder have copies.
    config.return_dict = True
    return config


def tokenizer_of(source: Source, options: dict[str, Any]) -> Any:
    """The adapter's tokenizer if it has one, else the model's, with the adapter's template if it has that."""
    if source.adapter is not None:
        own = Path(source.adapter).is_dir() and has_tokenizer(source.adapter)
        if own or (not Path(source.adapter).is_dir() and adapter_file(source.adapter, "tokenizer.json")):
            return load_tokenizer(source.adapter, trust_remote_code=options["trust_remote_code"])
    tokenizer = load_tokenizer(source.model, **options)
    if source.gguf_file is not None:
        split = named_split(source.model, source.gguf_file, options["revision"])
        split_as(tokenizer, split, source.gguf_file)
    template = None if source.adapter is None else adapter_file(source.adapter, "chat_template.jinja")
    if template is not None:
        tokenizer.chat_template = template.read_text(encoding="utf-8")
    return tokenizer


def load_tokenizer(name: str, **options: Any) -> Any:
    """The tokenizer of `name`.

    CodeT5's `special_tokens_map.json` writes its additional tokens as tables without the mark that
    transformers 5 needs to read them, and it stops with a TypeError; they are read here then.

    Raises:
        InputError: If there is none, or it cannot be read.
    """
    read = transformers.AutoTokenizer.from_pretrained
    try:
        found = asked(name, read, name, **options)
    except InputError as error:
        tokens = _tables(name, options) if isinstance(error.__cause__, TypeError) else []
        if not tokens:
            raise
        found = asked(name, read, name, additional_special_tokens=tokens, **options)
    if not asked(name, found, "1").input_ids or len(found) <= len(special_ids(found)):
        # The library makes an empty one where the files are missing.
        raise InputError(f"{name} has no tokenizer, or one without any words; add its files, or name another")
    return found


def _tables(name: str, options: dict[str, Any]) -> list[Any]:
    """The additional tokens of a special_tokens_map.json that writes them as tables; none of any other."""
    try:
        file = cached_file(name, "special_tokens_map.json", revision=options.get("revision"))
        table = json.loads(Path(str(file)).read_text(encoding="utf-8"))
        listed = table.get("additional_special_tokens", [])
        return [_token(each) for each in listed] if any(isinstance(each, dict) for each in listed) else []
    except (OSError, ValueError, TypeError, AttributeError):
        return []


def _token(each: Any) -> Any:
    if not isinstance(each, dict):
        return each
    flags = ("content", "single_word", "lstrip", "rstrip", "normalized")
    return transformers.AddedToken(**{flag: each[flag] for flag in flags if flag in each}, special=True)


def _refuse_encoders(name: str, config: Any) -> None:
    masked = transformers.models.auto.modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    decoder = getattr(config, "is_encoder_decoder", False) or getattr(config, "is_decoder", False)
    if not decoder and config.model_type in masked:
        raise InputError(
            f"{name} is an encoder ({config.model_type}), which fills gaps and writes no programs; name a"
            " causal or an encoder-decoder checkpoint"
        )
