"""PEFT adapters over a model: of every kind, with tokens that were added to train them.

Covers: making room for added tokens before the adapter's weights are read, merging what can be merged.
Does not cover: the virtual tokens of prompt-like adapters (`harness.models.hf.virtual_tokens`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from transformers.utils.hub import cached_file

from harness.errors import InputError
from harness.models.hf.checkpoint_files import ADAPTER_CONFIG, read_json
from harness.models.library_errors import asked
from harness.models.positions import embedding_rows

_TABLE = r"(^|\.)(embed_tokens|wte|lm_head|word_embeddings|shared|embed_in|embed_out|tok_embeddings)\."
_TOKENS_FIRST = re.compile(
    _TABLE
    + r"((modules_to_save|token_adapter|base_layer|original_module|default)\.)*(weight|lora_B\.weight)$"
)
"""Weights with a row for each token, by the names that PEFT gives them: tables saved whole, and LoRA's part
of a head."""
_TOKENS_LAST = re.compile(_TABLE + r"lora_embedding_A$")
"""Those with a column for each token."""
_APART = ("alora_invocation_tokens",)
"""Settings under which an adapter depends on the text, so that it is no change of weights."""


def with_adapter(make_base: Callable[[], Any], adapter: str) -> Any:
    """The model that `make_base` makes, with `adapter` (a hub id or a folder) over it.

    Raises:
        InputError: If the package peft is missing, or the adapter does not fit the model.
    """
    peft, config = import_peft(f"adapter {adapter}"), adapter_config(adapter)

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


def import_peft(what: str) -> Any:
    """The package.

    Args:
        what: Needs it.

    Raises:
        InputError: If it is not installed.
    """
    try:
        return import_module("peft")
    except ImportError:
        raise InputError(f"{what} needs the package peft; pip install peft") from None


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


def adapter_config(adapter: str) -> dict[str, Any]:
    """What an adapter says of itself.

    Raises:
        InputError: If it is none.
    """
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
    for name, shape in _shapes(adapter):
        if _TOKENS_LAST.search(name):
            yield shape[-1]
        elif _TOKENS_FIRST.search(name):
            yield shape[0]


def _shapes(adapter: str) -> Iterator[tuple[str, list[int]]]:
    """Names and shapes of an adapter's weights."""
    file = adapter_file(adapter, "adapter_model.safetensors")
    if file is not None:
        from safetensors import safe_open  # noqa: PLC0415 - comes with transformers

        with asked(str(file), safe_open, str(file), framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - no mapping
                yield name, list(weights.get_slice(name).get_shape())
        return
    file = adapter_file(adapter, "adapter_model.bin")
    if file is not None:
        # weights_only: nothing in the file is run.
        table = asked(str(file), torch.load, file, map_location="cpu", weights_only=True)
        yield from ((name, list(each.shape)) for name, each in table.items() if each.ndim)


def _indices(found: Any) -> Iterator[int]:
    for each in found.values() if isinstance(found, dict) else [found]:
        if isinstance(each, list) and each and all(isinstance(index, int) for index in each):
            yield max(each) + 1
