"""Wrong programs for `evalplus_parity.py`: reference solutions with one thing changed, the same in each run.

Covers: changed operators, comparisons, constants and conditions, statements left out, broken syntax, and
programs that raise, exit, or return nothing, another type, nearly the right number, or an object equal to
all.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

EQUAL_TO_ALL = "equal to all"
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.FloorDiv, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And, ast.Is: ast.IsNot,
}  # fmt: skip
_AROUND = {
    "raises": "def {name}(*args):\n    raise ValueError(args)\n",
    "exits": "def {name}(*args):\n    raise SystemExit(0)\n",
    "returns nothing": "def {name}(*args):\n    return None\n",
    "no such function": "del {name}\n",
    "another type": (
        "_inner = {name}\n\ndef {name}(*args):\n    value = _inner(*args)\n"
        "    for one, other in ((bool, int), (int, float), (list, tuple), (tuple, list), (float, str)):\n"
        "        if type(value) is one:\n            return other(value)\n    return str(value)\n"
    ),
    "nearly": (
        "_inner = {name}\n\ndef {name}(*args):\n    value = _inner(*args)\n"
        "    return value + 5e-7 if isinstance(value, (int, float)) else value\n"
    ),
    EQUAL_TO_ALL: (
        "class _Equal:\n    def __eq__(self, other):\n        return True\n    __hash__ = None\n\n"
        "def {name}(*args):\n    return _Equal()\n"
    ),
}
"""Appended to the reference."""


@dataclass(frozen=True)
class Mutant:
    """A program that is probably wrong."""

    kind: str
    code: str


def mutant(reference: str, name: str, seed: str) -> Mutant:
    """One of a reference solution.

    Args:
        reference: A whole program.
        name: Its function.
        seed: The same gives the same; another mostly another.
    """
    draw = random.Random(seed)
    if draw.random() < 0.3:
        kind = draw.choice([*_AROUND, "syntax"])
        if kind == "syntax":
            return Mutant(kind, reference[: draw.randrange(len(reference))].rstrip() + "\n(\n")
        return Mutant(kind, f"{reference}\n\n{_AROUND[kind].format(name=name)}")
    changes = list(_changes(ast.parse(reference)))
    if not changes:
        return Mutant("returns nothing", f"{reference}\n\n{_AROUND['returns nothing'].format(name=name)}")
    kind, tree = draw.choice(changes)
    return Mutant(kind, ast.unparse(ast.fix_missing_locations(tree)) + "\n")


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    for place, node in enumerate(ast.walk(tree)):
        for kind, change in _of(node):
            copied = copy.deepcopy(tree)
            change(list(ast.walk(copied))[place])
            yield kind, copied


def _of(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    match node:
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in _SWAPS:
            yield "operator", lambda each: setattr(each, "op", _SWAPS[type(op)]())
        case ast.Compare(ops=[op, *_]) if type(op) in _SWAPS:
            yield "comparison", lambda each: each.ops.__setitem__(0, _SWAPS[type(op)]())  # type: ignore[attr-defined]
        case ast.Constant(value=bool() | int() | float() as value):
            yield "constant", lambda each: setattr(each, "value", value + 1)
        case ast.If():
            yield "condition", lambda each: setattr(each, "test", ast.UnaryOp(ast.Not(), each.test))  # type: ignore[attr-defined]
        case ast.FunctionDef(body=[_, _, *_] as body):
            for number in range(len(body)):
                yield "statement left out", lambda each, number=number: each.body.pop(number)
