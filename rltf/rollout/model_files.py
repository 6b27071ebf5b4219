"""A model without its weights, and its tokenizer, as plain data: what a sampler elsewhere builds them from.

Covers: models of classes that transformers has, PEFT adapters on them. Does not cover: weights
(`rltf.rollout.weight_buffer`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from transformers.initialization import no_init_weights

from harness.errors import InputError
from harness.models.hf.checkpoint_files import Source
from harness.models.hf.prompt_reader import load_config, load_tokenizer
from harness.models.positions import inner_model

_BASE, _ADAPTER = "base", "adapter"
_GENERATION = "generation.json"
_IMPLEMENTATIONS = ("attn_implementation", "experts_implementation")
"""Which of several ways a layer is computed, which decides last bits and which no file holds."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What `of` reads off a model, and `build` makes one of again."""

    kind: str
    """Name of its class in transformers."""
    dtype: str
    implementations: Mapping[str, str | None]
    files: Mapping[str, bytes]
    """Configs and tokenizer, by path."""

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> ModelFiles:
        """
        Raises:
            InputError: If transformers has no such class, so that only this process can build it.
        """
        inner = inner_model(model)
        kind = type(inner).__name__
        if getattr(transformers, kind, None) is not type(inner):
            raise InputError(
                f"sampler=ray builds the model from its config, and {kind} is no class of transformers; pass"
                " sampler=process"
            )
        with TemporaryDirectory() as name:
            base = Path(name, _BASE)
            inner.config.save_pretrained(base)
            tokenizer.save_pretrained(base)
            (base / _GENERATION).write_text(json.dumps(inner.generation_config.to_dict()), encoding="utf-8")
            if (adapter := _adapter(model)) is not None:
                adapter.save_pretrained(Path(name, _ADAPTER))
            found = {str(path.relative_to(name)): path.read_bytes() for path in _files(Path(name))}
        chosen = {each: getattr(inner.config, f"_{each}", None) for each in _IMPLEMENTATIONS}
        return cls(kind, str(inner.dtype).removeprefix("torch."), chosen, found)

    def build(self, device: str) -> tuple[Any, Any]:
        """Model, in eval mode and with weights that mean nothing, and tokenizer."""
        with TemporaryDirectory() as name:
            for path, content in self.files.items():
                Path(name, path).parent.mkdir(parents=True, exist_ok=True)
                Path(name, path).write_bytes(content)
            base = Path(name, _BASE)
            config = load_config(Source(str(base)), {})
            options = {each: value for each, value in self.implementations.items() if value is not None}
            with no_init_weights():
                made = getattr(transformers, self.kind)._from_config(
                    config, dtype=getattr(torch, self.dtype), **options
                )
            made.tie_weights()
            generation = json.loads((base / _GENERATION).read_text(encoding="utf-8"))
            made.generation_config = transformers.GenerationConfig.from_dict(generation)
            if Path(name, _ADAPTER).exists():
                made = _with_adapter(made, Path(name, _ADAPTER))
            return made.to(device).eval(), load_tokenizer(str(base))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _adapter(model: Any) -> Any:
    """The config of its adapter, if it has one."""
    configs = getattr(model, "peft_config", None)
    return configs[model.active_adapter] if configs else None


def _with_adapter(model: Any, folder: Path) -> Any:
    import peft  # noqa: PLC0415 - optional

    config = peft.PeftConfig.from_pretrained(str(folder))
    config.base_model_name_or_path = None  # where that lies on the learner's machine
    return peft.get_peft_model(model, config)
