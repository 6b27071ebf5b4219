"""PEFT adapters over a model: of every kind, with tokens that were added to train them.

Covers: making room for added tokens before the adapter's weights are read, merging what can be merged.
Does not cover: the virtual tokens of prompt-like adapters (`harness.generate.virtual`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from transformers.utils.hub import cached_file

from harness.errors import InputError
from harness.generate.checkpoint_files import ADAPTER_CONFIG, read_json
from harness.generate.library import asked
from harness.generate.positions import embedding_rows

_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_APART = ("alora_invocation_tokens",)
"""Settings under which an adapter depends on the text, so that it is no change of weights."""


def with_adapter(make_base: Callable[[], Any], adapter: str) -> Any:
    """The model that `make_base` makes, with `adapter` (a hub id or a folder) over it.

    Raises:
        InputError: If the package peft is missing, or the adapter does not fit the model.
    """
    try:
        peft = import_module("peft")
    except ImportError:
        raise InputError("--adapter needs the package peft; pip install peft") from None
    config = _config(adapter)

    def adapted() -> Any:
        model = make_base()
        _make_room(model, adapter, config)
        return asked(adapter, peft.PeftModel.from_pretrained, model, adapter)

    found = adapted()
    merge = getattr(found.base_model, "merge_and_unload", None)
    if merge is None or any(config.get(name) for name in _APART):
        return found  # prompt-like adapters have nothing to merge
    try:
        # One matrix instead of three at each layer.
        return merge()
    except Exception:  # some kinds cannot be merged, each says so in a way of its own, and half-way through
        return adapted()


def adapter_file(adapter: str, name: str) -> Path | None:
    """A file of an adapter's folder or repository; None if it has none of that name."""
    folder = Path(adapter)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    try:
        found = cached_file(adapter, name, _raise_exceptions_for_missing_entries=False)
    except OSError:
        return None
    return None if found is None else Path(str(found))


def _config(adapter: str) -> dict[str, Any]:
    file = adapter_file(adapter, ADAPTER_CONFIG)
    if file is None:
        raise InputError(f"{adapter} is no PEFT adapter: it has no {ADAPTER_CONFIG}")
    return read_json(file)


def _make_room(model: Any, adapter: str, config: dict[str, Any]) -> None:
    """As many rows of embeddings as the adapter's weights were trained with."""
    known = embedding_rows(model)
    wanted = max(_rows(adapter, config), default=0)
    if known is not None and wanted > known:
        # What the new rows hold is replaced by the adapter's own.
        asked(adapter, model.resize_token_embeddings, wanted, mean_resizing=False)


def _rows(adapter: str, config: dict[str, Any]) -> Iterator[int]:
    yield from _indices(config.get("trainable_token_indices"))
    yield from _indices(config.get("token_indices"))
    file = adapter_file(adapter, _WEIGHTS[0])
    if file is None:
        return
    from safetensors import safe_open  # noqa: PLC0415 - comes with transformers

    with asked(str(file), safe_open, str(file), framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118 - no mapping
            if _is_embedding(name):
                yield int(weights.get_slice(name).get_shape()[0])


def _indices(found: Any) -> Iterator[int]:
    for each in found.values() if isinstance(found, dict) else [found]:
        if isinstance(each, list) and each and all(isinstance(index, int) for index in each):
            yield max(each) + 1


_EMBEDDINGS = (
    "embed_tokens.weight", "wte.weight", "lm_head.weight", "word_embeddings.weight", "shared.weight",
    "embed_in.weight", "embed_out.weight",
)  # fmt: skip


def _is_embedding(name: str) -> bool:
    """Whether it is a whole table of tokens, by the names that PEFT gives such in an adapter's file."""
    return name.endswith(_EMBEDDINGS) and "lora_" not in name
