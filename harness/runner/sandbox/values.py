"""Return values as plain data: encoded in the program's process, decoded in the worker's.

Types are kept (a tuple is not a list, True is not 1), so that a comparison can be strict. Subclasses
travel as the plain type they extend, read through that type's own methods and never through an
overridden one: an object whose `__eq__` is always true arrives as what it holds, or as `Opaque`.

Covers: None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict and its views,
range, deque, Fraction, Decimal, numpy scalars. Anything else, and anything nested deeper than
`MAX_DEPTH`, is `Opaque`: equal to nothing.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal
    from fractions import Fraction

MAX_DEPTH = 200
"""Deeper values are refused: plain recursion must be safe on both sides."""
MAX_NODES = 5_000_000
"""A list that holds itself twice would otherwise be walked for ever."""

_BIG = 1 << 63
_MAX_COLLISION_COST = 1_000_000
"""Parts to compare, at most, of members of a set that share a hash: some honest ones do, since -1 and -2 do,
and so do tuples of them. Comparing two parts takes up to a microsecond."""
_MAX_BYTES = 256 << 20
"""What a decoded value may take: an empty deque takes 70 times what it takes on the wire."""
_BYTES = {"q": 700, "d": 240, "s": 230, "f": 230, "l": 64, "t": 56, "F": 160, "D": 110, "r": 150}
"""Memory of a value with no part in it, by tag; 32 for the rest."""
_MAX_FRACTION_DIGITS = 50_000
"""Reducing a fraction takes the square of its length."""


class TooLargeError(Exception):
    """The value has more parts than `MAX_NODES`."""


def encode(value: object) -> Any:
    """Turn a value into JSON-able data.

    Raises:
        TooLargeError: If the value has more than `MAX_NODES` parts.
    """
    return _Encoder().encode(value, 0)


class _Encoder:
    def __init__(self) -> None:
        self.nodes = 0

    def encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str or kind is bool or value is None or kind is float:
            return value
        if kind is int:
            return value if -_BIG < value < _BIG else ["i", hex(value)]
        if depth >= MAX_DEPTH:
            return ["o", "a value nested too deeply"]
        if kind is list:
            return ["l", self._items(value, depth)]
        if kind is tuple:
            return ["t", self._items(value, depth)]
        return self._encode_other(value, kind, depth)

    def _items(self, items: Any, depth: int) -> list[Any]:
        out = [self.encode(item, depth + 1) for item in items]
        self.nodes += len(out)
        if self.nodes > MAX_NODES:
            raise TooLargeError
        return out

    def _encode_other(self, value: Any, kind: type, depth: int) -> Any:
        # Every read goes through the base type's own method: `kind` may override its own.
        if issubclass(kind, dict):
            pairs = [(key, dict.__getitem__(value, key)) for key in dict.__iter__(value)]
            return ["d", [self._items(pair, depth) for pair in pairs]]
        for base, tag, iterate in _COLLECTIONS:
            if issubclass(kind, base):
                return [tag, self._items(iterate(value), depth)]
        return _encode_scalar(value, kind)


def _encode_scalar(value: Any, kind: type) -> Any:
    if issubclass(kind, int):
        return encode(int.__add__(value, 0))
    if issubclass(kind, float):
        return float.__add__(value, 0.0)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes | bytearray):
        return ["b", bytes(memoryview(value)).decode("latin-1")]
    if issubclass(kind, complex):
        # Not by adding 0, which loses the sign of a zero.
        return ["c", *(part.__get__(value) for part in (complex.__dict__["real"], complex.__dict__["imag"]))]
    if kind is range:
        return ["r", *(encode(part) for part in (value.start, value.stop, value.step))]
    if kind is _loaded("fractions", "Fraction"):
        return ["F", hex(value.numerator), hex(value.denominator)]
    if kind is _loaded("decimal", "Decimal"):
        return ["D", kind.__str__(value)]
    if kind.__module__ == "numpy" and hasattr(kind, "item") and kind.__name__ != "ndarray":
        return encode(value.item())
    return ["o", f"{kind.__module__}.{kind.__qualname__}"[:200]]


def _loaded(module: str, name: str) -> Any:
    """A class of a module that the program has imported, if it has: importing it here costs every fork."""
    return getattr(sys.modules.get(module), name, None)


_COLLECTIONS: tuple[tuple[Any, str, Any], ...] = (
    (list, "l", list.__iter__),
    (tuple, "t", tuple.__iter__),
    (set, "s", set.__iter__),
    (frozenset, "f", frozenset.__iter__),
    (deque, "q", deque.__iter__),
    (type({}.keys()), "s", iter),
    (type({}.items()), "s", iter),
)


def decode(data: Any, opaque: Callable[[str], Any] | None = None) -> Any:
    """Turn `encode`'s result back into a value.

    Args:
        data: What `encode` returned, or what a program forged.
        opaque: Makes the stand-in for a part that is no plain data, from its type's name.

    Raises:
        ValueError, TypeError, LookupError, ArithmeticError, RecursionError: If the data is forged.
    """

    left = _MAX_BYTES

    def walk(data: Any) -> Any:
        nonlocal left
        if not isinstance(data, list):
            if isinstance(data, dict):
                raise TypeError("no value is encoded as a JSON object")
            return data
        tag, rest = data[0], data[1:]
        left -= _BYTES.get(tag, 32) if isinstance(tag, str) else 0
        if left < 0:
            raise ValueError(f"a value of more than {_MAX_BYTES >> 20} MiB")
        if tag == "l":
            return [walk(item) for item in rest[0]]
        if tag == "t":
            return tuple(walk(item) for item in rest[0])
        if tag == "d":
            pairs = [(walk(key), walk(item)) for key, item in rest[0]]
            _refuse_collisions([key for key, _ in pairs])
            return dict(pairs)
        if tag in _SETS:
            items = [walk(item) for item in rest[0]]
            _refuse_collisions(items)
            return _SETS[tag](items)
        if tag == "q":
            return deque(walk(item) for item in rest[0])
        if tag == "o" and opaque is not None:
            return opaque(str(rest[0]))
        return _SCALARS[tag](*rest)

    return walk(data)


def _decode_decimal(text: str) -> Decimal:
    if len(text) > 10_000:
        raise ValueError("a decimal of this size was not computed by an honest program")
    from decimal import Decimal  # noqa: PLC0415 - not in a fork server, see `_loaded`

    return Decimal(text)


def _refuse_collisions(items: Sequence[Any]) -> None:
    """Refuse what was made to share one hash: a set of it takes minutes, and that in the worker's process.

    Building a set is one call into C, and so is comparing its members: no clock interrupts either.
    """
    groups: dict[int, list[Any]] = {}
    for item in items:
        groups.setdefault(hash(item), []).append(item)
    if len(groups) == len(items):
        return
    cost = 0
    for group in groups.values():
        if len(group) > 1:
            # Each is compared with those before it, part by part.
            pairs = len(group) * (len(group) - 1) // 2
            cost += pairs * _cost_of_comparing(group) if pairs <= _MAX_COLLISION_COST else pairs
            if cost > _MAX_COLLISION_COST:
                raise ValueError("members of a set that were made to have the same hash")


def _cost_of_comparing(group: Sequence[Any]) -> int:
    """How many parts are compared, at most, where two of a group are, a long part counting as several.

    With a Decimal among them, a whole number is made one to be compared, which takes the square of its
    length, half a minute for a mebibyte.
    """
    most, longest, decimals = 0, 0, False
    for item in group:
        parts, bits, decimal = _parts(item)
        most, longest, decimals = max(most, parts), max(longest, bits), decimals or decimal
    return most * (1 + (longest >> 6) ** 2) if decimals else most


def _parts(item: Any) -> tuple[int, int, bool]:
    """Parts of a member of a set, itself included; bits of its longest number; whether it has a Decimal.

    Counts no further than `_MAX_COLLISION_COST`.
    """
    decimal = _loaded("decimal", "Decimal")
    pending, count, longest, decimals = [(item, 1)], 0, 0, False
    while pending and count <= _MAX_COLLISION_COST:
        part, times = pending.pop()
        count += times
        if isinstance(part, tuple | frozenset):
            # Each member of one frozenset may be compared with each of the other, whose hash may be the same.
            times *= len(part) if isinstance(part, frozenset) else 1
            pending.extend((each, times) for each in part)
        elif isinstance(part, str | bytes):
            count += times * (len(part) >> 6)
        elif decimal is not None and isinstance(part, decimal):
            decimals = True
        elif hasattr(part, "numerator"):
            bits = max(part.numerator.bit_length(), part.denominator.bit_length())
            count += times * (bits >> 9)
            longest = max(longest, bits)
    return count, longest, decimals


def _decode_fraction(top: str, bottom: str) -> Fraction:
    if len(top) + len(bottom) > _MAX_FRACTION_DIGITS:
        raise ValueError("a fraction of this size was not computed by an honest program")
    from fractions import Fraction  # noqa: PLC0415 - not in a fork server, see `_loaded`

    return Fraction(int(top, 16), int(bottom, 16))


_SETS: dict[str, Callable[[Iterable[Any]], Any]] = {"s": set, "f": frozenset}
_SCALARS: dict[str, Callable[..., Any]] = {
    "i": lambda text: int(text, 16),
    "b": lambda text: text.encode("latin-1"),
    "c": complex,
    "r": lambda *parts: range(*map(decode, parts)),
    "F": _decode_fraction,
    "D": _decode_decimal,
}
