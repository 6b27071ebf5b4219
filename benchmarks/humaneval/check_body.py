"""Taking the `check(candidate)` of a HumanEval row apart into tests, so that what is expected stays outside.

`assert candidate(1) == 2` becomes an assert of the function itself, which the grader splits. Of
`abs(candidate(1) - 2.5) < 1e-6`, the call alone is run, and the difference taken outside. What computes its
expected value (a loop, a second call of the function) has to run in the program's process: it becomes a
function that returns both sides of each comparison, so that the comparing, at least, is done outside.

Covers: any body of simple statements, loops and asserts. Does not cover: the comparing
(`benchmarks.humaneval.checker`), checks of classes and `unittest`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.humaneval.literals import literal, number
from harness.types import AssertTest, ValueTest

CANDIDATE = "candidate"
"""What the data calls the function that is tested."""
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
"""Comparisons that are made outside; of any other, the process says whether it holds."""
HOLDS = "holds"

_SEEN, _KEEP, _CHECK = "_rltf_seen", "_rltf_keep", "_rltf_check_"
_KEEPER = f"""\
def {_KEEP}(value):
    import copy
    try:
        return copy.deepcopy(value)
    except Exception:
        return value
"""
"""A value is compared as it was when its assert was reached, whatever the program does with it later."""


_SEEDED = "import random as _rltf_random\n_rltf_random.seed(0)"
"""Before a check that draws its inputs: the same program has to get the same verdict again."""


@dataclass
class Taken:
    """The tests of a row."""

    tests: list[AssertTest | ValueTest] = field(default_factory=list)
    setup: str = ""
    """Functions that the tests call, defined after the program."""
    preamble: str = ""
    """What the prompt gives a program beside the function to complete: its imports and helpers."""


class NoCheck(ValueError):
    """The text has no `check(candidate)` that could be taken apart; the message says why."""


def take_apart(test: str, entry_point: str, prompt: str) -> Taken:
    """The tests in a row's `test`.

    Args:
        test: Python with a function `check(candidate)`.
        entry_point: The function that programs must define.
        prompt: The row's prompt: its helper functions belong to the tests that call them.

    Raises:
        NoCheck: If there is no such function, or it asserts nothing.
    """
    body = _check_function(test).body
    given = _given(prompt, entry_point)
    # Functions cannot import everything; of the prompt's helpers, none needs that.
    helpers = [each for each in given if not (isinstance(each, ast.ImportFrom) and each.names[0].name == "*")]
    taken, before, functions = Taken(), list[ast.stmt](), list[str]()
    for statement in body:
        if _is_idle(statement):
            continue
        if not _asserts(statement):
            before.append(statement)
            continue
        simple = None if _names(statement) & _bound(before) else _on_its_own(statement, entry_point)
        if simple is None:
            name = f"{_CHECK}{len(functions)}"
            function, comparisons = _function(name, [*before, statement], helpers)
            functions.append(function)
            simple = ValueTest(f"{name}({entry_point})", repr(("pairs", *comparisons)), ran_inside=True)
        taken.tests.append(simple)
    if not taken.tests:
        raise NoCheck("its check(candidate) asserts nothing")
    taken.setup = "\n".join([_KEEPER, *functions]) if functions else ""
    taken.preamble = "".join(f"{ast.unparse(each)}\n" for each in given)
    return taken


def _check_function(test: str) -> ast.FunctionDef:
    try:
        found = [each for each in ast.parse(test).body if isinstance(each, ast.FunctionDef)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoCheck(f"its test is not Python ({error})") from error
    checks = [each for each in found if each.name == "check"]
    if len(checks) != 1 or [each.arg for each in checks[0].args.args] != [CANDIDATE]:
        raise NoCheck(f"its test defines no check({CANDIDATE})")
    return checks[0]


def _given(prompt: str, entry_point: str) -> list[ast.stmt]:
    """What the prompt has beside the entry point."""
    try:
        body = ast.parse(prompt).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [each for each in body if not (isinstance(each, ast.FunctionDef) and each.name == entry_point)]


def _is_idle(statement: ast.stmt) -> bool:
    """`assert True`, a docstring or a name by itself: nothing that a program could fail."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(statement, ast.Assert):
        return isinstance(statement.test, ast.Constant) and bool(statement.test.value)
    return isinstance(value, ast.Constant | ast.Name)


def _asserts(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(statement))


def _names(*statements: ast.AST) -> set[str]:
    return {node.id for each in statements for node in ast.walk(each) if isinstance(node, ast.Name)}


