"""RLOO (arXiv:2402.14740): each program compared with the mean of the others, one ratio for the sequence.

The divergence from the start is in the reward, as in the paper and in TRL: β times the sum over the tokens of
log(policy / reference), both as they were when the program was written. It is therefore computed when a group
is new (`Objective.reference_log_probs`), not in each step. `kl_in=loss` puts it into the loss, as the other
methods have it. Defaults are TRL 1.16's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.errors import InputError
from rltf.bounds import option
from rltf.objectives.advantages import leave_one_out, standardised
from rltf.objectives.base import ROLLOUT_REFERENCE, TrainingOptions
from rltf.objectives.group_relative import GroupRelative, GroupRelativeOptions
from rltf.objectives.surrogate import Estimator, RatioLevel, divergence
from rltf.rollout.records import Group, Rollout

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class RLOOOptions(GroupRelativeOptions):
    """Options of `--method rloo`."""

    ratio: RatioLevel = "sequence_sum"
    beta: float = option(0.05, at_least=0)
    kl_estimator: Estimator = "k1"
    kl_in: Literal["reward", "loss"] = "reward"
    """Where the divergence is: subtracted from a program's reward, or added to the loss."""
    normalize_advantages: bool = False
    """Bring the advantages of a refresh (in this process) to a mean of 0 and a deviation of 1 (TRL: off)."""


class RLOO(GroupRelative):
    """Rewards less the mean of the others of their group; a clipped ratio of each sequence."""

    Options: ClassVar[type[Any]] = RLOOOptions

    def __init__(self, options: RLOOOptions, training: TrainingOptions) -> None:
        """
        Raises:
            InputError: As `GroupRelative`, and if the reference would be the model that learns meanwhile.
        """
        super().__init__(options, training)
        self._kl: dict[tuple[int, int], float] = {}
        if self._kl_in_reward and training.lora_rank and training.sampler != "inline":
            raise InputError(
                "with LoRA the reference is the policy with its adapter switched off, which cannot be asked"
                f" while the policy learns; pass sampler=inline (it is {training.sampler}), kl_in=loss, or"
                " beta=0"
            )

    @property
    def _kl_in_reward(self) -> bool:
        return bool(self.options.beta) and self.options.kl_in == "reward"

    @property
    def needs(self) -> frozenset[str]:
        """The reference in each step only where the loss holds it, otherwise when programs are new."""
        return self.needs_always | {ROLLOUT_REFERENCE} if self._kl_in_reward else super().needs

    def advantages(self, rewards: Sequence[Sequence[float]]) -> list[list[float]]:
        """Less the mean of the others; of all together on one scale if asked for."""
        found = leave_one_out(rewards)
        return standardised(found) if self.options.normalize_advantages else found

    def prepare(self, groups: Sequence[Group]) -> Mapping[str, float]:
        """Ask the reference about all new programs; its divergence is logged, per token."""
        found = super().prepare(groups)
        if not self._kl_in_reward:
            return found
        asked = [each for group in groups for each in group.rollouts if not self.is_masked(each)]
        rows = zip(asked, self.reference_log_probs(asked), strict=True)
        self._kl = {_key(each): self._divergence(each, row) for each, row in rows}
        tokens = sum(len(each.token_ids) for each in asked)
        return {**found, "sampled/reference_kl": sum(self._kl.values()) / max(1, tokens)}

    def _divergence(self, rollout: Rollout, reference: Tensor) -> float:
        """Between the policy that wrote it and the start; summed over tokens, in nats."""
        apart = reference - reference.new_tensor(rollout.log_probs)
        return float(divergence(apart, self.options.kl_estimator).sum())

    def adjusted(self, rewards: list[list[float]], groups: Sequence[Group]) -> list[list[float]]:
        """Less β times the divergence of each program; a masked one has none."""
        if not self._kl_in_reward:
            return rewards
        return [
            [
                reward if self.is_masked(each) else reward - self.options.beta * self._kl[_key(each)]
                for reward, each in zip(row, group.rollouts, strict=True)
            ]
            for row, group in zip(rewards, groups, strict=True)
        ]


def _key(rollout: Rollout) -> tuple[int, int]:
    return rollout.group, rollout.sample_id
