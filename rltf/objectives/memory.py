"""What models take, in numbers: sizes of a policy, and bytes of what is trained or kept beside it.

Covers: the arithmetic that objectives state their own models in. Does not cover: what a run holds in all
(`rltf.run.memory`), or activations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BFLOAT16 = 2
FLOAT32 = 4
"""Bytes of a number."""
ADAM_STATES = 2
"""Numbers that Adam keeps for each weight."""

OwnModels = Mapping[str, int]
"""Bytes by name."""
FITTING = "critic's training"
"""Name of what a model takes that is trained between steps, beside its weights, and gives back."""


@dataclass(frozen=True, slots=True)
class PolicySize:
    """What of a policy its memory depends on."""

    weights: int
    """All of them, adapters included."""
    trained: int
    """Those with a gradient."""
    bytes_each: int
    """Of a weight."""
    width: int
    """Of the last states."""
    cached: int
    """Numbers that a sampler keeps for each token that was read or written (keys and values)."""


def training_bytes(weights: int) -> int:
    """Of a float32 model that Adam trains: gradients and the optimiser's two states."""
    return weights * FLOAT32 * (1 + ADAM_STATES)


def trained_bytes(weights: int) -> int:
    """The same with the weights."""
    return weights * FLOAT32 + training_bytes(weights)


def linear(inputs: int, outputs: int) -> int:
    """Weights of a layer with a bias."""
    return (inputs + 1) * outputs
