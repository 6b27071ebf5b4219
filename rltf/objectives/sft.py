"""Supervised training on the benchmark's own solutions: no rollouts, cross-entropy over all target tokens."""

from __future__ import annotations

from typing import ClassVar

from rltf.objectives.base import Objective


class SFT(Objective):
    """Learns solutions alone; options of the other objectives change nothing."""

    needs_always: ClassVar[frozenset[str]] = frozenset()

    @property
    def supervised_weight(self) -> float:
        """There is nothing beside it."""
        return 1.0
