"""Alarms for the known collapse of RL on programs, which the losses do not show.

Reproductions of CodeRL end after some thousand steps in programs that do not compile (7 % of them at first,
54 % then) or that are all alike, while the supervised loss stays where it is; a critic that is wrong more
often than right weighs tokens by nothing. Each alarm is a warning the first time, and 1 in the log at each
refresh. Does not cover: stopping, or losses that are not finite (`rltf.monitoring.finite`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

SYNTAX_ERRORS = "sampled/syntax_error"
UNIQUE = "sampled/unique"
ACCURACY = "critic/accuracy"

_MORE_SYNTAX_ERRORS = 0.25
"""Share of programs: so much above the first refresh is an alarm."""
_FEWER_UNIQUE = 0.5
"""Times the share of the first refresh."""
_USELESS_CRITIC = 0.5


class CollapseAlarms:
    """Compares each refresh with the first that it sees."""

    def __init__(self) -> None:
        self._first: dict[str, float] = {}
        self._warned: set[str] = set()

    def saw(self, metrics: Mapping[str, float], step: int) -> dict[str, float]:
        """What is wrong with the newest programs, by name, for the log; warns of what is new.

        Args:
            metrics: Of the new programs; what is missing raises no alarm.
            step: Optimiser steps so far.
        """
        for name in (SYNTAX_ERRORS, UNIQUE):
            if name in metrics:
                self._first.setdefault(name, metrics[name])
        found = alarms(self._first, metrics)
        for name in found.keys() - self._warned:
            warnings.warn(f"after step {step} {found[name]}", stacklevel=3)
        self._warned |= found.keys()
        return {f"alarm/{name}": 1.0 for name in found}


def alarms(first: Mapping[str, float], now: Mapping[str, float]) -> dict[str, str]:
    """By name a sentence of what has gone wrong since `first`; both are metrics of new programs."""
    found = {}
    syntax, before = now.get(SYNTAX_ERRORS, 0.0), first.get(SYNTAX_ERRORS, 0.0)
    if syntax >= before + _MORE_SYNTAX_ERRORS:
        found["syntax_errors"] = (
            f"{100 * syntax:.0f} % of the new programs do not compile, {100 * before:.0f} % at first: the"
            " policy collapses; take a checkpoint from before, a lower learning_rate, or newer programs"
            " (refresh_every)"
        )
    unique, before = now.get(UNIQUE, 1.0), first.get(UNIQUE, 0.0)
    if unique <= _FEWER_UNIQUE * before:
        found["duplicates"] = (
            f"{100 * unique:.0f} % of a prompt's programs differ, {100 * before:.0f} % at first: the policy"
            " collapses; take a checkpoint from before, or a lower learning_rate"
        )
    accuracy = now.get(ACCURACY)
    if accuracy is not None and accuracy < _USELESS_CRITIC:
        guess = now.get("critic/constant_guess", 0.0)
        found["critic"] = (
            f"the critic is right about {100 * accuracy:.0f} % of the new programs (always the commonest"
            f" class: {100 * guess:.0f} %); train it longer, or on newer programs (critic=refreshed)"
        )
    return found
