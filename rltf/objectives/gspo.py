"""GSPO (arXiv:2507.18071): GRPO with the ratio of whole sequences, the geometric mean of their tokens'.

Ratios of sequences are closer to 1 than those of tokens, and so is the clip: 3e-4 below and 4e-4 above in the
paper's experiments. A reward term with spans has an advantage for single tokens here too; the ratio that it
is multiplied by stays the sequence's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rltf.bounds import option
from rltf.objectives.grpo import GRPO, GRPOOptions
from rltf.objectives.surrogate import RatioLevel


@dataclass(frozen=True, slots=True)
class GSPOOptions(GRPOOptions):
    """Options of `--method gspo`."""

    clip_low: float = option(3e-4, at_least=0, at_most=1)
    clip_high: float = option(4e-4, at_least=0)
    ratio: RatioLevel = "sequence_mean"


class GSPO(GRPO):
    """GRPO with one clipped ratio for each sequence."""

    Options: ClassVar[type[Any]] = GSPOOptions
