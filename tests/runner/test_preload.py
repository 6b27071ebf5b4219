"""Which fork server a program runs in: a matter of speed, never of its verdict."""

import pytest

from harness import TestSuite
from harness.runner.prepared import Preload, prepare
from harness.types import AssertTest, StdinTest, TestKind


def _asserts(source, **options):
    return prepare(TestSuite.pack(TestKind.ASSERTS, [AssertTest(source)], **options))


@pytest.mark.parametrize(
    ("suite", "code", "expected"),
    [
        (_asserts("assert f(1) == 2"), "def f(x): return x + 1", Preload.NOTHING),
        (_asserts("assert f(1) == 2"), "import math\ndef f(x): return x + 1", Preload.LIBRARY),
        (_asserts("assert f(1) == 2"), "def f(x): return __import__('math').ceil(x)", Preload.LIBRARY),
        (_asserts("assert f(1) == 2"), "import numpy\ndef f(x): return x", Preload.NUMPY),
        (_asserts("assert f(1) == 2"), "def f(x): return np.abs(x)", Preload.NUMPY),
        (_asserts("assert f(1) == 2", setup="import math"), "def f(x): return 2", Preload.LIBRARY),
        (_asserts("assert np.all(f(1) == 2)"), "def f(x): return 2", Preload.NUMPY),
        (_asserts("assert f(1) == 2", preamble="import heapq\nimport numpy as np"), "x = 1", Preload.LIBRARY),
        (
            prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "")], preamble="import re")),
            "print(np)",
            Preload.NUMPY,
        ),
    ],
)
def test_the_server_is_chosen_by_what_program_and_tests_import(suite, code, expected):
    assert suite.preload(code) is expected


@pytest.mark.parametrize("module", ["fractions", "decimal", "random", "dataclasses", "ast", "numpy"])
def test_a_module_that_its_server_has_not_imported_is_there_all_the_same(grader, module):
    hidden = f"print(__builtins__.__dict__['__imp' + 'ort__']('{module}').__name__)"
    assert grader.script(hidden, ("", f"{module}\n")).verdicts["strict"] == "passed"


@pytest.mark.parametrize("value", ["fractions.Fraction(1, 2)", "decimal.Decimal('0.5')"])
def test_values_of_modules_that_the_server_has_not_imported_arrive_as_numbers(grader, value):
    module = value.partition(".")[0]
    code = f"{module} = __builtins__.__dict__['__imp' + 'ort__']('{module}')\ndef f(): return {value}"
    outcome = grader.asserts(code, "assert f() == 0.5", "assert f() == 0.25")
    assert grader.statuses(outcome) == ["passed", "wrong_answer"]
