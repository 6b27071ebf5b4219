"""The penalty for undefined names: which characters it is for, and which programs it leaves alone."""

import sys

import pytest

pytest.importorskip("pyflakes")

from harness.errors import InputError
from harness.types import Outcome, Problem, Status, StdinTest, TestKind, TestOutcome, TestSuite
from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rewards.static import Static
from rltf.rewards.terms import GradedProgram, make_terms

CODE = "n = int(input())\nif n:\n    é, x = 1, mm + n + oo(n)\nprint(n)\n"


def graded(code=CODE, *, category=Category.FAILURE, line=None, preamble=""):
    status = {"strict": Status.WRONG_ANSWER}
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "2\n")], preamble=preamble)
    scope = Scope.IGNORE if line is None else Scope.LINE
    return GradedProgram(
        code,
        Outcome("sums/train/0", 0, status, (TestOutcome(status),)),
        Feedback(category, "wrong_answer", scope, line, 0.0),
        Problem("sums/train/0", "Add one.", load_suite=lambda: suite),
    )


def names(program, **options):
    return [program.code[first:last] for first, last in Static(**options)(program).spans]


def test_the_characters_of_all_undefined_names_are_penalised():
    assert names(graded()) == ["mm", "oo"]
    assert Static()(graded()).value == -0.3
    [term] = make_terms({"static": 0.5}, {"static": {"penalty": -1.0}})
    assert term(graded()).value == -0.5


def test_a_name_that_is_used_before_it_is_assigned_is_undefined():
    assert names(graded("count = 0\ndef add():\n    print(count)\n    count = 1\nadd()\n")) == ["count"]


def test_a_program_that_passes_or_has_no_findings_or_does_not_parse_earns_nothing():
    for program in (graded(category=Category.PASSED), graded("print(1)\n"), graded("print(m\n")):
        found = Static()(program)
        assert (found.value, [*found.spans]) == (0.0, [])


def test_a_line_that_the_tests_blame_is_not_punished_twice():
    assert names(graded(line=3)) == []
    assert names(graded(line=1)) == ["mm", "oo"]
    assert names(graded(line=3), overlap="add") == ["mm", "oo"]


def test_names_of_the_preamble_are_defined():
    assert names(graded("print(sqrt(4), sqr(4))\n", preamble="from math import *\n")) == ["sqr"]


def test_a_name_whose_place_is_not_known_is_left_out():
    assert names(graded("def f(a: 'Nope') -> int:\n    return a\n")) in ([], ["Nope"])


def test_without_pyflakes_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyflakes.checker", None)
    with pytest.raises(InputError, match="need pyflakes"):
        Static()
