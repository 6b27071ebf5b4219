"""Values of JSON that may be anything: what is not of the kind that is asked for counts as empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard


def mapping(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """A string, or an empty one."""
    return value if isinstance(value, str) else ""


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether it is a number that can be drawn: finite, and no integer beyond all floats."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
