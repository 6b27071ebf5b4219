"""Training of code models on the harness: objectives, rewards, the trainer, and the `rltf` command.

    from rltf import RLTFConfig, make_trainer

The public API is what this module exports. A name is imported at its first use, so importing this is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rltf.build import make_trainer
    from rltf.config import RLTFConfig
    from rltf.objectives import OBJECTIVES
    from rltf.objectives.base import Objective
    from rltf.rewards.terms import TERMS, GradedProgram
    from rltf.trainer import RLTFTrainer

__all__ = [
    "OBJECTIVES",
    "TERMS",
    "GradedProgram",
    "Objective",
    "RLTFConfig",
    "RLTFTrainer",
    "make_trainer",
]

_HOMES = {
    "GradedProgram": "rltf.rewards.terms",
    "OBJECTIVES": "rltf.objectives",
    "Objective": "rltf.objectives.base",
    "RLTFConfig": "rltf.config",
    "RLTFTrainer": "rltf.trainer",
    "TERMS": "rltf.rewards.terms",
    "make_trainer": "rltf.build",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    from importlib import import_module  # noqa: PLC0415 - all of this is about importing late

    if name not in _HOMES:
        raise AttributeError(f"module 'rltf' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
