"""Hold JSON values against a `TypedDict`, so that a file is refused by the name of the field that is wrong.

Covers: nested TypedDicts, `dict[str, X]`, `list[X]`, unions, plain values; fields that nobody declared are
let through, since newer versions may write them. Does not cover: what a value means.
"""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict


def wrong_field(value: object, kind: Any, name: str = "") -> str | None:
    """Dotted name of the first field of `value` that is not what `kind` says; `None` if all are.

    Args:
        value: As `json.loads` gives it.
        kind: A TypedDict, or a type that one of its fields may have.
        name: Of the value itself.
    """
    if kind is Any:
        return None
    if is_typeddict(kind):
        return _wrong_in_record(value, kind, name)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        wrong = [wrong_field(value, each, name) for each in arguments]
        # What is wrong inside the one alternative that is a container says more than the container's name.
        return None if None in wrong else max((each for each in wrong if each is not None), key=len)
    if origin is dict:
        return _wrong_in_items(value, arguments[1], name) if isinstance(value, dict) else name
    if origin is list:
        items = dict(enumerate(value)) if isinstance(value, list) else None
        return name if items is None else _wrong_in_items(items, arguments[0], name)
    return None if _is_plain(value, kind) else name


def _wrong_in_record(value: object, kind: Any, name: str) -> str | None:
    if not isinstance(value, dict):
        return name
    for field, (needed, expected) in _fields(kind).items():
        if field in value:
            wrong = wrong_field(value[field], expected, _joined(name, field))
            if wrong is not None:
                return wrong
        elif needed:
            return _joined(name, field)
    return None


def _wrong_in_items(items: dict[Any, object], kind: Any, name: str) -> str | None:
    found = (wrong_field(value, kind, _joined(name, key)) for key, value in items.items())
    return next((wrong for wrong in found if wrong is not None), None)


@cache
def _fields(kind: Any) -> dict[str, tuple[bool, Any]]:
    """By name: whether the field must be there, and its type."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field: (False, get_args(hint)[0]) if get_origin(hint) is NotRequired else (True, hint)
        for field, hint in hints.items()
    }


def _is_plain(value: object, kind: Any) -> bool:
    if isinstance(value, bool):  # which Python counts as a number, and JSON does not
        return kind is bool
    return isinstance(value, (int, float) if kind is float else NoneType if kind is None else kind)


def _joined(name: str, field: object) -> str:
    return f"{name}.{field}" if name else str(field)
