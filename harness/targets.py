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
        raise TargetError(str(error)) from error
