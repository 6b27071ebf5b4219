"""The rules that name why a verdict differs from the reference grader's; the programs here are our own.

Not covered: what the reference makes of them, which `make parity` checks on its recorded results.
"""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

from harness.types import ErrorInfo, Status


def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "studies" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


causes = _load("parity_causes")
Cause, Pair = causes.Cause, causes.Pair

PASSED, WRONG, RAISED, SYNTAX = (
    Status.PASSED,
    Status.WRONG_ANSWER,
    Status.RUNTIME_ERROR,
    Status.SYNTAX_ERROR,
)

RETURN = "n = int(input())\nif n:\n    print(n)\n    return\nprint(0)\n"
NONLOCAL = "n = 1\ndef f():\n    nonlocal n\n    n += 1\nf()\nprint(n)\n"
EXIT = "if input():\n    print(1)\n    exit()\nprint(2)\n"
GUARD = "def main():\n    print(input())\nif __name__ == '__main__':\n    main()\n"
GLOBAL = "n = 0\ndef f():\n    global n\n    n += 1\nf()\nprint(n)\n"
PLAIN = "print(input())\n"


def pair(code, reference, ours, error=None, cpu=0.1):
    return Pair(code, reference, ours, error, cpu)


@pytest.mark.parametrize(
    ("case", "cause"),
    [
        (pair(EXIT, [-1, 1], [PASSED, PASSED]), Cause.EXIT),
        (pair(EXIT, [-1, 1], [WRONG, PASSED]), Cause.EXIT),
        (pair(GUARD, [0, 0], [PASSED, PASSED]), Cause.MAIN_GUARD),
        (pair(GUARD, [0], [RAISED]), Cause.MAIN_GUARD),
        (pair(GLOBAL, [-1], [PASSED]), Cause.GLOBAL),
        (pair(PLAIN, "GLOBAL_TIMEOUT", [PASSED] * 5, cpu=15.0), Cause.WHOLE_LIMIT),
        (pair(PLAIN, [-1, 1], [Status.TIMED_OUT, Status.NOT_RUN]), Cause.FIRST_TIMEOUT),
    ],
)  # fmt: skip
def test_each_cause_is_recognised_on_a_program_that_shows_it(case, cause):
    assert set(causes.explain(case).values()) == {cause}


@pytest.mark.parametrize(
    "case",
    [
        pair(PLAIN, [1], [WRONG]),
        pair(PLAIN, [0], [PASSED]),
        pair(PLAIN, [-1], [PASSED]),
        pair(EXIT, [0], [PASSED]),  # the reference got to the comparison, so exit() was not what stopped it
        pair(GUARD, [-1], [PASSED]),  # a skipped guard raises nothing
        pair(PLAIN, "GLOBAL_TIMEOUT", [PASSED] * 5, cpu=0.5),  # far too quick for the 11 s limit
        pair(PLAIN, [1], [SYNTAX], ErrorInfo("SyntaxError", "invalid syntax", 4)),
        pair(PLAIN, [1], [Status.NOT_RUN]),  # nothing timed out before
        pair("exit = 1\nprint(exit)", [-1], [PASSED]),  # a name, not a call
    ],
)
def test_a_difference_that_no_rule_explains_stays_unexplained(case):
    assert list(causes.explain(case).values()) == [None]


def test_results_that_mean_the_same_are_no_difference():
    same = pair(PLAIN, [1, 0, -1, -1], [PASSED, WRONG, RAISED, Status.TIMED_OUT])
    assert causes.explain(same) == {}
    assert causes.explain(pair(PLAIN, [-2], [RAISED, RAISED])) == {}
    assert causes.explain(pair(PLAIN, "GLOBAL_TIMEOUT", [PASSED, WRONG])) == {}


def test_every_kind_of_difference_of_one_program_needs_its_own_cause():
    mixed = pair(EXIT, [-1, 1], [PASSED, WRONG])
    assert causes.explain(mixed) == {(-1, PASSED): Cause.EXIT, (1, WRONG): None}


def test_the_reference_passes_a_program_only_with_results_that_are_all_above_zero():
    assert pair(PLAIN, [1, 1], [PASSED] * 2).reference_passed
    assert not pair(PLAIN, [1, 0], [PASSED] * 2).reference_passed
    assert not pair(PLAIN, [], [PASSED]).reference_passed
    assert not pair(PLAIN, "GLOBAL_TIMEOUT", [PASSED]).reference_passed


@pytest.mark.parametrize("code", [RETURN, NONLOCAL])
def test_the_references_form_compiles_where_the_script_does_not(code):
    with pytest.raises(SyntaxError):
        compile(code, "script", "exec")
    compile(causes.reference_form(code), "form", "exec")


def test_the_references_form_has_the_program_in_a_function_and_leading_imports_before_it():
    form = causes.reference_form("import os\nfrom sys import argv\nx = 1\nimport re\nprint(x)\n")
    tree = ast.parse(form)
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert [ast.unparse(node) for node in function.body] == ["x = 1", "import re", "print(x)"]
    head = tree.body[: tree.body.index(function)]
    assert {"import os", "from sys import argv", "exit = quit = None"} <= {ast.unparse(node) for node in head}
    assert ast.unparse(tree.body[-1]) == "code()"


def test_every_cause_is_explained_in_words():
    assert set(causes.EXPLANATIONS) == set(Cause)
    assert not any("other" in cause.lower().split() for cause in Cause)
