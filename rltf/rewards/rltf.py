"""What a program is worth: the coarse, fine-grained and adaptive rewards of RLTF, baseline subtracted.

Pure functions from feedback to three numbers, one for each term of the loss (`rltf.objectives.losses`).
Equations are those of the paper, arXiv:2307.04349, numbered as in a public summary of it; "released" is its
published code, whose differences are the options of `RewardConfig`. Two presets: `PAPER`, and `RELEASED`
without the critic that the released code multiplies into every token's reward; `critic=frozen` adds it.
Does not cover: what is no reward (buffer, temperature, the mixing of supervised and RL steps): `rltf.config`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from rltf.bounds import NO_BOUNDS
from rltf.rewards.critic_options import CriticOptions, check_critic
from rltf.rewards.feedback import Category, Compat, Feedback, Scope
from rltf.validation import check_choice

AdaptiveMode = Literal["separate", "replace"]
AdaptiveFor = Literal["all", "failure"]
Alpha = Literal["length_ratio", "one"]
FineOrder = Literal["inside", "outside"]
BaselineKind = Literal["historical_best", "greedy", "group_mean", "none"]
Reduction = Literal["sum", "mean"]


@dataclass(frozen=True, slots=True)
class RewardConfig(CriticOptions):
    """Every choice that a reward depends on; the defaults are the paper's."""

    coarse: bool = True
    """Use the coarse term; the paper's Table 5 adds fine and adaptive to it one by one."""
    fine: bool = True
    """Use the fine-grained term."""
    adaptive: bool = True
    """Use the adaptive reward."""

    passed: float = 1.0
    """Eq. 3, "pass"."""
    failure: float = -0.3
    """Eq. 3, "failure"."""
    error: float = -0.6
    """Eq. 3, "error except syntax error"."""
    syntax_error: float = -1.0
    """Eq. 3, "syntax error"."""
    fine_penalty: float = -0.3
    """Eq. 4, for all scopes but `ignore`; Table 6 tries -0.1 to -0.5. Released: the same, as a weight of
    0.3."""
    adaptive_floor: float = -0.3
    """Eq. 5: the adaptive reward of a program that passes no test."""
    adaptive_range: float = 1.3
    """Eq. 5: what passing all tests adds to it."""

    adaptive_mode: AdaptiveMode = "separate"
    """`separate` (paper, eq. 6): a term of its own. `replace` (released): it stands in the coarse reward's
    place, for the programs that `adaptive_for` names, and the adaptive term is empty."""
    adaptive_for: AdaptiveFor = "all"
    """`all` (paper: eq. 5 makes no exception). `failure` (released): only for programs that ran all tests to
    their end and failed some."""
    fine_alpha: Alpha = "length_ratio"
    """Scale of the fine term. `length_ratio` (paper): α = T/(E-S). `one` (released: meant to be the ratio,
    but taken from the length of the mask, so always 1). Applied by the loss."""
    fine_baseline: bool = False
    """Subtract the baseline's fine reward too. Off in both (eq. 9)."""
    baseline: BaselineKind = "historical_best"
    """Whose reward is subtracted. `historical_best` (paper): the best program so far for the problem.
    `greedy` (released): the newest greedy one. `group_mean` (ours, as in GRPO): the mean of the programs
    sampled together. `none`."""
    reduction: Reduction = "sum"
    """Over tokens. `sum` (paper, eq. 2), then mean over programs. `mean` (released): over all target tokens
    of the batch. Applied by the loss."""
    feedback: Compat = "paper"
    """Whose classes and scopes: `paper`, or `released` (for one, time-outs are blamed on nothing there)."""

    critic_fine_order: FineOrder = "inside"
    """Whether the fine reward is multiplied by the critic's value as the others are (`inside`: released, its
    scripts' fine_grained_type 1) or added behind (`outside`: its type 0)."""

    def __post_init__(self) -> None:
        check_critic(self)
        check_choice("critic_fine_order", self.critic_fine_order, FineOrder)
        for each in fields(self):
            NO_BOUNDS.check(each.name, getattr(self, each.name))
        check_choice("adaptive_mode", self.adaptive_mode, AdaptiveMode)
        check_choice("adaptive_for", self.adaptive_for, AdaptiveFor)
        check_choice("fine_alpha", self.fine_alpha, Alpha)
        check_choice("baseline", self.baseline, BaselineKind)
        check_choice("reduction", self.reduction, Reduction)
        check_choice("feedback", self.feedback, Compat)


