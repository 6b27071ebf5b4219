"""Checking an option against the values that its type names."""

from __future__ import annotations

from typing import Any, get_args


def check_choice(name: str, value: str, choices: Any) -> None:
    """Refuse an option that is none of a `Literal`'s values: most of them would pass for the other one.

    Raises:
        ValueError: With the choices.
    """
    if value not in get_args(choices):
        raise ValueError(f"{name} is {value!r}; choose one of: {', '.join(get_args(choices))}")
