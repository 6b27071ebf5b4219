"""Which preambles a template may run for the programs of several problems: those that only define names.

What another did to the interpreter (a limit, a seed, a module put in another's place, a line printed) would
be done to the programs of all other problems. Does not cover: running them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MOST_BYTES = 1 << 16
"""A longer one is run by each program's process."""


def only_defines(text: str) -> bool:
    """Whether a preamble imports and defines, and does nothing else; `False` for one that can't be read."""
    # Neither at the top, since programs would pay for it, nor `ast`, which is Python around this.
    import _ast as ast  # noqa: PLC0415

    if len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        return False
    try:
        tree: Any = compile(text, "<preamble>", "exec", ast.PyCF_ONLY_AST)
        return all(map(_Statements(ast).defines, tree.body))
    except (ValueError, SyntaxError, MemoryError, RecursionError, OverflowError):
        return False


class _Statements:
    """Tells definitions from what does something."""

    def __init__(self, ast: Any) -> None:
        self._ast = ast
        self._inert = (ast.Constant, ast.Name, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.unaryop,
                       ast.expr_context)  # fmt: skip
        """Parts of a value of which none does anything."""
        self._type = (*self._inert, ast.Subscript, ast.Attribute, ast.BinOp, ast.BitOr)
        """Of an annotation, which is evaluated, `list[int]` the usual kind."""

    def defines(self, statement: Any) -> bool:
        """Whether a statement does nothing but give names."""
        ast = self._ast
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return True
        if isinstance(statement, ast.Expr):
            return isinstance(statement.value, ast.Constant)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            return not statement.decorator_list and self._is_plain(statement)
        if isinstance(statement, ast.Assign):
            names = all(isinstance(each, ast.Name) for each in statement.targets)
            return names and self._is(statement.value, self._inert)
        if isinstance(statement, ast.AnnAssign):
            value = self._is(statement.value, self._inert) and self._is(statement.annotation, self._type)
            return isinstance(statement.target, ast.Name) and value
        return False

    def _is_plain(self, function: Any) -> bool:
        arguments = function.args
        each = [part for part in _nodes(arguments, self._ast.AST) if isinstance(part, self._ast.arg)]
        values = [*arguments.defaults, *arguments.kw_defaults]
        types = [function.returns, *(part.annotation for part in each)]
        inert = all(self._is(value, self._inert) for value in values)
        return inert and all(self._is(kind, self._type) for kind in types)

    def _is(self, value: Any, kinds: tuple[type, ...]) -> bool:
        return value is None or all(isinstance(each, kinds) for each in _nodes(value, self._ast.AST))


def _nodes(node: Any, kind: Any) -> Iterator[Any]:
    pending: list[Any] = [node]
    while pending:
        each: Any = pending.pop()
        if isinstance(each, kind):
            yield each
            pending.extend(getattr(each, name, None) for name in each._fields)
        elif isinstance(each, list):
            pending.extend(each)
