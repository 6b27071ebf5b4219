"""The online buffer: the newest rollouts of the policy, with what each of their tokens earns.

Covers: the paper's queue and the released code's pool, drawing without replacement, groups, plain data for a
checkpoint. Drawing is a function of seed and contents, so that a resumed run draws what a straight one does.
Does not cover: where rollouts come from (`rltf.rollout.rollout`), or what is trained on (`rltf.data.batch`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import InputError
from rltf.rollout.records import Rollout
from rltf.rollout.rollout_rows import rollouts_of, rows_of
from rltf.rollout.shuffle import shuffled

RULES = ("queue", "released")


class OnlineBuffer:
    """Holds up to `capacity` rollouts and hands them out one by one in random order.

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
        self._refreshes: list[list[Rollout]] = []
        """Oldest first."""
        self.zero_advantage = 0
        """Programs so far that were left out, since their credit was zero."""
        self.too_old = 0
        """Programs so far that were dropped for their age."""
        self._shuffles = 0
        self._order: list[int] = []
        """Places in the view that are still to be handed out, the next last."""

    def __len__(self) -> int:
        return len(self._view())

    def add(self, new: Sequence[Rollout], *, zero_advantage: int = 0) -> None:
        """Take in one refresh; whatever was left to be drawn is shuffled anew with it.

        Args:
            new: Programs.
            zero_advantage: How many more there were, of which nothing could be learned.
        """
        self.zero_advantage += zero_advantage
        if not new:
            return
        if self.rule == "queue":
            self._drop(max(0, self._held() + len(new) - self.capacity))
        elif self._refreshes:
            self._drop(len(new))
        self._refreshes.append(list(new[-self.capacity :] if self.rule == "queue" else new))
        self._order = []

    def drop_before(self, step: int) -> int:
        """Drop the rollouts of policies that had made fewer than `step` optimiser steps; how many they were.

        What was left to be drawn is shuffled anew if there were any.
        """
        kept = [[each for each in refresh if each.step >= step] for refresh in self._refreshes]
        dropped = self._held() - sum(map(len, kept))
        if dropped:
            self._refreshes = [refresh for refresh in kept if refresh]
            self._order = []
            self.too_old += dropped
        return dropped

    def draw(self, count: int) -> list[Rollout]:
        """The next `count` in random order; everything comes once before anything comes twice.

        Raises:
            InputError: If the buffer is empty.
        """
        view = self._view()
        if not view and self.too_old:
            raise InputError(
                f"no program is left to learn from: {self.too_old} so far became older than max_staleness,"
                " and the newest refresh brought none; raise max_staleness or refresh_size"
            )
        if not view and self.zero_advantage:
            raise InputError(
                f"all {self.zero_advantage} programs so far earned what they are compared with, so nothing"
                " can be learned from them: all rewards are equal; take easier problems, more of each,"
                " a better model (warm start), or rl_share below 1 to learn from solutions meanwhile"
            )
        if not view:
            raise InputError("no program could be graded, so nothing can be learned; see `rltf doctor`")
        drawn = []
        for _ in range(count):
            if not self._order:
                self._order = self._shuffled(len(view))
            drawn.append(view[self._order.pop()])
        return drawn

    def groups(self) -> list[list[Rollout]]:
        """The rollouts that can be drawn, by the group that they were sampled in, the oldest group first."""
        found: dict[int, list[Rollout]] = {}
        for each in self._view():
            found.setdefault(each.group, []).append(each)
        return [sorted(group, key=lambda each: each.sample_id) for group in found.values()]

    def staleness(self, step: int) -> float:
        """Mean number of optimiser steps since the rollouts were made; 0 for an empty buffer."""
        view = self._view()
        return sum(step - each.step for each in view) / len(view) if view else 0.0

    def oldest(self, step: int) -> int:
        """Optimiser steps since the oldest rollout that can be drawn was made; 0 for an empty buffer."""
        return max((step - each.step for each in self._view()), default=0)

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain JSON values."""
        return {
            "refreshes": [rows_of(refresh) for refresh in self._refreshes],
            "zero_advantage": self.zero_advantage,
            "too_old": self.too_old,
            "shuffles": self._shuffles,
            "left": len(self._order),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the buffer whose `state` this is; capacity, rule and seed must be the same."""
        self._refreshes = [rollouts_of(refresh) for refresh in state["refreshes"]]
        self.zero_advantage = state["zero_advantage"]
        self.too_old = state.get("too_old", 0)
        self._order, self._shuffles = [], state["shuffles"]
        if state["left"]:
            self._shuffles -= 1
            self._order = self._shuffled(len(self))[: state["left"]]

    def _held(self) -> int:
        return sum(map(len, self._refreshes))

    def _view(self) -> list[Rollout]:
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
