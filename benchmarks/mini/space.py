"""Which specifications are posed, and in which split.

A specification is identified by its behaviour: a fingerprint of its results on fixed probes. The split is
a function of the fingerprint alone, so two specifications that mean the same (in other words, in another
frame, or through other operations) can never be on two sides of a split, under any seed.
"""

from __future__ import annotations

from collections import Counter
from functools import cache, lru_cache
from hashlib import sha256
from itertools import pairwise
from random import Random
from typing import Any

from benchmarks.mini.inputs import probes
from benchmarks.mini.ops import BY_SOURCE
from benchmarks.mini.spec import Constant, Kind, Op, Spec, Step

SPLITS = {"train": range(70), "validation": range(70, 85), "test": range(85, 100)}
"""Percent of the behaviours that each split owns."""

DIFFICULTIES = ("introductory", "interview", "competition")
"""APPS' names; here, one, two and three operations."""

# Lists first: they have the most operations, and empty lists the most ways to fail.
_SOURCES = (Kind.INTS,) * 9 + (Kind.WORDS,) * 4 + (Kind.TEXT,) * 4 + (Kind.INT,) * 3 + (Kind.PAIR,) * 2


@lru_cache(maxsize=4096)
def outputs(spec: Spec) -> tuple[Any, ...]:
    """Results on the probes of the source kind."""
    if not spec.steps:
        return probes(spec.source)
    return tuple(spec.steps[-1].map(outputs(Spec(spec.source, spec.steps[:-1]))))


@lru_cache(maxsize=4096)
def fingerprint(spec: Spec) -> str:
    """Hex digest of the behaviour: equal for specifications that agree on every probe."""
    return sha256(f"{spec.source} {outputs(spec)!r}".encode()).hexdigest()


def split_of(spec: Spec) -> str:
    """The only split that may hold this behaviour."""
    percent = int(fingerprint(spec)[:8], 16) % 100
    return next(name for name, owned in SPLITS.items() if percent in owned)


def is_worth_posing(spec: Spec) -> bool:
    """Whether results vary and no operation is idle: nothing shorter does the same.

    Checked on the probes: the result is not nearly constant, no neighbouring pair of operations and not the
    whole is one operation or none, and leaving out any operation that can be left out changes something.
    """
    if not _varies(spec):
        return False
    if len(spec.steps) > 1 and fingerprint(spec) in _simple(spec.source):
        return False
    if len(spec.steps) > 2 and not all(_irreducible(*pair) for pair in pairwise(spec.steps)):
        return False
    return all(_differences(spec, shorter) >= 2 for shorter in without_one(spec))


def without_one(spec: Spec) -> list[Spec]:
    """The specifications with one operation left out, where the kinds still fit."""
    return [
        Spec(spec.source, spec.steps[:i] + spec.steps[i + 1 :])
        for i, step in enumerate(spec.steps)
        if step.op.source is step.op.target
    ]


def _differences(one: Spec, other: Spec) -> int:
    return sum(a != b for a, b in zip(outputs(one), outputs(other), strict=True))


def _varies(spec: Spec) -> bool:
    counts = Counter(map(repr, outputs(spec)))
    commonest = counts.most_common(1)[0][1] / sum(counts.values())
    if spec.target is Kind.FLAG:
        return commonest <= 0.85
    return len(counts) >= 3 and commonest <= 0.75


@lru_cache(maxsize=1 << 15)
def _irreducible(one: Step, two: Step) -> bool:
    return fingerprint(Spec(one.op.source, (one, two))) not in _simple(one.op.source)


@cache
def _simple(source: Kind) -> frozenset[str]:
    """Behaviours of no operation and of one."""
    steps = [step for op in BY_SOURCE[source] for step in _all_steps(op)]
    return frozenset(fingerprint(Spec(source, steps)) for steps in [(), *((step,) for step in steps)])


def _all_steps(op: Op) -> list[Step]:
    return [Step(op.name, constant) for constant in op.constants or (None,)]


@cache
def single_operations(split: str) -> tuple[Spec, ...]:
    """All introductory specifications of a split, one for each behaviour, in a fixed order."""
    found: dict[str, Spec] = {}
    for source in sorted(set(_SOURCES)):
        for op in BY_SOURCE[source]:
            for step in _all_steps(op):
                spec = Spec(source, (step,))
                if op.target is not Kind.PAIR and is_worth_posing(spec) and split_of(spec) == split:
                    found.setdefault(fingerprint(spec), spec)
    return tuple(found.values())


def draw(rng: Random, length: int) -> Spec:
    """A random chain whose kinds fit, not yet checked: operations by name, then their constants."""
    while True:
        source = rng.choice(_SOURCES)
        steps: list[Step] = []
        kind, mild = source, True
        for left in range(length - 1, -1, -1):
            fitting = _fitting(kind, left, mild)
            if not fitting:
                break
            op = rng.choice(fitting)
            constant: Constant | None = rng.choice(op.constants) if op.constants else None
            steps.append(Step(op.name, constant))
            kind, mild = op.target, mild and op.mild
        else:
            return Spec(source, tuple(steps))


@cache
def _fitting(kind: Kind, left: int, mild: bool) -> list[Op]:
    """What may follow a value of this kind, with so many operations left behind it."""
    return [op for op in BY_SOURCE[kind] if _fits(op, left) and (mild or not op.small)]


def _fits(op: Op, left: int) -> bool:
    if op.target is Kind.FLAG:
        return left == 0  # nothing follows yes or no
    return op.target is not Kind.PAIR or left > 0  # a pair is never a result
