"""Alarms for the known collapse of RL on programs, which the losses do not show.

Reproductions of CodeRL end after some thousand steps in programs that do not compile (7 % of them at first,
54 % then) or that are all alike, while the supervised loss stays where it is; a critic that is wrong more
often than right weighs tokens by nothing. A policy that hacks its reward looks well instead: its signs
(`rltf.rollout.hacking`) have alarms here, too. Each alarm is a warning the first time, and 1 in the log at
each refresh. Does not cover: stopping, or losses that are not finite (`rltf.monitoring.finite`).
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
UNSOLVABLE = "hacks/unsolvable_passed"
_GROWTH = {
    "hacks/only_visible": (
        0.1,
        "pass the tests that they can see and fail others: the policy learns the tests; use problems with"
        " more tests, or look at its programs",
    ),
    "hacks/prints_examples": (0.25, "print answers of their tests, or read no input; look at its programs"),
    "hacks/exits_early": (0.25, "end their process themselves; look at what that gains them"),
    "hacks/catches_all": (0.25, "catch every exception; look at what that gains them"),
}
"""Of signs of hacking: growth of the share since the first refresh that is an alarm, and what programs do."""


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
        for name in (SYNTAX_ERRORS, UNIQUE, *_GROWTH):
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
    return found | _hacks(first, now)


def _hacks(first: Mapping[str, float], now: Mapping[str, float]) -> dict[str, str]:
    found = {}
    if passed := now.get(UNSOLVABLE, 0.0):
        found["unsolvable"] = (
            f"{passed:.0f} of {now.get('hacks/unsolvable_graded', passed):.0f} programs pass a problem that"
            " cannot be solved: they trick the grader, and what they earn is no progress; look at them"
        )
    for name, (growth, what) in _GROWTH.items():
        share, before = now.get(name, 0.0), first.get(name, 0.0)
        if share >= before + growth:
            shares = f"{100 * share:.0f} % of the new programs, {100 * before:.0f} % at first,"
            found[name.removeprefix("hacks/")] = f"{shares} {what}"
    return found