def _bound(statements: Iterable[ast.stmt]) -> set[str]:
    """Names that statements of the check give a meaning to."""
    names: set[str] = set()
    for node in (node for each in statements for node in ast.walk(each)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


# --- asserts that stand on their own -------------------------------------------------------------


def _on_its_own(statement: ast.stmt, entry_point: str) -> AssertTest | ValueTest | None:
    """An assert whose expected value is a literal, as a test; `None` for anything else."""
    if not isinstance(statement, ast.Assert):
        return None
    test = statement.test
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _comparison(test, entry_point)
    inner = test.operand if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) else test
    if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == CANDIDATE:
        return AssertTest(f"assert {_renamed(test, entry_point)}")
    return None


def _comparison(test: ast.Compare, entry_point: str) -> AssertTest | ValueTest | None:
    left, sign, right = test.left, test.ops[0], test.comparators[0]
    near = _near(left, sign, right)
    if near is not None:
        call, *numbers = near
        return ValueTest(_renamed(call, entry_point), repr(("near", *numbers)))
    if not isinstance(sign, ast.Eq | ast.Is):
        return None
    for side, other in ((left, right), (right, left)):
        expected = literal(other)
        if expected is not None and CANDIDATE in _names(side):
            word = "is" if isinstance(sign, ast.Is) else "=="
            return AssertTest(f"assert {_renamed(side, entry_point)} {word} {expected}")
    return None


def _near(left: ast.expr, sign: ast.cmpop, right: ast.expr) -> tuple[ast.expr, float, float, str] | None:
    """Of `abs(E - c) < t`, where c and t are numbers: E, c, t and the sign."""
    if not isinstance(sign, ast.Lt | ast.LtE) or not isinstance(left, ast.Call):
        return None
    function = ast.unparse(left.func)
    if function not in ("abs", "math.fabs") or len(left.args) != 1 or left.keywords:
        return None
    difference, tolerance = left.args[0], number(right)
    if not isinstance(difference, ast.BinOp) or not isinstance(difference.op, ast.Sub) or tolerance is None:
        return None
    for side, other in ((difference.left, difference.right), (difference.right, difference.left)):
        expected = number(other)
        if expected is not None and CANDIDATE in _names(side):
            return side, expected, tolerance, COMPARISONS[type(sign)]
    return None


def _renamed(node: ast.expr, entry_point: str) -> str:
    return ast.unparse(_Rename(entry_point).visit(node))


class _Rename(ast.NodeTransformer):
    """The entry point's own name in place of `candidate`."""

    def __init__(self, entry_point: str) -> None:
        self._entry_point = entry_point

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._entry_point, node.ctx) if node.id == CANDIDATE else node


# --- what has to run in the program's process ----------------------------------------------------


def _function(
    name: str, statements: Sequence[ast.stmt], helpers: Sequence[ast.stmt]
) -> tuple[str, list[str]]:
    """A function that runs statements and returns `[number of the assert, left side, right side]` for each
    assert that it meets; and the comparison of each assert."""
    collect = _Collect()
    body = [collect.visit(each) for each in ast.parse(ast.unparse(ast.Module([*statements], []))).body]
    kept = [*helpers] if _bound(helpers) & _names(*statements) else []
    # By the tree and not by indenting text, which would reach into strings of several lines.
    function = ast.parse(f"def {name}({CANDIDATE}):\n    {_SEEN} = []\n    return {_SEEN}").body[0]
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 - for the type checker: it stands above
    seeded = ast.parse(_SEEDED).body if "random" in _bound(statements) | _modules(statements) else []
    function.body[1:1] = [*kept, *seeded, *body]
    source = ast.unparse(function) + "\n"
    return source, collect.comparisons


def _modules(statements: Iterable[ast.stmt]) -> set[str]:
    nodes = (node for each in statements for node in ast.walk(each))
    return {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


class _Collect(ast.NodeTransformer):
    """Writes down what an assert compares, in place of comparing."""

    def __init__(self) -> None:
        self.comparisons: list[str] = []

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        test, number = node.test, len(self.comparisons)
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in COMPARISONS:
            self.comparisons.append(COMPARISONS[type(test.ops[0])])
            sides = f"{_KEEP}({ast.unparse(test.left)}), {_KEEP}({ast.unparse(test.comparators[0])})"
        else:
            self.comparisons.append(HOLDS)
            sides = f"bool({ast.unparse(test)}), True"
        return ast.parse(f"{_SEEN}.append([{number}, {sides}])").body[0]
