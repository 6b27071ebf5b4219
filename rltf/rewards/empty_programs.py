"""Programs that do nothing: they run to their end, and must not be worth more than one that breaks off.

Covers: what stands at the top level, by its syntax. Does not cover: code that is there and comes to nothing,
such as a function that nobody calls.
"""

from __future__ import annotations

import ast
import warnings

from harness.extraction.parsing import parses


def is_nothing(code: str) -> bool:
    """Whether a program holds no statement but imports, `pass` and constants, docstrings among them."""
    if not parses(code):  # also refuses what the parser could not stand
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return all(map(_does_nothing, ast.parse(code).body))


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass)
