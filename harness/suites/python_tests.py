"""Tests that are Python: lists of asserts, `check(candidate)`, and the text of a pytest or unittest module.

An assert that stands on its own becomes a test of its own, which the runner splits, so that what is expected
stays outside of the program's process. Whatever computes (loops, variables, helpers that compare) becomes a
function that runs whole in that process: it is marked `ran_inside`.

Does not cover: fixtures, parametrized tests and plug-ins of pytest, which are refused; `pytest.raises` and
`pytest.approx` have a stand-in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from harness.errors import InputError
from harness.suites.encodings import check_size
from harness.types import AssertTest, TestKind, TestSuite, ValueTest

_RUN = "_rltf_run"
_BLOCK = "_rltf_block_"
_RUNNER = f"""\
def {_RUN}(test):
    try:
        test()
    except AssertionError:
        return False
    return True
"""
_PYTEST = """\
class _rltf_pytest:
    class raises:
        def __init__(self, expected, match=None):
            self.expected, self.match, self.value = expected, match, None
        def __enter__(self):
            return self
        def __exit__(self, kind, error, trace):
            import re
            assert kind is not None, "nothing was raised"
            self.value = error
            fits = issubclass(kind, self.expected)
            assert not fits or self.match is None or re.search(self.match, str(error))
            return fits
    class approx:
        __array_ufunc__ = None
        def __init__(self, expected, rel=None, abs=None):
            self.expected, self.rel, self.abs = expected, rel, abs
        def __eq__(self, given):
            return self._near(given, self.expected)
        def _near(self, given, expected):
            if isinstance(expected, dict):
                return isinstance(given, dict) and given.keys() == expected.keys() and all(
                    self._near(given[key], expected[key]) for key in expected)
            if isinstance(expected, (list, tuple)):
                return len(given) == len(expected) and all(map(self._near, given, expected))
            if given == expected:
                return True
            try:
                relative = 0.0 if self.rel is None and self.abs is not None else self.rel or 1e-6
                allowed = max(1e-12 if self.abs is None else self.abs, relative * abs(expected))
                return abs(given - expected) <= allowed < float("inf")
            except TypeError:
                return False
