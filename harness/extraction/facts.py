"""What a tree of Python says of a program: what it binds, what it lacks, whether it reads input or prints.

Covers: the top level, with what stands there below `if`, `try`, `for`, `while` and `with`; names that are
used and bound nowhere. Does not cover: scopes. A name that any function binds counts as bound, so that fewer
names are said to be lacking than are. Time is linear in the tree's size. Nothing is run.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__builtins__", "__annotations__"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_ACTING = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)

SOLUTION = "Solution"
"""The class whose methods problems with a starter code may ask for."""


def top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run when the module does, those in compound statements included."""
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
            if isinstance(node, _DEFINITIONS):
                continue
        # Statements hold expressions, handlers and cases; of these only the latter two hold statements.
        waiting += [
            each
            for each in reversed(list(ast.iter_child_nodes(node)))
            if isinstance(each, ast.stmt | ast.excepthandler | ast.match_case)
        ]


def defined(tree: ast.Module) -> frozenset[str]:
    """Functions, classes and variables of the top level: what was made here, so not what was imported."""
    return frozenset(name for node in top_level(tree) for name in _made(node))


def stubs(tree: ast.Module) -> frozenset[str]:
    """Functions of the top level that hold only `pass`, `...`, a text or `raise NotImplementedError`."""
    return frozenset(
        node.name
        for node in top_level(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and all(map(_is_filler, node.body))
    )


def imported(tree: ast.Module) -> frozenset[str]:
    """Names that imports of the top level bind; `*` for a star."""
    nodes = (node for node in top_level(tree) if isinstance(node, _IMPORTS))
    return frozenset((alias.asname or alias.name.split(".")[0]) for node in nodes for alias in node.names)


def methods(tree: ast.Module) -> frozenset[str]:
    """Methods of a class `Solution` of the top level."""
    return frozenset(
        each.name
        for node in top_level(tree)
        if isinstance(node, ast.ClassDef) and node.name == SOLUTION
        for each in node.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def needs(tree: ast.AST) -> frozenset[str]:
    """Names that are used, bound nowhere in the tree and no built-ins; empty below a star import."""
    used: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.alias(name=name, asname=other):
                if name == "*":
                    return frozenset()
                bound.add(other or name.split(".")[0])
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                bound.add(name)
    return frozenset(used - bound - _BUILTINS)


def reads_input(tree: ast.AST) -> bool:
    """Whether `input` or `stdin` is named, or `open(0)` called, anywhere."""
    return _names_any(tree, {"input", "raw_input", "stdin", "fileinput"}) or any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
        in ("open", "read", "fdopen")
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value in (0, "/dev/stdin")
        for node in ast.walk(tree)
    )


def writes_output(tree: ast.AST) -> bool:
    """Whether `print` or `stdout` is named anywhere."""
    return _names_any(tree, {"print", "stdout"})


def runs(tree: ast.Module) -> bool:
    """Whether the top level does something beside defining, importing and setting values without a call."""
    return any(_does(node) for node in tree.body)


def asks_when_imported(tree: ast.Module) -> bool:
    """Whether the top level may read input, which is empty for a program that is imported."""
    return any(_does(node) and not _is_guard(node) for node in tree.body) and reads_input(tree)


def is_idle(statement: ast.stmt) -> bool:
    """`Sure`, `Hello, world`, `Note: this`, `"text"`: as prose that happens to parse."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    if not isinstance(statement, ast.Expr):
        return False
    return not any(isinstance(node, _ACTING) for node in ast.walk(statement.value))


def has_prose(tree: ast.Module, lacking: frozenset[str]) -> bool:
    """Whether an idle statement uses a name of `lacking`: it could only raise NameError."""
    idle = [node for node in tree.body if is_idle(node)] if lacking else []
    return any(isinstance(each, ast.Name) and each.id in lacking for node in idle for each in ast.walk(node))


def redefined(tree: ast.Module) -> dict[str, int]:
    """Plain functions at the margin that are defined anew: name, and line of the second time, from 1.

    Decorated ones are left out (`overload`, `singledispatch`), and those that are stubs the first time.
    """
    first: set[str] = set()
    second: dict[str, int] = {}
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.decorator_list:
            continue
        if node.name in first:
            second.setdefault(node.name, node.lineno)
        elif not all(map(_is_filler, node.body)):
            first.add(node.name)
    return second


def _made(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, _DEFINITIONS):
        yield node.name
    targets: Sequence[ast.expr] = ()
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    for target in targets:
        yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def _does(node: ast.stmt) -> bool:
    if isinstance(node, (*_DEFINITIONS, *_IMPORTS, ast.Pass)):
        return False
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return any(isinstance(each, _ACTING) for each in ast.walk(node))
    return not is_idle(node)


def _is_guard(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and _names_any(node.test, {"__name__"})


def _is_filler(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _names_any(tree: ast.AST, names: set[str]) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names:
            return True
        if isinstance(node, ast.Attribute) and node.attr in names:
            return True
        if isinstance(node, ast.alias) and node.name.split(".")[-1] in names:
            return True
    return False
