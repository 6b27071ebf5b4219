"""Rounds of new programs: what is made of some prompts, of which those that teach nothing may be replaced.

Does not cover: making them (`rltf.rollout.rollout`), or which methods have prompts replaced
(`rltf.objectives.base.Objective.resampling_rounds`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.types import Outcome
from rltf.rewards.feedback import Feedback
from rltf.rollout.grading import Program
from rltf.rollout.records import Group, Rollout, is_zero

GradedCompletion = tuple[Program, Outcome, Feedback]
"""The outcome is of all tests, the feedback of those that decide rewards."""


@dataclass(frozen=True, slots=True)
class Round:
    """What was made of some prompts."""

    programs: Sequence[GradedCompletion]
    groups: Sequence[Group]
    """One for each prompt."""
    credited: Sequence[Sequence[Rollout]]
    """The rollouts of each group with their credit."""
    lost: int
    """Programs that the grader itself failed on."""
    notes: Mapping[str, float]
    """What the objective says of them, for the log."""

    @property
    def useful(self) -> int:
        """Groups that teach something."""
        return sum(not teaches_nothing(each) for each in self.credited)


def teaches_nothing(group: Sequence[Rollout]) -> bool:
    """Whether all credit is zero; so it is where no program of a group could be graded."""
    return all(is_zero(each.credit) for each in group)


def mean_notes(rounds: Sequence[Round]) -> dict[str, float]:
    """What the objective said of the rounds: means over those that have it, by their groups."""
    said: dict[str, list[tuple[float, int]]] = {}
    for each in rounds:
        for name, value in each.notes.items():
            said.setdefault(name, []).append((value, len(each.groups)))
    return {
        name: sum(value * n for value, n in found) / sum(n for _, n in found) for name, found in said.items()
    }
