"""MBPP+'s inputs: tuples, sets and complex numbers, which its JSON has as lists and texts; their spelling.

Which task has which is EvalPlus' (evalplus/data/mbpp.py, `mbpp_deserialize_inputs`): the rows do not say.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Convert = Callable[[list[Any]], Any]
"""From the arguments of one call, as JSON has them, to what they are meant to be."""


def _each(args: list[Any]) -> list[Any]:
    return [tuple(arg) for arg in args]


def _in_each(args: list[Any]) -> list[Any]:
    return [[tuple(item) for item in arg] for arg in args]


def _each_of_tuples(args: list[Any]) -> list[Any]:
    return [tuple(tuple(item) for item in arg) for arg in args]


def _in_first(args: list[Any]) -> list[Any]:
    return [[tuple(item) for item in args[0]], args[1]]


def _first(args: list[Any]) -> list[Any]:
    return [tuple(args[0]), args[1]]


def _first_of_three(args: list[Any]) -> list[Any]:
    return [tuple(args[0]), args[1], args[2]]


def _second(args: list[Any]) -> list[Any]:
    return [args[0], tuple(args[1])]


def _sets(args: list[Any]) -> list[Any]:
    # An empty one is a dictionary in EvalPlus as well.
    return [[set(item) if isinstance(item, list) and item else {} for item in args[0]]]


def _tuple_of_lists_as_tuples(args: list[Any]) -> list[Any]:
    return [tuple(tuple(item) if isinstance(item, list) else item for item in args[0])]


def _values(args: list[Any]) -> list[Any]:
    return [{key: tuple(value) for key, value in args[0].items()}, *args[1:]]


def _all(value: Any) -> Any:
    return tuple(_all(item) for item in value) if isinstance(value, list) else value


_TASKS: tuple[tuple[Convert, tuple[int, ...]], ...] = (
    (
        _each,
        (2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740,
         744, 809),
    ),
    (_in_each, (63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780)),
    (_in_first, (75, 413, 444, 753)),
    (_second, (106, 750)),
    (_sets, (115,)),
    (lambda args: [float(args[0]), complex(args[1])], (124,)),
    (_first, (250, 405, 446, 617, 720, 763, 808)),
    (lambda args: [complex(args[0])], (252,)),
    (_each_of_tuples, (259, 401, 445)),
    (_tuple_of_lists_as_tuples, (278,)),
    (_first_of_three, (307,)),
    (_all, (580, 615, 791)),
    (_values, (722,)),
)  # fmt: skip
_BY_TASK = {number: convert for convert, numbers in _TASKS for number in numbers}


def typed_inputs(number: int, inputs: list[Any]) -> list[Any]:
    """The argument lists of a task of MBPP+, by its number."""
    convert = _BY_TASK.get(number)
    return inputs if convert is None else [list(convert(args)) for args in inputs]


def spelled(value: Any) -> str:
    """A Python expression for plain data; without names, which a program could have redefined."""
    match value:
        case bool() | None | str() | int() | float() | complex():
            return _spelled_scalar(value)
        case list():
            return f"[{', '.join(map(spelled, value))}]"
        case tuple():
            return f"({''.join(f'{spelled(item)}, ' for item in value)})"
        case set():
            return f"{{{', '.join(sorted(map(spelled, value))) or '*()'}}}"
        case dict():
            return f"{{{', '.join(f'{spelled(key)}: {spelled(item)}' for key, item in value.items())}}}"
    raise TypeError(f"no plain data: {type(value).__name__}")


def _spelled_scalar(value: Any) -> str:
    if isinstance(value, float):
        return _spelled_float(value)
    if isinstance(value, complex):
        return f"({_spelled_float(value.real)}+{_spelled_float(value.imag)}*1j)"
    # Long integers are written and read in decimal up to a limit only.
    return hex(value) if isinstance(value, int) and value.bit_length() > 2000 else repr(value)


def _spelled_float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    if math.isnan(value):
        return "(1e999-1e999)"
    return "1e999" if value > 0 else "(-1e999)"
