"""Dr. GRPO (arXiv:2503.20783): GRPO without its two divisions, by the deviation and by the length.

Both are biases in its view: the deviation favours problems that are nearly always or never solved, a
sequence's length long wrong programs. Its loss has no divergence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rltf.objectives.advantages import Scale
from rltf.objectives.grpo import GRPO, GRPOOptions
from rltf.objectives.surrogate import Aggregation


@dataclass(frozen=True, slots=True)
class DrGRPOOptions(GRPOOptions):
    """Options of `--method dr_grpo`."""

    scale: Scale = "none"
    aggregation: Aggregation = "constant"


class DrGRPO(GRPO):
    """Rewards less the mean of their group; the sum over tokens, divided by a constant."""

    Options: ClassVar[type[Any]] = DrGRPOOptions
