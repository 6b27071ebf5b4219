"""Which expressions of a check are literals, once their arithmetic is done: `2.0 / 3.0`, `tuple([1, 2])`.

Does not cover: names and calls of anything else; what computes is run with the program, or not at all.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any


def literal(node: ast.expr) -> str | None:
    """The literal that an expression is, its arithmetic done (`2.0 / 3.0`); `None` if it is none."""
    try:
        value = ast.literal_eval(_Folded().visit(ast.parse(ast.unparse(node), mode="eval").body))
        text = repr(value)
        return text if ast.literal_eval(text) == value else None
    except (ValueError, TypeError, SyntaxError, ArithmeticError, MemoryError, RecursionError):
        return None


def number(node: ast.expr) -> int | float | None:
    text = literal(node)
    value = None if text is None else ast.literal_eval(text)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


class _Folded(ast.NodeTransformer):
    """Sums, products and quotients of numbers, done; `tuple([1])` as the tuple that it makes."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        calculate = _ARITHMETIC.get(type(node.op))
        numbers = [each.value for each in (left, right) if _is_number(each)]
        if calculate is None or len(numbers) != 2:
            return ast.BinOp(left, node.op, right)
        return ast.Constant(calculate(*numbers))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        made = ast.unparse(node.func)
        if made not in ("tuple", "list") or len(node.args) != 1 or node.keywords:
            return node
        elements = self.visit(node.args[0])
        if not isinstance(elements, ast.List | ast.Tuple):
            return node
        return (ast.Tuple if made == "tuple" else ast.List)(elements.elts, ast.Load())


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)
