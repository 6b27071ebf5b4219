"""Splitting a benchmark's asserts, so that what is expected stays out of the program's process.

`assert f(1) == [2]` becomes the expression `f(1)`, which goes in, and the value `[2]`, which stays with
the worker. Splits: a comparison by `==` or `is` with a literal on one side, `assert f(x)` and
`assert not f(x)` of the program's own function. Everything else (3 of MBPP's 2,938 asserts; what compares by
itself, as a helper of the benchmark's does in `assert is_same(f(x), [1, 2])`) must run inside, and is
recorded so.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from harness.compare import Opaque


@dataclass(frozen=True, slots=True)
class Split:
    """An assert in two halves."""

    expression: str
    """To evaluate in the program's namespace."""
    expected: Any
    """Plain data, to compare the value with."""
    identical: bool = False
    """Whether the assert compares by identity (`is None`)."""
    ran_inside: bool = False
    """What is expected comes of the expression too, so the program's process learns it."""


def split(source: str, brought: Collection[str] = ()) -> Split | None:
    """Split one assert statement; `None` if it can't be.

    Args:
        source: The statement.
        brought: Names that the benchmark defines, and not the program: a call of one may be a comparison.
    """
    try:
        (statement,) = ast.parse(source.strip()).body
        return _split(statement.test, brought) if isinstance(statement, ast.Assert) else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deep to be read
        return None


def _split(test: ast.expr, brought: Collection[str]) -> Split | None:
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _split_comparison(test, brought)
    negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    inner = test.operand if isinstance(test, ast.UnaryOp) and negated else test
    if _calls_program(inner, brought):
        return Split(f"not not ({ast.unparse(inner)})", not negated)
    return None


def _split_comparison(test: ast.Compare, brought: Collection[str]) -> Split | None:
    left, operator, right = test.left, test.ops[0], test.comparators[0]
    if not isinstance(operator, ast.Eq | ast.Is):
        return None
    # The literal may stand on either side: `assert 3 == f(1)`.
    for expression, literal in ((left, right), (right, left)):
        expected = _literal(literal)
        if expected is not _NO_LITERAL:
            if _compares(expression, expected, brought):
                return None
            return Split(ast.unparse(expression), expected, isinstance(operator, ast.Is))
    return None


def _compares(expression: ast.expr, expected: Any, brought: Collection[str]) -> bool:
    """Whether what would go in compares by itself, so that the literal is no more than what comes of that.

    As in `is_same(f(1), [2]) == True`, `(f(1) == 2) is True`, `f(1) - 2 == 0`: what is expected stands in it.
    """
    if isinstance(expected, bool) and not _calls_program(expression, brought):
        return True
    # A helper may say so by a number too: `is_same(f(1), [2]) == 1`.
    if type(expected) in (int, float) and expected in (0, 1) and isinstance(expression, ast.Call):
        name = expression.func.id if isinstance(expression.func, ast.Name) else ""
        if not hasattr(builtins, name) and not _calls_program(expression, brought):
            return True
    return any(
        _is_comparison(node, brought) or _gives_away(node, expected, brought) for node in ast.walk(expression)
    )


def _gives_away(node: ast.AST, expected: Any, brought: Collection[str]) -> bool:
    """Whether it combines the program's answer with a literal, and what is expected is that, or nothing left.

    As in `f(1) & {1, 2} == {1, 2}`, `f(1) / 2.5 == 1`, `{1, 2}.difference(f(1)) == set()`: an answer passes
    these by its operator or method alone, which is handed the literal.
    """
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv):
        parts, known = [node.left, node.right], expected == 1
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        parts, known = [node.left, node.right], False
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _METHODS
        and not _is_programs(node.func, brought)
    ):
        parts, known = [node.func.value, *_arguments(node)], not expected
    else:
        return False
    literals = [value for value in map(_literal, parts) if value is not _NO_LITERAL]
    return any(map(_calls, parts)) and any(known or expected == value for value in literals)


_METHODS = frozenset(
    name
    for kind in (bytes, dict, frozenset, list, set, str, tuple)
    for name in dir(kind)
    if not name.startswith("__")
)
"""What a value of the program's may answer for, or a literal with it; not the methods of its own classes."""


def _is_comparison(node: ast.AST, brought: Collection[str]) -> bool:
    if isinstance(node, ast.BinOp):
        # The difference of two numbers, or sets, is what isn't equal in them.
        return isinstance(node.op, ast.Sub | ast.BitXor) and any(map(_calls, (node.left, node.right)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in brought:
        return _calls(*_arguments(node))
    return isinstance(node, ast.Compare | ast.BoolOp | ast.Lambda)


def _calls(*nodes: ast.AST) -> bool:
    """Whether something is called in them, and no literal made."""
    return any(_calls_more(part) for node in nodes for part in ast.walk(node))


def literal(source: str) -> Any:
    """The value of a literal as `split` reads one; `Opaque`, which nothing equals, if it is none."""
    try:
        return _literal(ast.parse(source.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _NO_LITERAL


_NO_LITERAL: Any = Opaque("no literal")
_CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    make.__name__: make for make in (set, frozenset, list, tuple, dict, float, complex)
}


def _literal(node: ast.expr) -> Any:
    """The value of a literal, or of a call such as `set([1])` or `float('inf')` on literals."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        make = _CONSTRUCTORS.get(node.func.id)
        args = [_literal(arg) for arg in node.args]
        if make is not None and not any(arg is _NO_LITERAL for arg in args):
            try:
                return make(*args)
            except (TypeError, ValueError):
                return _NO_LITERAL
    return _NO_LITERAL


def _calls_program(node: ast.expr, brought: Collection[str]) -> bool:
    """Whether the expression is a call of the program's own function, on plain values.

    `isclose(f(1), 2.5)` compares, whoever brought `isclose`: of a call within a call, one holds what is
    expected.
    """
    return isinstance(node, ast.Call) and _is_programs(node.func, brought) and not _calls(*_arguments(node))


def _is_programs(function: ast.expr, brought: Collection[str]) -> bool:
    """Whether it is a name that nobody else defines, or a method of a new object, as in `Solution().f`."""
    if isinstance(function, ast.Attribute):
        made = function.value
        if not isinstance(made, ast.Call) or not isinstance(made.func, ast.Name) or _arguments(made):
            return False
        return not function.attr.startswith("__") and _is_programs(made.func, brought)
    name = function.id if isinstance(function, ast.Name) else ""
    return bool(name) and name not in brought and "*" not in brought and not hasattr(builtins, name)


def _calls_more(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and not (
        isinstance(node.func, ast.Name) and node.func.id in _CONSTRUCTORS
    )


def _arguments(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def names_defined(source: str) -> frozenset[str]:
    """Names that a set-up or a preamble binds outside of functions and classes; none if it is no Python.

    `*` is among them where it imports that: it may then bind any name.
    """
    try:
        pending: list[ast.AST] = list(ast.parse(source).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    names: set[str] = set()
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))
    return frozenset(names)
