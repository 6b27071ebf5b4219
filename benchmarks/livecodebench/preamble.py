"""What LiveCodeBench's grader imports before every program, which published solutions rely on.

Does not cover: its recursion limit of 50,000, which programs here have to set themselves.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from harness.types import PreamblePart

STARRED = (
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics",
    "itertools", "functools", "operator", "io", "sys", "json", "builtins", "typing",
)  # fmt: skip
"""Modules whose names are imported one and all, in this order: some hide those of others."""
_NAMED = tuple(name for name in STARRED if name not in ("builtins", "typing"))
"""Modules imported under their own names, after that."""


@cache
def make_preamble() -> tuple[PreamblePart, ...]:
    """One part for each module, so that a program is run without those that it has no use for."""
    starred = [PreamblePart(f"from {name} import *\n", _public_names(name)) for name in STARRED]
    return (*starred, *(PreamblePart(f"import {name}\n", (name,)) for name in _NAMED))


def _public_names(name: str) -> tuple[str, ...]:
    """What `from name import *` brings."""
    module = import_module(name)
    names = getattr(module, "__all__", None) or [each for each in vars(module) if not each.startswith("_")]
    return tuple(names)
