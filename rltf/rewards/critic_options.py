"""Options of CodeRL's critic (arXiv:2207.01780): which one there is, how it is made, how it is read.

The critic says of each token how likely the program's true class is from there on; that number, q, weighs
what the token earns (`rltf.objectives.token_critic`). Methods that use it take these options beside their
own. Does not cover: the model (`rltf.critic`), or `rltf critic`, which trains one beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from harness.errors import InputError
from rltf.bounds import bounds_of, option
from rltf.validation import check_choice

Kind = Literal["none", "constant", "frozen", "refreshed", "head"]
Pooling = Literal["all", "targets", "last"]
State = Literal["family", "before", "after"]


@dataclass(frozen=True, slots=True)
class CriticOptions:
    """Every choice that a token's value depends on."""

    critic: Kind = "none"
    """`none`: every token has the value 1. `constant`: `critic_constant`, by class. `frozen` (both released
    codes): trained once, by `rltf critic` or on the first programs of this run. `refreshed` (ours): trained
    on at each refresh, on the new programs. `head` (ours): a head on the policy's own states, trained with
    it."""
    critic_model: str | None = None
    """A folder that `rltf critic` wrote, or a model to make a critic of; `None`: the policy as it is when
    training begins."""
    critic_classes: Literal[4, 2] = 4
    """4: syntax error, error, failure, pass (CodeRL). 2: pass or not (its critic for sampling)."""
    critic_pooling: Pooling = "all"
    """What of a program's positions its class is predicted from: the largest logit of `all`, padding to
    `max_new_tokens` included (released), or of its tokens (`targets`), or the state behind the `last` token.
    `head` has `targets`: there is no padding."""
    critic_state: State = "family"
    """Whether a token's value is read `before` it or `after` it was read. `family`: before for seq2seq models
    and after for causal ones, as in the released codes (the paper: after)."""
    critic_scaled: bool = True
    """Scale states by d_model^-0.5 where the model's own output layer sees them so (T5 with tied embeddings;
    released)."""
    critic_constant: tuple[float, ...] = option((0.303, 0.261, 0.126, 0.707), at_least=0)
    """Values by class, from syntax error to pass: with `constant`. The default are the means of CodeRL's
    released critic over its 83 bundled programs."""
    critic_references: float = option(1.0, at_least=0)
    """Reference solutions beside each sampled program when a critic is trained here, in the class of passing
    programs (ours: 1, so that neither outweighs the other; released: all that there are)."""
    critic_epochs: int = option(2, at_least=1)
    """Passes over the first programs when a critic is trained on them (released: 10; ours: fewer, since one
    over-fits from the second on)."""
    critic_steps: int = option(20, at_least=1)
    """With `refreshed`, optimiser steps at each refresh."""
    critic_learning_rate: float = option(2e-5, at_least=0)
    """When a critic is trained here (released: 2e-5). `head` has the policy's."""
    critic_batch_size: int = option(8, at_least=1)
    """Programs in a step of the critic (released: 8)."""

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: If an option has no such value.
        """
        check_critic(self)

    @property
    def is_used(self) -> bool:
        """Whether tokens have values at all."""
        return self.critic != "none"


def check_critic(options: CriticOptions) -> None:
    """
    Raises:
        InputError: If one of the critic's options has no such value.
    """
    for each in fields(CriticOptions):
        bounds_of(each).check(each.name, getattr(options, each.name))
    check_choice("critic", options.critic, Kind)
    check_choice("critic_pooling", options.critic_pooling, Pooling)
    check_choice("critic_state", options.critic_state, State)
    if options.critic_classes not in get_args(Literal[4, 2]):
        raise InputError(f"critic_classes must be 4 or 2, got {options.critic_classes!r}")
    if len(options.critic_constant) != 4:
        raise InputError(
            "critic_constant needs four values, from syntax error to pass, got"
            f" {len(options.critic_constant)}"
        )
    if options.critic == "head" and options.critic_state == "after":
        raise InputError(
            "critic=head reads the states that tokens are predicted from; leave critic_state out"
        )


def without_critic(rewards: dict[str, object]) -> dict[str, object]:
    """A record of options without those of a critic that is not used: as it was before there were any."""
    if rewards.get("critic", "none") != "none":
        return rewards
    return {name: value for name, value in rewards.items() if not name.startswith("critic")}
