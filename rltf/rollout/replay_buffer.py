"""The online buffer: the newest programs of the policy with what the runner said of them.

Covers: the paper's queue and the released code's pool, drawing without replacement, plain data for a
checkpoint. Drawing is a function of seed and contents, so that a resumed run draws what a straight one does.
Does not cover: where programs come from (`rltf.rollout.rollout`), or what is trained on (`rltf.data.batch`).
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.errors import InputError
from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rewards.rltf import Reward
from rltf.rollout.shuffle import shuffled

RULES = ("queue", "released")


@dataclass(frozen=True, slots=True)
class Experience:
    """One program of the policy, graded."""

    task_id: str
    prompt: tuple[int, ...]
    """Token ids that the model read."""
    ids: tuple[int, ...]
    """Token ids that the model wrote, as they were sampled: what is trained on. They end with what ended the
    answer (the end token, a stop string's tokens), or with the program where more than that followed it."""
    log_probs: tuple[float, ...]
    """Of each token under the policy that wrote it, at temperature 1 and without top-p or top-k (the model's
    own distribution, which is the one that is trained); nats, float32."""
    span: tuple[bool, ...]
    """Per token, whether the fine-grained reward goes to it."""
    truncated: bool
    """The length limit ended the answer."""
    feedback: Feedback
    """Of the runner; its line is a line of the answer."""
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
        self.neutral = 0
        """Programs so far that were left out, since their rewards were all nought."""
        self._shuffles = 0
        self._order: list[int] = []
        """Places in the view that are still to be handed out, the next last."""

    def __len__(self) -> int:
        return len(self._view())

    def add(self, new: Sequence[Experience], *, neutral: int = 0) -> None:
        """Take in one refresh; whatever was left to be drawn is shuffled anew with it.

        Args:
            new: Programs.
            neutral: How many more there were, of which nothing could be learned.
        """
        self.neutral += neutral
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
        if not view and self.neutral:
            raise InputError(
                f"all {self.neutral} programs so far earned what they are compared with, so nothing can be"
                " learned from them: all rewards are equal; take easier problems, more programs of each, a"
                " better model (warm start), or rl_share below 1 to learn from solutions meanwhile"
            )
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
            "refreshes": [[row_of(each) for each in refresh] for refresh in self._refreshes],
            "neutral": self.neutral,
            "shuffles": self._shuffles,
            "left": len(self._order),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the buffer whose `state` this is; capacity, rule and seed must be the same."""
        self._refreshes = [[experience_of(each) for each in refresh] for refresh in state["refreshes"]]
        self.neutral = state["neutral"]
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


def row_of(experience: Experience) -> dict[str, Any]:
    """Plain JSON values; sequences over tokens are packed, since a buffer holds millions of them."""
    packed = {name: _packed(code, getattr(experience, name)) for name, code in _PACKED.items()}
    kept = {name: getattr(experience, name) for name in _PLAIN}
    return {
        **kept,
        **packed,
        "feedback": asdict(experience.feedback),
        "reward": asdict(experience.reward),
    }


def experience_of(row: Mapping[str, Any]) -> Experience:
    """An experience from the plain values that `row_of` made of it."""
    values: dict[str, Any] = {name: row[name] for name in _PLAIN}
    values |= {name: _unpacked(code, row[name]) for name, code in _PACKED.items()}
    values["span"] = tuple(map(bool, values["span"]))
    return Experience(**values, feedback=feedback_of(row["feedback"]), reward=Reward(**row["reward"]))


_PLAIN = ("task_id", "truncated", "temperature", "step")
_PACKED = {"prompt": "i", "ids": "i", "log_probs": "f", "span": "b"}
"""Codes of `array`: 4-byte integers, 4-byte floats, bytes."""


def _packed(code: str, values: Sequence[float]) -> str:
    packed = array(code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return b64encode(packed.tobytes()).decode("ascii")


def _unpacked(code: str, text: str) -> tuple[Any, ...]:
    packed = array(code)
    packed.frombytes(b64decode(text))
    if sys.byteorder == "big":
        packed.byteswap()
    return tuple(packed)


def feedback_of(row: Mapping[str, Any]) -> Feedback:
    """Feedback from the plain values that `dataclasses.asdict` made of it."""
    return Feedback(**{**row, "category": Category(row["category"]), "scope": Scope(row["scope"])})
