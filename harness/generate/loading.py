"""A checkpoint's model and tokenizer, from the hub or a folder; what cannot write text is refused.

Covers: causal and encoder-decoder checkpoints, told apart by their config; GGUF files as transformers reads
them; PEFT adapters, with tokenizers and templates of their own; tokenizers whose files the library stumbles
over. Does not cover: quantised loading and several devices for one model, which are for a server to do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils.hub import cached_file

from harness.errors import InputError
from harness.generate.adapters import adapter_file, with_adapter
from harness.generate.checkpoint_files import Source, digest, has_tokenizer, source_of
from harness.generate.library import asked

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""`auto`: float32 on a CPU, the checkpoint's own elsewhere."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready to be asked."""

    model: Any
    tokenizer: Any
    description: dict[str, Any]
    """Which one it is; plain JSON values."""


def load(
    name: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    adapter: str | None = None,
    trust_remote_code: bool = False,
    gguf_file: str | None = None,
) -> Loaded:
    """The model `name` on `device` (`auto`: a GPU if there is one), in eval mode.

    Args:
        name: a hub id, a folder, a GGUF file, or the folder of an adapter that names its base.
        revision: of a hub id.
        dtype: one of `DTYPES`.
        device: as torch names it.
        adapter: a PEFT adapter over the model, hub id or folder.
        trust_remote_code: run code that the model brings along.
        gguf_file: the file in the folder or repository that holds the model.

    Raises:
        InputError: If it is not there, cannot be read, or does not write text.
    """
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}; available: {', '.join(DTYPES)}")
    where = _device(device)
    if dtype == "auto" and where.type == "cpu":
        dtype = "float32"
    source = source_of(name, adapter=adapter, gguf_file=gguf_file)
    options = _options(source, revision, trust_remote_code)
    config = load_config(source, options)
    tokenizer = tokenizer_of(source, options)

    def base() -> Any:
        return _model(source.model, config, dtype, options)

    model = base() if source.adapter is None else with_adapter(base, source.adapter)
    model = asked(name, model.to, where).eval()
    return Loaded(model, tokenizer, _described(name, source, revision, config))


def _options(source: Source, revision: str | None, trust_remote_code: bool) -> dict[str, Any]:
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
    try:
        return asked(name, transformers.AutoTokenizer.from_pretrained, name, **options)
    except InputError as error:
        tokens = _tables(name, options) if isinstance(error.__cause__, TypeError) else []
        if not tokens:
            raise
    return asked(
        name,
        transformers.AutoTokenizer.from_pretrained,
        name,
        additional_special_tokens=tokens,
        **options,
    )


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


def _device(name: str) -> torch.device:
    try:
        return torch.device(_found_device() if name == "auto" else name)
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; name one as torch does: cpu, cuda, cuda:1") from error


def _found_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _refuse_encoders(name: str, config: Any) -> None:
    masked = transformers.models.auto.modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    decoder = getattr(config, "is_encoder_decoder", False) or getattr(config, "is_decoder", False)
    if not decoder and config.model_type in masked:
        raise InputError(
            f"{name} is an encoder ({config.model_type}), which fills gaps and writes no programs; name a"
            " causal or an encoder-decoder checkpoint"
        )


def _model(name: str, config: Any, dtype: str, options: dict[str, Any]) -> Any:
    seq2seq = getattr(config, "is_encoder_decoder", False)
    family = transformers.AutoModelForSeq2SeqLM if seq2seq else transformers.AutoModelForCausalLM
    model, info = asked(
        name, family.from_pretrained, name, config=config, dtype=dtype, output_loading_info=True, **options
    )
    missing = sorted(info["missing_keys"])
    if missing:
        instead = sorted(info.get("unexpected_keys") or [])
        raise InputError(
            f"{name}: {len(missing)} weights of {type(model).__name__} are not in the checkpoint"
            f" ({', '.join(missing[:3])}): it has no head that predicts words, or is damaged"
            + (f"; it has {', '.join(instead[:3])} instead" if instead else "")
        )
    return model


def _described(name: str, source: Source, revision: str | None, config: Any) -> dict[str, Any]:
    if source.adapter == name:  # an adapter's folder as MODEL: its base is what it names
        base = _description(source.model, None, config, source.gguf_file)
    else:
        base = _description(source.model, revision, config, source.gguf_file)
    if source.gguf_file is not None:
        base["gguf_file"] = source.gguf_file
    if source.adapter is not None:
        base["adapter"] = _description(source.adapter, None, None)
    return base


def _description(
    name: str, revision: str | None, config: Any, gguf_file: str | None = None
) -> dict[str, Any]:
    """By content for a folder, by commit for the hub."""
    folder = Path(name)
    if folder.is_dir():
        return {"name": name, "revision": None, "sha256": digest(folder, gguf_file)}
    return {"name": name, "revision": revision, "commit": getattr(config, "_commit_hash", None)}
