"""Objects named by text, `"module:attribute"`: benchmarks, formats, profiles, checkers, methods, rewards.

Does not cover: which names exist, or whether what is found is of the right kind; callers say that.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class TargetError(Exception):
    """There is nothing of that name; the text says why."""


def load_target(target: str) -> Any:
    """What `"module:attribute"` names.

    Raises:
        TargetError: If the module can't be imported, or has no such attribute.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise TargetError(f"{error}{_advice(error, module)}") from error


def _advice(error: Exception, module: str) -> str:
    """What to do where the named module itself is not found, not one that it imports."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing is None or not f"{module}.".startswith(f"{missing}."):
        return ""
    return f"; put the folder that holds {missing.partition('.')[0]} on PYTHONPATH"
