"""A checkpoint's model and tokenizer, from the hub or a folder; what cannot write text is refused.

Covers: causal and encoder-decoder checkpoints, told apart by their config; GGUF files as transformers reads
them; PEFT adapters (`harness.models.hf.adapters`); weights that do not fit the config. Does not cover:
quantised loading and several devices for one model, which are for a server to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch
import transformers
from huggingface_hub import try_to_load_from_cache
from transformers.utils.hub import extract_commit_hash

from harness.errors import InputError
from harness.models.hf.adapters import adapter_config, import_peft, with_adapter
from harness.models.hf.checkpoint_files import ADAPTER_CONFIG, Source, check_weights, digest, source_of
from harness.models.hf.gguf_tokenizer import named_split
from harness.models.hf.prompt_reader import library_options, load_config, load_tokenizer, tokenizer_of
from harness.models.library_errors import asked

__all__ = ["DTYPES", "Loaded", "load", "load_tokenizer"]

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""`auto`: float32 on a CPU, the checkpoint's own elsewhere."""


class CheckpointOptions(TypedDict, total=False):
    """Which checkpoint, and how it is held; the defaults are those of `_asking`."""

    revision: str | None
    """Of a hub id."""
    dtype: str
    """One of `DTYPES`."""
    device: str
    """As torch names it, or `auto`."""
    adapter: str | None
    """A PEFT adapter over the model, hub id or folder."""
    trust_remote_code: bool
    """Run code that the model brings along."""
    gguf_file: str | None
    """The file in the folder or repository that holds the model."""


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
    description: dict[str, Any] | None = None,
    **options: Unpack[CheckpointOptions],
) -> Loaded:
    """The model `name` on `device` (`auto`: a GPU if there is one), in eval mode.

    Args:
        name: a hub id, a folder, a GGUF file, or the folder of an adapter that names its base.
        options: see `CheckpointOptions`.
        description: that of its `outline`, where there is one: finding it out reads all files.

    Raises:
        InputError: If it is not there, cannot be read, or does not write text.
    """
    asking = _asking(name, **options)
    tokenizer = tokenizer_of(asking.source, asking.options)

    def base() -> Any:
        return _model(asking)

    adapter = asking.source.adapter
    model = base() if adapter is None else with_adapter(base, adapter)
    model = asked(name, model.to, asking.device).eval()
    return Loaded(model, tokenizer, description or _described(name, asking, options.get("revision")))


def check(name: str, **options: Unpack[CheckpointOptions]) -> None:
    """Refuse what `load` would refuse, as far as that is known without reading weights: in a second.

    Arguments as for `load`.

    Raises:
        InputError: As `load`.
    """
    asking = _asking(name, **options)
    tokenizer_of(asking.source, asking.options)
    if asking.source.gguf_file is None and Path(asking.source.model).is_dir():
        check_weights(Path(asking.source.model))
    if asking.source.adapter is not None:
        import_peft(f"adapter {asking.source.adapter}")
        adapter_config(asking.source.adapter)


@dataclass(frozen=True, slots=True)
class Outline:
    """What a model will be once it is loaded."""

    kind: type
    dtype: torch.dtype
    device: torch.device
    description: dict[str, Any]
    """As of `Loaded`."""


def outline(name: str, **options: Unpack[CheckpointOptions]) -> Outline | None:
    """What `load` would load, from the config alone; `None` where that does not tell.

    It does not with an adapter, whose weights decide what becomes of the model's class, nor where a
    checkpoint's own dtype is asked for and its config names none. Arguments as for `load`.

    Raises:
        InputError: As `load`, as far as weights have no part in it.
    """
    asking = _asking(name, **options)
    dtype = asking.config.dtype if asking.dtype == "auto" else getattr(torch, asking.dtype)
    if asking.source.adapter is not None or dtype is None:
        return None
    with torch.device("meta"):  # the layers, without a number in them
        model = asked(
            name,
            asking.family.from_config,
            asking.config,
            trust_remote_code=asking.options["trust_remote_code"],
        )
    return Outline(type(model), dtype, asking.device, _described(name, asking, options.get("revision")))


