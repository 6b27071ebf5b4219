"""A critic on disk: a checkpoint of transformers, `critic.json` and `critic_head.safetensors` beside it.

Covers: writing one whole, reading it, and refusing one that reads other tokens than the policy.
Does not cover: checkpoints of a training run, which hold the objective's models
(`rltf.objectives.second_models`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_model, save_model

from harness.errors import InputError
from harness.files import write_json
from harness.models.hf.loading import load
from rltf.critic.model import Critic, Reading

CONFIG = "critic.json"
HEAD = "critic_head.safetensors"
FORMAT = 1
"""Raised when `critic.json` changes its meaning."""


def save_critic(critic: Critic, tokenizer: Any, folder: Path, record: Mapping[str, Any]) -> None:
    """Write a critic into `folder`, which exists; `critic.json`, the last, says that it is whole.

    Args:
        critic: Trained.
        tokenizer: Of its model.
        folder: Of its own.
        record: What it was trained on and how well it does; plain JSON values.
    """
    critic.backbone.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_model(critic.head, str(folder / HEAD))
    write_json(folder / CONFIG, {"format": FORMAT, "reading": asdict(critic.reading), **record})


def is_critic(name: str) -> bool:
    """Whether it is a folder that `save_critic` wrote, and not a model to make a critic of."""
    return Path(name, CONFIG).exists()


def load_critic(name: str, tokenizer: Any, *, pad_id: int, device: Any) -> Critic | None:
    """The critic in the folder `name`; `None` if that is no critic but a model to make one of.

    Raises:
        InputError: If it cannot be read, or its tokens are not the policy's.
    """
    path = Path(name, CONFIG)
    if not is_critic(name):
        return None
    try:
        record = json.loads(path.read_bytes())
        reading = Reading(**record["reading"])
        if record["format"] != FORMAT:
            raise InputError(f"{path} has format {record['format']}, this version reads {FORMAT}")
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a critic of ours; train one with rltf critic") from None
    critic = Critic(_checked(name, tokenizer, device), reading, pad_id=pad_id).to(device)
    try:
        load_model(critic.head, str(Path(name, HEAD)))
    except (OSError, RuntimeError) as error:
        raise InputError(f"{Path(name, HEAD)} cannot be read ({error}); train the critic again") from None
    return critic


def load_start(name: str, tokenizer: Any, policy: Any) -> Any:
    """A model to make a critic of, of the policy's family.

    Raises:
        InputError: If it is of the other family, or its tokens are not the policy's.
    """
    found = _checked(name, tokenizer, policy.device)
    if found.config.is_encoder_decoder != policy.config.is_encoder_decoder:
        raise InputError(f"critic_model={name} is not of the policy's family; choose one that is")
    return found


def _checked(name: str, tokenizer: Any, device: Any) -> Any:
    """The model `name`, which must read tokens as the policy writes them."""
    found = load(name, dtype="float32", device=str(device))
    if found.tokenizer.get_vocab() != tokenizer.get_vocab():
        raise InputError(
            f"critic_model={name} has another tokenizer than the policy, so its values are of other tokens;"
            " train a critic from the policy's own checkpoint (rltf critic --model …)"
        )
    return found.model
