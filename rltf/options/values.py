"""Reading an option's value from text, by the type that its field is annotated with.

Covers: bool, int, float, str, enumerations, `Literal`, `None`, lists, tuples and dictionaries of those, and
unions of them, of which the first that the text can be is taken: `None`, bool, int, float, words, text.
Does not cover: which values make sense (`rltf.bounds`). Nothing in the text is run.
"""

from __future__ import annotations

import json
import math
import re
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from harness.errors import InputError

_BOOLS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_NONE = ("none", "null")
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_ORDER = (NoneType, bool, int, float)
"""Of a union's members; what is none of these comes after."""


class _NoSuchValueError(Exception):
    """The text is no value of this type; the message says what would be."""


def read_value(name: str, text: str, kind: Any) -> Any:
    """The value that `text` is for an option annotated with `kind`.

    Raises:
        InputError: If it is none.
    """
    try:
        return _read(text.strip(), kind)
    except _NoSuchValueError as error:
        raise InputError(f"{name} must be {error}, got {text!r}") from None


def _read(text: str, kind: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _read_union(text, get_args(kind))
    if origin is Literal:
        return _read_word(text, {str(value): value for value in get_args(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _read_word(text, {str(each.value): each.value for each in kind})
    if origin in (list, tuple) or kind in (list, tuple):
        return _read_items(text, origin or kind, get_args(kind))
    if origin is dict or kind is dict:
        return _read_object(text)
    reader = _READERS.get(kind)
    if reader is None:
        raise _NoSuchValueError("set from Python: it has no value that can be written here")
    return reader(text)


def _read_union(text: str, kinds: tuple[Any, ...]) -> Any:
    """The first member that the text can be; any text is one only where no enumeration stands beside it."""
    words = any(isinstance(kind, type) and issubclass(kind, Enum) for kind in kinds)
    left = [kind for kind in kinds if not (words and kind is str)]
    left.sort(key=lambda kind: _ORDER.index(kind) if kind in _ORDER else len(_ORDER) + (kind is str))
    expected = []
    for kind in left:
        try:
            return _read(text, kind)
        except _NoSuchValueError as error:
            expected.append(str(error))
    raise _NoSuchValueError(" or ".join(dict.fromkeys(expected)))


def _read_none(text: str) -> None:
    if text.lower() not in _NONE:
        raise _NoSuchValueError("none")


def _read_bool(text: str) -> bool:
    if text.lower() not in _BOOLS:
        raise _NoSuchValueError("true or false")
    return _BOOLS[text.lower()]


def _read_int(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise _NoSuchValueError("a whole number")
    return int(text)


def _read_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise _NoSuchValueError("a number")
    return value


def _read_str(text: str) -> str:
    """A bare word, or a JSON string."""
    if text.startswith('"'):
        found = _json(text)
        if isinstance(found, str):
            text = found
    if not text or "\0" in text or not text.isprintable():
        raise _NoSuchValueError("a word")
    return text


_READERS = {NoneType: _read_none, bool: _read_bool, int: _read_int, float: _read_float, str: _read_str}


def _read_word(text: str, words: dict[str, Any]) -> Any:
    word = _read_str(text)
    if word not in words:
        raise _NoSuchValueError(f"one of {', '.join(words)}")
    return words[word]


def _read_items(text: str, origin: Any, kinds: tuple[Any, ...]) -> Any:
    """A JSON list, or one value for a list of one."""
    found = _json(text)
    items = found if isinstance(found, list) else [text]
    kind = kinds[0] if kinds else str
    return origin(_read(each if isinstance(each, str) else json.dumps(each), kind) for each in items)


def _read_object(text: str) -> dict[str, Any]:
    found = _json(text)
    if not isinstance(found, dict):
        raise _NoSuchValueError('a JSON object such as {"name": 1}')
    return found


def _json(text: str) -> Any:
    """What the text is as JSON; `None` if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
