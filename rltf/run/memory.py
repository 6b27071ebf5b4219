"""The memory of a training, planned before it is taken: what cannot fit is refused with its figure.

Counts what is sure: weights, gradients and optimiser of the policy, its copies (sampler, reference), and the
objective's own models. A plan that fits may still run out: activations and logits depend on the rows that
come and are not counted, and the sampler's cache only at its most, for the table in docs/methods.md
(`tools/memory_table.py`). Does not cover: weights, gradients or optimiser that DeepSpeed or FSDP share out
among processes, and the limit of a container.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InputError
from rltf.config import RLTFConfig
from rltf.objectives.base import REFERENCE, ROLLOUT_REFERENCE, Objective
from rltf.objectives.memory import BFLOAT16, FITTING, PolicySize

GIB = 2**30
_STATES = {"adamw_torch": 2, "adamw_torch_fused": 2, "adagrad": 1, "rmsprop": 1}
"""Numbers that an optimiser keeps for each weight, in the weight's type; those of others are not counted."""
_OF_A_STEP = ("gradients", "optimiser")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Held:
    """A part of what a training holds."""

    name: str
    size: int
    """Bytes."""
    on_host: bool = False
    """In the host's memory, wherever the policy is."""
    is_sure: bool = True
    """Taken in any case, and in full."""


def size_of(model: Any) -> PolicySize:
    """Of a causal or seq2seq model of transformers; it may be on the meta device."""
    parameters = list(model.parameters())  # weights that are tied stand there once
    return PolicySize(
        weights=sum(each.numel() for each in parameters),
        trained=sum(each.numel() for each in parameters if each.requires_grad),
        bytes_each=parameters[0].element_size(),
        width=int(model.get_output_embeddings().weight.shape[-1]),
        cached=_cached(model.config),
    )


def plan(policy: PolicySize, config: RLTFConfig, objective: Objective) -> list[Held]:
    """What one process of a training of `policy` holds; parts of size 0 are left out."""
    kept = policy.weights * policy.bytes_each
    trained = policy.trained * policy.bytes_each
    found = [
        Held("policy", kept),
        Held("gradients", trained),
        Held("optimiser", _STATES.get(str(getattr(config.optim, "value", config.optim)), 0) * trained),
        *_sampler(policy, config),
        *(Held(name, size) for name, size in objective.own_memory(policy).items()),
    ]
    if objective.needs & {REFERENCE, ROLLOUT_REFERENCE} and not config.lora_rank:
        each = min(BFLOAT16, policy.bytes_each) if config.freezes_narrow else policy.bytes_each
        found.append(Held("reference", policy.weights * each))
    return [each for each in found if each.size]


def _sampler(policy: PolicySize, config: RLTFConfig) -> list[Held]:
    """Its weights, if they are not the policy's, and its keys and values."""
    if not config.online:
        return []
    tokens = config.sample_batch_size * (config.max_prompt_tokens + config.max_new_tokens)
    cache = Held("sampler's cache", policy.cached * policy.bytes_each * tokens, is_sure=False)
    weights = policy.weights * policy.bytes_each
    if config.sampler == "ray":  # packed, and in Ray's object store
        return [Held("weights for the samplers", 2 * weights, on_host=True)]
    if config.sampler != "process":
        return [cache]
    on_host, elsewhere = Held("weights for the sampler", weights, on_host=True), config.sampler_device
    if (elsewhere or str(config.device)) == "cpu":  # it samples from the shared ones
        return [on_host, cache]
    if elsewhere not in (None, str(config.device)):
        return [on_host]
    return [on_host, Held("sampler", weights), cache]


def at_once(parts: Iterable[Held]) -> int:
    """Bytes that parts take together at their most: a critic is not trained while the policy makes a step."""
    own = [each for each in parts if each.is_sure]
    fitting = sum(each.size for each in own if each.name == FITTING)
    step = sum(each.size for each in own if each.name in _OF_A_STEP)
    return sum(each.size for each in own) - min(fitting, step)


def check_memory(model: Any, config: RLTFConfig, objective: Objective) -> None:
    """Hold that what is still to be taken is free, on the policy's device and on the host.

    Args:
        model: The policy, loaded, before anything else is made.
        config: Of the run.
        objective: Of its method; it has no models yet.

    Raises:
        InputError: If more is needed than there is.
    """
    parts = plan(size_of(model), config, objective)
    if config.deepspeed or config.fsdp:
        parts = [each for each in parts if each.name not in ("policy", *_OF_A_STEP)]
    if model.device.type == config.device.type:
        parts = [each for each in parts if each.name != "policy"]  # it has been taken
    on_cpu = config.device.type == "cpu"
    _refuse([each for each in parts if on_cpu or not each.on_host], config, free_on(config.device))
    if not on_cpu:
        _refuse([each for each in parts if each.on_host], config, _free_on_host())


def _refuse(parts: list[Held], config: RLTFConfig, free: int | None) -> None:
    needed = at_once(parts)
    if free is None or needed <= free:
        return
    each_of_them = ", ".join(f"{each.name} {gib(each.size)}" for each in parts if each.is_sure)
    raise InputError(
        f"method {config.method} needs {gib(needed)} GiB beside the loaded policy, activations not counted"
        f" ({each_of_them}), and {gib(free)} GiB are free; pass --set lora_rank=16 (no gradients and"
        " optimiser of all weights, no reference of its own), frozen_dtype=bfloat16, or a smaller model"
    )


def free_on(device: Any) -> int | None:
    """Bytes that are free on a device; `None` if that is not known."""
    if device.type == "cpu":
        return _free_on_host()
    if device.type != "cuda":
        return None
    import torch  # noqa: PLC0415 - slow to import

    return int(torch.cuda.mem_get_info(device)[0])


def _free_on_host() -> int | None:
    """What the kernel would give without swapping."""
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return next((int(kib) * 1024 for kib in found), None)


def gib(size: int) -> str:
    """In GiB, as it is shown."""
    if size < GIB / 100:
        return "<0.01"
    return f"{size / GIB:.2f}" if size < GIB else f"{size / GIB:.1f}"


def _cached(config: Any) -> int:
    """Keys and values of a token in all layers that write; 0 where the config does not say."""

    def first(*names: str) -> int:
        return int(next((value for name in names if (value := getattr(config, name, None))), 0))

    heads = first("num_attention_heads", "num_heads")
    layers = first("num_decoder_layers", "num_hidden_layers", "num_layers")
    wide = first("head_dim", "d_kv") or (first("hidden_size", "d_model") // heads if heads else 0)
    return 2 * layers * (first("num_key_value_heads") or heads) * wide
