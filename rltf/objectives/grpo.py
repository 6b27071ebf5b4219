"""GRPO (arXiv:2402.03300): advantages by the mean and the deviation of a group, a clipped ratio of tokens.

Defaults are the paper's, but β, which is 0.04 there and 0 in TRL 1.16 and here: a reference is a second
model. TRL's own default is the loss of `dapo`. What the family has in common, its rules among it, stands in
`rltf.objectives.group_relative`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rltf.objectives.advantages import Scale, group_advantages
from rltf.objectives.group_relative import GroupRelative, GroupRelativeOptions


@dataclass(frozen=True, slots=True)
class GRPOOptions(GroupRelativeOptions):
    """Options of `--method grpo`."""

    scale: Scale = "group"
    """Divide advantages by the deviation of the group's rewards (GRPO), of all rewards of a refresh in this
    process (`batch`), or not (Dr. GRPO)."""


class GRPO(GroupRelative):
    """Rewards less the mean of their group, over its standard deviation; a clipped ratio of each token."""

    Options: ClassVar[type[Any]] = GRPOOptions

    def advantages(self, rewards: Sequence[Sequence[float]]) -> list[list[float]]:
        """As `scale` says."""
        return group_advantages(rewards, scale=self.options.scale)