PAPER = RewardConfig()
"""The paper's equations."""

RELEASED = RewardConfig(
    adaptive_mode="replace",
    adaptive_for="failure",
    fine_alpha="one",
    baseline="greedy",
    reduction="mean",
    feedback="released",
)
"""The released code, but for the critic: there every token's reward is multiplied by the probability that
CodeRL's critic gives the program's true class at that token, which `critic=frozen` does here."""


@dataclass(frozen=True, slots=True)
class Reward:
    """One number for each term of the loss."""

    coarse: float
    """For all of the program's tokens."""
    fine: float
    """For the tokens of `rltf.rewards.line_tokens.feedback_mask`."""
    adaptive: float
    """For all of the program's tokens."""


def rewards(
    feedback: Feedback, config: RewardConfig = PAPER, *, baseline: Feedback | Reward | None = None
) -> Reward:
    """The three rewards of a program, baseline subtracted where the configuration says so.

    Args:
        feedback: Of the program.
        config: Values and options.
        baseline: The program to compare with (greedy or historical best), or the group's mean, which is
            `group_mean` of its programs' `raw_rewards(…, as_baseline=True)`. `None`: there is none yet, and
            nothing is subtracted, as nothing is where `config.baseline` is `none`.
    """
    own = raw_rewards(feedback, config)
    if baseline is None or config.baseline == "none":
        return own
    other = baseline if isinstance(baseline, Reward) else raw_rewards(baseline, config, as_baseline=True)
    blamed = feedback.scope is not Scope.IGNORE
    return Reward(
        own.coarse - other.coarse,
        own.fine - other.fine if config.fine_baseline and blamed else own.fine,
        own.adaptive - other.adaptive if _has_adaptive_term(feedback, config) else 0.0,
    )


def raw_rewards(feedback: Feedback, config: RewardConfig = PAPER, *, as_baseline: bool = False) -> Reward:
    """The three rewards of a program by itself (eq. 3 to 5).

    Args:
        feedback: Of the program.
        config: Values and options.
        as_baseline: Give the adaptive term whatever the program's category: where only failed programs have
            one, they are compared with programs that passed all the same.
    """
    coarse = _coarse(feedback.category, config) if config.coarse else 0.0
    fine = config.fine_penalty if config.fine and feedback.scope is not Scope.IGNORE else 0.0
    adaptive = config.adaptive_floor + config.adaptive_range * feedback.pass_ratio
    if config.adaptive_mode == "replace":
        return Reward(adaptive if _is_adaptive(feedback, config) else coarse, fine, 0.0)
    has_term = config.adaptive if as_baseline else _has_adaptive_term(feedback, config)
    return Reward(coarse, fine, adaptive if has_term else 0.0)


def _coarse(category: Category, config: RewardConfig) -> float:
    return {
        Category.PASSED: config.passed,
        Category.FAILURE: config.failure,
        Category.ERROR: config.error,
        Category.SYNTAX_ERROR: config.syntax_error,
    }[category]


def _is_adaptive(feedback: Feedback, config: RewardConfig) -> bool:
    """Whether the adaptive reward is for programs like this one."""
    return config.adaptive and (config.adaptive_for == "all" or feedback.category is Category.FAILURE)


def _has_adaptive_term(feedback: Feedback, config: RewardConfig) -> bool:
    return config.adaptive_mode == "separate" and _is_adaptive(feedback, config)


def group_mean(group: Sequence[Reward]) -> Reward:
    """The mean of the rewards of programs sampled together, term by term.

    Raises:
        ValueError: If the group is empty.
    """
    if not group:
        raise ValueError("the mean of no rewards is undefined")
    n = len(group)
    return Reward(
        sum(each.coarse for each in group) / n,
        sum(each.fine for each in group) / n,
        sum(each.adaptive for each in group) / n,
    )


def best(programs: Iterable[Feedback], config: RewardConfig = PAPER) -> Feedback | None:
    """The best of a problem's programs: by coarse value, then by pass ratio, the earliest of equals.

    `best((so_far, new))` keeps the historical best. `None` if there is none.
    """
    return max(programs, key=lambda each: (_coarse(each.category, config), each.pass_ratio), default=None)
