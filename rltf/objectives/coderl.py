"""CodeRL (arXiv:2207.01780): each token earns what a critic says of it, times the program's reward.

r_t = q_t (R - R_b) for all tokens of a program: q_t the critic's value (`rltf.objectives.token_critic`), R
the coarse reward of its class, R_b that of the greedy program. There is no discount, no return-to-go and no
ratio of probabilities. The loss is -r_t log p(w_t), the mean over all tokens of the step, beside the
supervised one.
Released: programs are sampled once (`refresh_every=none`), and micro-batches are supervised and RL in turn
(`mixing=alternate`); preset `coderl` has both. Does not cover: critic sampling at inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rltf.objectives.base import RolloutBatch, TrainingOptions
from rltf.objectives.token_critic import CRITIC, CriticObjective
from rltf.rewards.critic_options import CriticOptions, Kind
from rltf.rewards.feedback import Category, Feedback
from rltf.rewards.rltf import Reduction
from rltf.rollout.records import Credit, Group, TokenCredit

if TYPE_CHECKING:
    from torch import Tensor

_POLICY = "policy"


@dataclass(frozen=True, slots=True)
class CodeRLOptions(CriticOptions):
    """Options of `--method coderl`, beside those of the critic."""

    critic: Kind = "frozen"
    passed: float = 1.0
    """R of a program that passes all tests (paper and released)."""
    failure: float = -0.3
    """R of one that ran to its end and failed a test."""
    error: float = -0.6
    """R of one that broke off."""
    syntax_error: float = -1.0
    """R of one that does not compile."""
    baseline: Literal["greedy", "none"] = "greedy"
    """R_b: that of the newest greedy program of the problem (released: `relative_returns`), or 0."""
    reduction: Reduction = "mean"
    """Over all tokens of a step (`mean`, released: long programs weigh more), or their sum over a program's
    tokens, mean over programs (`sum`)."""


class CodeRL(CriticObjective):
    """One term, `policy`; chosen reward terms are terms of their own, with no baseline and no critic."""

    Options: ClassVar[type[Any]] = CodeRLOptions

    def __init__(self, options: CodeRLOptions, training: TrainingOptions) -> None:
        """
        Raises:
            InputError: If a chosen term has a name that is taken.
        """
        super().__init__(options, training)
        self.refuse_terms((_POLICY, CRITIC), "coderl")
        self.baselines: dict[str, float] = {}
        """By problem: the reward of its newest greedy program."""

    # --- credit ----------------------------------------------------------------------------------

    def credit(self, group: Group) -> list[Credit]:
        """R - R_b, which the critic's values share out among the tokens, and the chosen terms."""
        baseline = self._baseline(group)
        return [
            {
                _POLICY: TokenCredit(self._reward(rollout.feedback) - baseline, self.critic.weights(rollout)),
                **self.critic.credit(rollout),
                **self.term_credit(rollout, values),
            }
            for rollout, values in zip(group.rollouts, group.values_of(self.terms), strict=True)
        ]

    def rewards(self, group: Group) -> list[Mapping[str, float]]:
        """R of each program by itself."""
        own = [{_POLICY: self._reward(each.feedback)} for each in group.rollouts]
        return [mine | dict(more) for mine, more in zip(own, super().rewards(group), strict=True)]

    def _reward(self, feedback: Feedback) -> float:
        options: CodeRLOptions = self.options
        return {
            Category.PASSED: options.passed,
            Category.FAILURE: options.failure,
            Category.ERROR: options.error,
            Category.SYNTAX_ERROR: options.syntax_error,
        }[feedback.category]

    def _baseline(self, group: Group) -> float:
        """R_b; 0 for a problem without a greedy program (released: the sentinel class -1)."""
        if self.options.baseline == "none":
            return 0.0
        if group.greedy is not None:
            self.baselines[group.problem.task_id] = self._reward(group.greedy.feedback)
        return self.baselines.get(group.problem.task_id, 0.0)

    # --- loss ------------------------------------------------------------------------------------

    @property
    def reduction(self) -> Reduction:
        """Tokens, as in the released code, or rows."""
        return self.options.reduction  # type: ignore[no-any-return]  # options are of any class

    def policy_loss(self, log_probs: Tensor, batch: RolloutBatch) -> dict[str, Tensor]:
        """`policy`, that of the critic's head if it has one, and a term for each that was chosen."""
        values, own = self.critic.in_loss(batch)
        returns = batch.credit(_POLICY) if values is None else batch.credit(_POLICY) * values
        terms = {_POLICY: -(returns * log_probs).sum() / batch.normalizer, **own}
        return terms | self.term_losses(log_probs, batch)

    # --- checkpoints -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The baselines, and how far the critic is."""
        return {"baselines": self.baselines, CRITIC: self.critic.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the baselines, and go on with the critic."""
        self.baselines = dict(state["baselines"])
        self.critic.load_state_dict(state[CRITIC])
