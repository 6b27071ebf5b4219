"""RLTF (arXiv:2307.04349): coarse, fine-grained and adaptive rewards, less those of a baseline.

Credit is the reward of `rltf.rewards.rltf`: one number each, the fine one for the tokens that are to blame.
The loss is -credit * log p, without a ratio: programs in the buffer are taken for the policy's own.
Reward terms that are chosen beside them (`--set terms=…`) are terms of their own, with no baseline.
With `critic` each token's log-probability is multiplied by the critic's value of it, as in the released code
(`rltf.objectives.token_critic`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import InputError
from rltf.objectives.base import RolloutBatch, TrainingOptions
from rltf.objectives.token_critic import CRITIC, CriticObjective
from rltf.rewards.feedback import Feedback, feedback_of
from rltf.rewards.rltf import (
    Reduction,
    Reward,
    RewardConfig,
    best,
    group_mean,
    raw_rewards,
    rewards,
)
from rltf.rollout.records import Credit, Group, Rollout, TokenCredit

if TYPE_CHECKING:
    from torch import Tensor

_OWN = ("coarse", "fine", "adaptive")


class RLTF(CriticObjective):
    """The paper's loss, L = L_sl + L_coarse + L_fine + L_adaptive (eq. 6)."""

    Options: ClassVar[type[Any]] = RewardConfig
    options_field: ClassVar[str] = "rewards"

    def __init__(self, options: RewardConfig, training: TrainingOptions) -> None:
        """
        Raises:
            InputError: If a group's mean is asked for and groups are of one.
        """
        super().__init__(options, training)
        if options.baseline == "group_mean" and training.samples_per_problem < 2:
            raise InputError(
                "baseline=group_mean needs samples_per_problem of at least 2: one is its own mean"
            )
        self.refuse_terms(_OWN, "rltf")
        self.baselines: dict[str, Feedback] = {}
        """By problem: its best program so far, or its newest greedy one, as the baseline has it."""

    # --- credit ----------------------------------------------------------------------------------

    def credit(self, group: Group) -> list[Credit]:
        """The rewards of each program, baseline subtracted, and the chosen terms."""
        baseline = self._baseline(group)
        return [
            {
                **_credit(
                    rollout,
                    rewards(rollout.feedback, self.options, baseline=baseline),
                    self.critic.weights(rollout),
                ),
                **self.critic.credit(rollout),
                **self.term_credit(rollout, values),
            }
            for rollout, values in zip(group.rollouts, group.values_of(self.terms), strict=True)
        ]

    def rewards(self, group: Group) -> list[Mapping[str, float]]:
        """The rewards of each program by itself."""
        own = [asdict(raw_rewards(each.feedback, self.options)) for each in group.rollouts]
        return [mine | dict(more) for mine, more in zip(own, super().rewards(group), strict=True)]

    def _baseline(self, group: Group) -> Feedback | Reward | None:
        """What the group is compared with; for `historical_best`, the best program before it."""
        task, kind = group.problem.task_id, self.options.baseline
        told = [each.feedback for each in group.rollouts]
        if kind == "group_mean" and told:
            return group_mean([raw_rewards(each, self.options, as_baseline=True) for each in told])
        before = self.baselines.get(task)
        if kind == "historical_best" and told:
            self.baselines[task] = best([*([before] if before else []), *told], self.options) or told[0]
        if kind == "greedy" and group.greedy is not None:
            self.baselines[task] = before = group.greedy.feedback
        return before

    # --- loss ------------------------------------------------------------------------------------

    @property
    def reduction(self) -> Reduction:
        """Rows in the paper (eq. 2), tokens in the released code."""
        return self.options.reduction  # type: ignore[no-any-return]  # options are of any class

    @property
    def supervised_reduction(self) -> Reduction:
        """As that of the RL terms, in both."""
        return self.reduction

    def policy_loss(self, log_probs: Tensor, batch: RolloutBatch) -> dict[str, Tensor]:
        """L_coarse, L_fine and L_adaptive, and a term for each that was chosen."""
        from rltf.objectives.losses import reward_terms  # noqa: PLC0415 - imports torch

        values, own = self.critic.in_loss(batch)
        terms = own | reward_terms(
            log_probs,
            batch.targets,
            {name: batch.values[name] for name in _OWN},
            batch.weights["fine"].bool(),
            alpha=self.options.fine_alpha,
            over=batch.normalizer,
            token_weights=batch.weights.get("coarse") if values is None else values,
            fine_order=self.options.critic_fine_order,
        )
        return terms | self.term_losses(log_probs, batch)

    # --- checkpoints -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The baselines, and how far the critic is."""
        critic = {CRITIC: self.critic.state_dict()} if self.critic.is_used else {}
        return {"baselines": {task: asdict(each) for task, each in self.baselines.items()}, **critic}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the baselines, and go on with the critic."""
        self.baselines = {task: feedback_of(row) for task, row in state["baselines"].items()}
        if self.critic.is_used:
            self.critic.load_state_dict(state[CRITIC])


def _credit(rollout: Rollout, reward: Reward, values: tuple[float, ...] | None) -> Credit:
    return {
        "coarse": TokenCredit(reward.coarse, values),  # the values stand once, for all three
        "fine": TokenCredit(reward.fine, rollout.blamed_tokens()),
        "adaptive": TokenCredit(reward.adaptive),
    }