pytest = _rltf_pytest
"""
"""Defined before the tests, since the interpreter that programs run in has no packages."""
_NEEDS_PYTEST = re.compile(r"\bpytest\.(?!raises\b|approx\b)(\w+)")
_IMPORTS_PYTEST = re.compile(r"^\s*(import\s+pytest\b.*|from\s+pytest\b.*)$", re.MULTILINE)
_CANDIDATE = "candidate"


def is_python_tests(text: str) -> bool:
    """Whether a text is Python with something to assert in it."""
    tree = _parse(text)
    return tree is not None and any(isinstance(node, ast.Assert) or _is_test(node) for node in ast.walk(tree))


def asserts_suite(sources: Sequence[str], *, setup: str = "") -> TestSuite:
    """Asserts, one a test; a text of several statements is one test that runs whole.

    Raises:
        InputError: For a text that is no Python, or asserts nothing; for too many or too long ones.
    """
    check_size(count=len(sources), python=len(setup) + sum(map(len, sources)))
    tests: list[AssertTest | ValueTest] = []
    functions: list[str] = []
    for number, source in enumerate(sources):
        tree = _parse(source)
        if tree is None or not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
            raise InputError(f"test {number} is no assert: {source[:60]!r}")
        if len(tree.body) == 1 and isinstance(tree.body[0], ast.Assert):
            tests.append(AssertTest(source.strip()))
        else:
            tests.append(_block(tree.body, functions))
    return _suite(tests, setup, functions)


def check_suite(test: str, entry_point: str) -> TestSuite:
    """The asserts of a function `check(candidate)`.

    Raises:
        InputError: If there is no such function, or it asserts nothing.
    """
    tree = _parse(test)
    if not entry_point.isidentifier():
        raise InputError(f"entry_point {entry_point!r:.60} is no name")
    if tree is None:
        raise InputError(f"test is no Python: {test[:60]!r}")
    check = _check_of(tree)
    if check is None:
        raise InputError("test defines no check(candidate)")
    if not any(isinstance(node, ast.Assert) for node in ast.walk(check)) and not _calls(check):
        raise InputError("its check(candidate) asserts nothing")
    setup = ast.unparse(ast.Module([node for node in tree.body if not _calls_check(node)], []))
    return _suite(_tests_of_check(check, entry_point), setup, entry_point=entry_point)


def _tests_of_check(check: ast.FunctionDef, entry_point: str) -> list[AssertTest | ValueTest]:
    asserts = _plain_asserts(check.body)
    if asserts is None or check.args.args[0].arg != _CANDIDATE:
        return [ValueTest(f"{_RUN}(lambda: check({entry_point}))", "True", ran_inside=True)]
    rename = _Rename(entry_point)
    return [AssertTest(ast.unparse(rename.visit(node))) for node in asserts]


def module_suite(text: str, entry_point: str | None = None) -> TestSuite:
    """Asserts at the top of a module, its test functions, and its test classes.

    Raises:
        InputError: If it is no Python, has none of them, or needs more of pytest than there is here.
    """
    tree = _parse(_without_pytest(text))
    if tree is None:
        raise InputError(f"tests are no Python: {text[:60]!r}")
    check = _check_of(tree)
    setup, tests, functions = list[ast.stmt](), list[AssertTest | ValueTest](), list[str]()
    for node in tree.body:
        if isinstance(node, ast.Assert):
            tests.append(AssertTest(ast.unparse(node)))
        elif _is_test(node):
            tests += _tests_of(node)
            setup.append(node)
        elif _is_main(node) or _imports_program(node):
            continue
        elif check is not None and _calls_check(node):
            tests += _tests_of_check(check, _checked(node))
        elif any(isinstance(each, ast.Assert) for each in ast.walk(node)) and not _defines(node):
            tests.append(_block([node], functions))
        else:
            setup.append(node)
    if not tests:
        raise InputError("Python without a test: no assert, test function or test class stands at its top")
    stand_in = _PYTEST if re.search(r"\bpytest\b", text) else ""
    return _suite(tests, stand_in + ast.unparse(ast.Module(setup, [])), functions, entry_point)


def _suite(
    tests: Sequence[AssertTest | ValueTest],
    setup: str,
    functions: Sequence[str] = (),
    entry_point: str | None = None,
) -> TestSuite:
    if any(isinstance(test, ValueTest) for test in tests):
        setup = "\n".join(part for part in (setup, _RUNNER, *functions) if part)
    return TestSuite.pack(TestKind.ASSERTS, tests, entry_point=entry_point, setup=setup)


def _without_pytest(text: str) -> str:
    """The text without its imports of pytest, whose stand-in is defined before it."""
    if not re.search(r"\bpytest\b", text):
        return text
    needed = _NEEDS_PYTEST.search(text)
    if needed is not None and needed[1] != "main":
        raise InputError(
            f"tests that use pytest.{needed[1]}: only raises and approx are there; write them without it"
        )
    if re.search(r"^\s*from\s+pytest\b", text, re.MULTILINE):
        raise InputError(
            "tests that import from pytest: write `import pytest`, of which raises and approx are there"
        )
    return _IMPORTS_PYTEST.sub("", text)


def _parse(text: str) -> ast.Module | None:
    check_size(python=len(text))
    try:
        return ast.parse(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_test(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name.startswith("test")
    return isinstance(node, ast.ClassDef) and (node.name.startswith("Test") or _is_unittest(node))


def _is_unittest(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith("TestCase") for base in node.bases)


def _tests_of(node: ast.stmt) -> list[AssertTest | ValueTest]:
    if isinstance(node, ast.ClassDef):
        return [_whole(call) for call in _methods(node)]
    assert isinstance(node, ast.FunctionDef)  # noqa: S101 - for the type checker: `_is_test` says so
    if _needed(node.args):
        raise InputError(f"{node.name} takes {_needed(node.args)[0]!r}: fixtures of pytest are not read")
    asserts = _plain_asserts(node.body)
    return [_whole(node.name)] if asserts is None else [AssertTest(ast.unparse(each)) for each in asserts]


def _methods(node: ast.ClassDef) -> list[str]:
    """What to call for each test of a class."""
    names = [
        each.name for each in node.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test")
    ]
    if _is_unittest(node):
        return [f"{node.name}({name!r}).debug" for name in names]
    return [f"{node.name}().{name}" for name in names]


def _needed(arguments: ast.arguments) -> list[str]:
    return [each.arg for each in arguments.args][: len(arguments.args) - len(arguments.defaults)]


def _whole(function: str) -> ValueTest:
    # A method is found within the call, so that an error of the class is one of the test.
    return ValueTest(f"{_RUN}(lambda: {function}())", "True", ran_inside=True)


def _block(statements: Sequence[ast.stmt], functions: list[str]) -> ValueTest:
    """Statements as a function that is added to `functions`, and the test that calls it."""
    name = f"{_BLOCK}{len(functions)}"
    function = ast.parse(f"def {name}():\n    pass").body[0]
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 - for the type checker: it stands above
    function.body = list(statements)
    functions.append(ast.unparse(function))
    return _whole(name)


def _plain_asserts(body: Sequence[ast.stmt]) -> list[ast.Assert] | None:
    """The asserts of a body that has nothing else in it that does anything; `None` for any other."""
    rest = [node for node in body if not isinstance(node, ast.Pass | ast.Expr) or _calls(node)]
    asserts = [node for node in rest if isinstance(node, ast.Assert) and not _is_true(node.test)]
    idle = [node for node in rest if isinstance(node, ast.Assert) and _is_true(node.test)]
    return asserts if asserts and len(asserts) + len(idle) == len(rest) else None


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)


def _calls(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Call) for each in ast.walk(node))


def _check_of(tree: ast.Module) -> ast.FunctionDef | None:
    """The function `check(candidate)` of a module, if there is one."""
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "check"]
    return found[0] if len(found) == 1 and len(found[0].args.args) == 1 else None


def _calls_check(node: ast.stmt) -> bool:
    return bool(_checked(node))


def _checked(node: ast.stmt) -> str:
    """The function that a statement `check(function)` is about; empty for another statement."""
    match node:
        case ast.Expr(ast.Call(ast.Name("check"), [ast.Name(name)], [])):
            return name
    return ""


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _imports_program(node: ast.stmt) -> bool:
    """`from solution import f`: the tests run among the program's names, which have to count as its own."""
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == "solution"
        and all(alias.asname is None for alias in node.names)
    )


def _defines(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


class _Rename(ast.NodeTransformer):
    """The entry point's own name in place of `candidate`."""

    def __init__(self, entry_point: str) -> None:
        self._entry_point = entry_point

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._entry_point, node.ctx) if node.id == _CANDIDATE else node