@dataclass(frozen=True, slots=True)
class _Asking:
    """What is asked of the library."""

    source: Source
    config: Any
    dtype: str
    device: torch.device
    options: dict[str, Any]

    @property
    def family(self) -> Any:
        """Of the library's classes."""
        seq2seq = getattr(self.config, "is_encoder_decoder", False)
        return transformers.AutoModelForSeq2SeqLM if seq2seq else transformers.AutoModelForCausalLM


def _asking(
    name: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    adapter: str | None = None,
    trust_remote_code: bool = False,
    gguf_file: str | None = None,
) -> _Asking:
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}; available: {', '.join(DTYPES)}")
    where = _device(device)
    if dtype == "auto" and where.type == "cpu":
        dtype = "float32"
    source = source_of(name, adapter=adapter, gguf_file=gguf_file)
    options = library_options(source, revision, trust_remote_code)
    return _Asking(source, load_config(source, options), dtype, where, options)


def _device(name: str) -> torch.device:
    try:
        return torch.device(_found_device() if name == "auto" else name)
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; name one as torch does: cpu, cuda, cuda:1") from error


def _found_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _model(asking: _Asking) -> Any:
    name = asking.source.model
    model, info = asked(
        name,
        asking.family.from_pretrained,
        name,
        config=asking.config,
        dtype=asking.dtype,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # refused below, in words that say which
        **asking.options,
        **_unpacking(asking.source),
    )
    _refuse_incomplete(name, type(model).__name__, info)
    if asking.source.gguf_file is not None and Path(name).is_dir():
        # An adapter trained on it names its base so; the folder may hold other GGUF files, too. Absolute,
        # since PEFT asks the hub about a relative path without a config.json.
        model.name_or_path = str(Path(name, asking.source.gguf_file).absolute())
    return model


def _unpacking(source: Source) -> dict[str, Any]:
    """What has the library unpack a GGUF file's weights into a model like any other.

    Otherwise the model counts as quantised, packed or not: it is neither trained, nor saved, nor cast.
    """
    if source.gguf_file is None:
        return {}
    return {"quantization_config": transformers.GgufConfig(dequantize=True)}


def _refuse_incomplete(name: str, kind: str, info: dict[str, Any]) -> None:
    """Refuse a model that has weights by chance, where the checkpoint has none or others."""
    other = sorted(info.get("mismatched_keys") or [], key=str)
    if other:
        key, found, wanted = other[0]
        raise InputError(
            f"{name}: config and weights do not belong together: {key} is {_shape(found)}, and the config"
            f" asks for {_shape(wanted)} ({len(other)} such)"
        )
    missing = sorted(info["missing_keys"])
    if missing:
        instead = sorted(info.get("unexpected_keys") or [])
        raise InputError(
            f"{name}: {len(missing)} weights of {kind} are not in the checkpoint ({', '.join(missing[:3])}):"
            " it has no head that predicts words, or is damaged"
            + (f"; it has {', '.join(instead[:3])} instead" if instead else "")
        )


def _shape(sizes: Any) -> str:
    return " x ".join(map(str, sizes))


def _described(name: str, asking: _Asking, revision: str | None) -> dict[str, Any]:
    source = asking.source
    if source.adapter == name:  # an adapter's folder as MODEL: its base is what it names
        base = _description(source.model, None, source.gguf_file)
    else:
        base = _description(source.model, revision, source.gguf_file)
    if source.gguf_file is not None:
        base["gguf_file"] = source.gguf_file
        base["split"] = named_split(source.model, source.gguf_file, revision)  # decides tokens of prompts
    if source.adapter is not None:
        base["adapter"] = _description(source.adapter, None, config=ADAPTER_CONFIG)
    return base


def _description(
    name: str, revision: str | None, gguf_file: str | None = None, *, config: str = "config.json"
) -> dict[str, Any]:
    """By content for a folder, by commit for the hub."""
    folder = Path(name)
    if folder.is_dir():
        return {"name": name, "revision": None, "sha256": digest(folder, gguf_file)}
    # transformers tells by no attribute any more which commit it has read; where the file lies does.
    file = try_to_load_from_cache(name, gguf_file or config, revision=revision)
    commit = extract_commit_hash(file, None) if isinstance(file, str) else None
    return {"name": name, "revision": revision, "commit": commit}
