"""DAPO (arXiv:2503.14476): GRPO with a wider clip above, a mean over tokens, and degenerate groups replaced.

Its paper draws prompts until no group is degenerate; here at most `resample` times as many again in a
refresh, which is ours: a policy that solves nothing would sample without end. Its filter of programs that are
too long is `mask_truncated`. Does not cover: its Soft Overlong Punishment, which is a reward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rltf.bounds import option
from rltf.objectives.grpo import GRPO, GRPOOptions
from rltf.objectives.surrogate import Aggregation


@dataclass(frozen=True, slots=True)
class DAPOOptions(GRPOOptions):
    """Options of `--method dapo`."""

    clip_high: float = option(0.28, at_least=0)
    """The paper's "clip-higher"."""
    aggregation: Aggregation = "token_mean"
    resample: int = option(3, at_least=0, at_most=100)


class DAPO(GRPO):
    """GRPO clipped at 0.8 and 1.28, averaged over tokens; prompts of degenerate groups are replaced."""

    Options: ClassVar[type[Any]] = DAPOOptions
