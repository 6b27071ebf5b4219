"""A checkpoint's model and tokenizer, from the hub or a folder; what cannot write text is refused.

Covers: causal and encoder-decoder checkpoints, told apart by their config; PEFT adapters; tokenizers whose
files the library stumbles over. Does not cover: quantised loading and several devices for one model, which
are for a server to do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import file_digest, sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils.hub import cached_file

from harness.errors import InputError

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""`auto`: float32 on a CPU, the checkpoint's own elsewhere."""
_WEIGHTS = (".safetensors", ".bin", ".pt", ".json", ".model", ".txt", ".jinja", ".py")


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
) -> Loaded:
    """The model `name` (a hub id or a folder) on `device` (`auto`: a GPU if there is one), in eval mode.

    Raises:
        InputError: If it is not there, cannot be read, or does not write text.
    """
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}; available: {', '.join(DTYPES)}")
    where = torch.device(_found_device() if device == "auto" else device)
    if dtype == "auto" and where.type == "cpu":
        dtype = "float32"
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    config = _asked(name, transformers.AutoConfig.from_pretrained, name, **options)
    _refuse_encoders(name, config)
    # CodeRL's checkpoints of CodeT5 say false, which T5's own classes then stumble over; before the model is
    # made, because its encoder and decoder have copies.
    config.return_dict = True
    tokenizer = load_tokenizer(name, **options)
    model = _model(name, config, dtype, options)
    description = _description(name, revision, config)
    if adapter is not None:
        model = _with_adapter(model, adapter)
        description["adapter"] = _description(adapter, None, None)
    model = _asked(name, model.to, where).eval()
    return Loaded(model, tokenizer, description)


def load_tokenizer(name: str, **options: Any) -> Any:
    """The tokenizer of `name`.

    CodeT5's `special_tokens_map.json` writes its additional tokens as tables without the mark that
    transformers 5 needs to read them, and it stops with a TypeError; they are read here then.
    """
    try:
        return _asked(name, transformers.AutoTokenizer.from_pretrained, name, **options)
    except TypeError:
        file = cached_file(name, "special_tokens_map.json", revision=options.get("revision"))
        table = json.loads(Path(str(file)).read_text(encoding="utf-8"))
        tokens = [_token(each) for each in table.get("additional_special_tokens", [])]
        return _asked(
            name,
            transformers.AutoTokenizer.from_pretrained,
            name,
            additional_special_tokens=tokens,
            **options,
        )


def _token(each: Any) -> Any:
    if not isinstance(each, dict):
        return each
    flags = ("content", "single_word", "lstrip", "rstrip", "normalized")
    return transformers.AddedToken(**{flag: each[flag] for flag in flags if flag in each}, special=True)


def _found_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _asked(name: str, call: Any, *args: Any, **options: Any) -> Any:
    """What the library gives, its complaints about files and the hub in one line."""
    try:
        return call(*args, **options)
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"{name} does not fit on the device ({_line(error)}); try --dtype bfloat16"
        ) from None
    except ImportError as error:
        raise InputError(f"{name} needs a package that is not installed: {_line(error)}") from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if "trust_remote_code" in str(error):
            raise InputError(
                f"{name} brings code of its own; read it, then run again with --trust-remote-code"
            ) from None
        if Path(name).exists():
            raise InputError(f"{name}: not a checkpoint that can be loaded: {_line(error)}") from None
        raise InputError(
            f"{name}: no such folder, and the hub did not give it: {_line(error)}; check the name and the"
            " network, and HF_TOKEN if the model is gated"
        ) from None


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


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
    model, info = _asked(
        name, family.from_pretrained, name, config=config, dtype=dtype, output_loading_info=True, **options
    )
    missing = sorted(info["missing_keys"])
    if missing:
        raise InputError(
            f"{name}: {len(missing)} weights of {type(model).__name__} are not in the checkpoint"
            f" ({', '.join(missing[:3])}): it has no head that predicts words, or is damaged"
        )
    return model


def _with_adapter(model: Any, adapter: str) -> Any:
    try:
        peft = import_module("peft")
    except ImportError:
        raise InputError("--adapter needs the package peft; pip install peft") from None
    adapted = _asked(adapter, peft.PeftModel.from_pretrained, model, adapter)
    # One matrix instead of three at each layer; prompt-like adapters cannot be merged.
    return adapted.merge_and_unload() if hasattr(adapted.base_model, "merge_and_unload") else adapted


def _description(name: str, revision: str | None, config: Any) -> dict[str, Any]:
    """By content for a folder, by commit for the hub."""
    folder = Path(name)
    if folder.is_dir():
        return {"name": name, "revision": None, "sha256": _digest(folder)}
    return {"name": name, "revision": revision, "commit": getattr(config, "_commit_hash", None)}


def _digest(folder: Path) -> str:
    """Over the names and contents of a checkpoint's files, those of an optimiser left out."""
    total = sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in _WEIGHTS and not file.name.startswith(("optimizer", "scheduler", "trainer")):
            with file.open("rb") as opened:
                total.update(file.name.encode() + file_digest(opened, "sha256").digest())
    return total.hexdigest()
