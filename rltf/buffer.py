"""The online buffer: the newest programs of the policy with what the runner said of them.

Covers: the paper's queue and the released code's pool, drawing without replacement, plain data for a
checkpoint. Drawing is a function of seed and contents, so that a resumed run draws what a straight one does.
Does not cover: where programs come from (`rltf.rollout`), or what is trained on (`rltf.data`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.errors import InputError
from rltf.chance import shuffled
from rltf.feedback import Category, Feedback, Scope
from rltf.rewards import Reward

RULES = ("queue", "released")


@dataclass(frozen=True, slots=True)
class Experience:
    """One program of the policy, graded."""

    task_id: str
    prompt: str
    """As the model read it."""
    text: str
    """What the model wrote, up to the end of its program: what is trained on."""
    ended: bool
    """The model ended it, so that an end token belongs to it; otherwise the length limit did."""
    feedback: Feedback
    """Of the runner; its line is a line of `text`."""
    reward: Reward
    """Baseline subtracted."""
    temperature: float
    step: int
    """Optimiser steps that the policy which wrote it had made."""


class OnlineBuffer:
    """Holds up to `capacity` experiences and hands them out in random order.

    `queue` (the paper): new ones push out the oldest. `released` (datasets/memory_pool.py of the released
    code): new ones push out as many as they are, whole refreshes first, then a random part of the oldest
    left; the first fill is kept whole, but only the newest `capacity` are handed out, and a refresh that is
    larger than what is held replaces everything.
    """

    def __init__(self, capacity: int, *, rule: str = "queue", seed: int = 0) -> None:
        if rule not in RULES:
            raise InputError(f"unknown buffer rule {rule!r}; available: {', '.join(RULES)}")
        if capacity < 1:
            raise InputError(f"the buffer must hold at least 1 program, not {capacity}; raise --buffer-size")
        self.capacity = capacity
        self.rule = rule
        self._seed = seed
        self._refreshes: list[list[Experience]] = []
        """Oldest first."""
        self._shuffles = 0
        self._order: list[int] = []
        """Places in the view that are still to be handed out, the next last."""

    def __len__(self) -> int:
        return len(self._view())

    def add(self, new: Sequence[Experience]) -> None:
        """Take in one refresh; whatever was left to be drawn is shuffled anew with it."""
        if not new:
            return
        if self.rule == "queue":
            self._drop(max(0, self._held() + len(new) - self.capacity))
        elif self._refreshes:
            self._drop(len(new))
        self._refreshes.append(list(new[-self.capacity :] if self.rule == "queue" else new))
        self._order = []

    def draw(self, count: int) -> list[Experience]:
        """The next `count` in random order; everything comes once before anything comes twice.

        Raises:
            InputError: If the buffer is empty.
        """
        view = self._view()
        if not view:
            raise InputError("no program could be graded, so nothing can be learned; see `rltf doctor`")
        drawn = []
        for _ in range(count):
            if not self._order:
                self._order = self._shuffled(len(view))
            drawn.append(view[self._order.pop()])
        return drawn

    def staleness(self, step: int) -> float:
        """Mean number of optimiser steps since the experiences were made; 0 for an empty buffer."""
        view = self._view()
        return sum(step - each.step for each in view) / len(view) if view else 0.0

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain JSON values."""
        return {
            "refreshes": [[asdict(each) for each in refresh] for refresh in self._refreshes],
            "shuffles": self._shuffles,
            "left": len(self._order),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the buffer whose `state` this is; capacity, rule and seed must be the same."""
        self._refreshes = [[experience_of(each) for each in refresh] for refresh in state["refreshes"]]
        self._order, self._shuffles = [], state["shuffles"]
        if state["left"]:
            self._shuffles -= 1
            self._order = self._shuffled(len(self))[: state["left"]]

    def _held(self) -> int:
        return sum(map(len, self._refreshes))

    def _view(self) -> list[Experience]:
        return [each for refresh in self._refreshes for each in refresh][-self.capacity :]

    def _shuffled(self, size: int) -> list[int]:
        self._shuffles += 1
        return shuffled(size, f"{self._seed} buffer {self._shuffles}")

    def _drop(self, count: int) -> None:
        while self._refreshes and count >= len(self._refreshes[0]):
            count -= len(self._refreshes.pop(0))
        if self._refreshes and count:
            oldest = self._refreshes[0]
            if self.rule == "released":
                oldest = [oldest[i] for i in self._shuffled(len(oldest))]
            self._refreshes[0] = oldest[count:]


def experience_of(row: Mapping[str, Any]) -> Experience:
    """An experience from the plain values that `dataclasses.asdict` made of it."""
    return Experience(**{**row, "feedback": feedback_of(row["feedback"]), "reward": Reward(**row["reward"])})


def feedback_of(row: Mapping[str, Any]) -> Feedback:
    """Feedback from the plain values that `dataclasses.asdict` made of it."""
    return Feedback(**{**row, "category": Category(row["category"]), "scope": Scope(row["scope"])})
