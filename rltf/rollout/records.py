"""What a rollout is: one completion of the policy, graded, with what each of its tokens earns.

Covers: the records that pass from the sampler to the buffer and on to the loss, and which tokens wrote a part
of a program. Does not cover: how they are made (`rltf.rollout.rollout`), what decides their credit
(`rltf.objectives`), or their form in a checkpoint (`rltf.rollout.rollout_rows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from harness.types import Outcome, Problem
from rltf.rewards.alignment import text_spans
from rltf.rewards.feedback import Feedback, Scope
from rltf.rewards.line_tokens import feedback_mask, span_mask
from rltf.rewards.terms import GradedProgram, TermValue, WeightedTerm

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class TokenCredit:
    """What one named term gives each token of a completion: `value` times the token's weight."""

    value: float
    weights: tuple[float, ...] | None = None
    """One per token; `None` for 1 everywhere, `MASKED` where no token takes part in the loss."""


MASKED: tuple[float, ...] = ()
"""Weights of a completion that is left out of the loss and of the number of tokens that it is divided by."""

Credit = Mapping[str, TokenCredit]
"""By the term's name. All rollouts of an objective have the same names; one that begins with `_` is for the
loss alone and no reward, so it is not logged."""


def is_zero(credit: Credit) -> bool:
    """Whether nothing is learned from it; the mean of a group leaves rounding errors in place of zeros."""
    return all(abs(each.value) < _ROUNDING for each in credit.values())


def is_masked(credit: Credit) -> bool:
    """Whether no term of it is for any token."""
    return bool(credit) and all(each.weights == MASKED for each in credit.values())


def logged_values(credit: Credit) -> dict[str, float]:
    """The values of the terms that are rewards."""
    return {name: each.value for name, each in credit.items() if not name.startswith("_")}


@dataclass(frozen=True, slots=True)
class Rollout:
    """One completion of the policy, graded."""

    task_id: str
    group: int
    """Number of the prompt's draw, the same for all completions sampled for it then; unique in a process."""
    sample_id: int
    prompt_ids: tuple[int, ...]
    """Token ids that the model read."""
    token_ids: tuple[int, ...]
    """Token ids that the model wrote, as they were sampled: what is trained on. They end with what ended the
    completion (the end token, a stop string's tokens), or with the program where more than that followed."""
    log_probs: tuple[float, ...]
    """Of each token under the policy that wrote it, at temperature 1 and without top-p or top-k (the model's
    own distribution, which is the one that is trained); nats, float32."""
    text: str
    """The completion."""
    code: str
    """The program that was read out of it and graded."""
    outcome: Outcome
    """Of the grader."""
    feedback: Feedback
    """What the outcome says; its line is a line of `code`."""
    lines_before: int | None
    """Lines of `text` before the program's first; `None` if the program does not stand there line by line."""
    truncated: bool
    """The length limit ended the completion."""
    temperature: float
    """0 for a greedy one."""
    step: int
    """Optimiser steps that the policy which wrote it had made."""
    credit: Credit = field(default_factory=dict)
    """Decided once, when it is new; empty before."""
    offsets: tuple[tuple[int, int], ...] = field(default=(), compare=False, repr=False)
    """Per token, its characters in `text`. Not kept in checkpoints: credit is decided by then."""

    @property
    def located_feedback(self) -> Feedback:
        """The feedback with the line as a line of `text`; it blames nothing where that line is not there."""
        said = self.feedback
        if said.scope is not Scope.LINE:
            return said
        line = None if self.lines_before is None or said.line is None else self.lines_before + said.line
        return replace(said, line=line) if line and line > 0 else replace(said, scope=Scope.IGNORE, line=None)

    def blamed_tokens(self) -> tuple[float, ...]:
        """1 for each token that the feedback blames, 0 for the others."""
        return tuple(map(float, feedback_mask(self.located_feedback, self.text, self.offsets)))

    def tokens_of(self, spans: Sequence[tuple[int, int]]) -> tuple[float, ...]:
        """1 for each token that wrote one of `spans` (characters of `code`), 0 for the others."""
        if self.lines_before is None:
            return (0.0,) * len(self.offsets)
        found = text_spans(self.text, self.code, self.lines_before, spans)
        return tuple(map(float, span_mask(self.offsets, found)))


@dataclass(frozen=True, slots=True)
class Group:
    """The rollouts of one prompt that were sampled together; those that could not be graded are left out."""

    problem: Problem
    rollouts: Sequence[Rollout]
    greedy: Rollout | None = None
    """The greedy one, where the objective asks for it and it could be graded; it is not trained on."""
    _values: list[dict[str, TermValue]] = field(default_factory=list, init=False, repr=False, compare=False)

    def programs(self) -> list[GradedProgram]:
        """The rollouts as reward terms see them."""
        return [GradedProgram(each.code, each.outcome, each.feedback, self.problem) for each in self.rollouts]

    def values_of(self, terms: Sequence[WeightedTerm]) -> list[dict[str, TermValue]]:
        """What an objective's terms give each rollout, by name; each is called once, however often asked."""
        if not self._values:
            self._values.extend({each.name: each(program) for each in terms} for program in self.programs())
        return self._values


class CreditRule(Protocol):
    """The part of an objective that rollouts need."""

    @property
    def needs(self) -> frozenset[str]:
        """Holds `greedy` if each group is to have a greedy rollout."""

    @property
    def resampling_rounds(self) -> int:
        """How many times as many prompts, at most, are drawn in place of groups whose credit is all zero."""

    def prepare(self, groups: Sequence[Group]) -> Mapping[str, float]:
        """Called with all new groups before the credit of any; numbers for the log."""

    def credit_groups(self, groups: Sequence[Group]) -> list[list[Credit]]:
        """What each token of each rollout earns, in the order of each group's `rollouts`."""

    def rewards(self, group: Group) -> list[Mapping[str, float]]:
        """Named rewards of each rollout, nothing subtracted; for the log."""
