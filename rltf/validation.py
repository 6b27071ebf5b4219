"""Checking options: against the values that their type names, and against a table of what exists.

Does not cover: bounds of numbers (`rltf.bounds`). Importing this costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from harness.errors import InputError
from harness.targets import TargetError, load_target


def check_choice(name: str, value: str, choices: Any) -> None:
    """Refuse an option that is none of a `Literal`'s values: most of them would pass for the other one.

    Raises:
        ValueError: With the choices.
    """
    if value not in get_args(choices):
        raise ValueError(f"{name} is {value!r}; choose one of: {', '.join(get_args(choices))}")


def find_class(kind: str, name: str, table: Mapping[str, str]) -> Any:
    """The class that `name` stands for.

    Args:
        kind: What it is, for the message: `method`, `reward term`.
        name: A key of `table`, or `module:attribute` of a class of the user's own.
        table: Name to `module:attribute`. Strings, so that a name can be listed without importing torch.

    Raises:
        InputError: If there is none.
    """
    target = name if ":" in name else table.get(name)
    if target is None:
        raise InputError(
            f"unknown {kind} {name!r}; available: {', '.join(table)}, or 'module:class' of your own"
        )
    try:
        return load_target(target)
    except TargetError as error:
        raise InputError(f"{kind} {name!r}: cannot load {target} ({error})") from error
