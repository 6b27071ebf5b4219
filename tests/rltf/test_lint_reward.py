"""The reward from static analysis: what it finds, what it never does, and where it puts the penalty."""

import sys
from pathlib import Path

import pytest
from cases import cases

pytest.importorskip("pyflakes")

from harness.errors import InputError
from harness.types import Outcome, Problem, Status, StdinTest, TestKind, TestOutcome, TestSuite
from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rewards.lint import Lint
from rltf.rewards.terms import GradedProgram, make_terms


def graded(code: str, *, category: Category = Category.FAILURE, preamble: str = "") -> GradedProgram:
    status = {"strict": Status.WRONG_ANSWER}
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "2\n")], preamble=preamble)
    return GradedProgram(
        code,
        Outcome("sums/train/0", 0, status, (TestOutcome(status),)),
        Feedback(category, "wrong_answer", Scope.IGNORE, None, 0.0),
        Problem("sums/train/0", "Add one.", load_suite=lambda: suite),
    )


def blamed(term: Lint, program: GradedProgram) -> list[str]:
    return [program.code[first:last] for first, last in term(program).spans or ()]


UNDEFINED = "n = int(input())\nif n:\n    print(m + n)\nprint(n)\n"
UNUSED = "def f(n):\n    twice = 2 * n\n    return n\nprint(f(int(input())))\n"


def test_a_line_with_an_undefined_name_is_penalised_and_no_other():
    term = Lint(penalty=-0.5)
    assert blamed(term, graded(UNDEFINED)) == ["print(m + n)"]
    assert term(graded(UNDEFINED)).value == -0.5


def test_a_program_without_findings_earns_nothing():
    found = Lint()(graded("print(int(input()) + 1)\n"))
    assert (found.value, found.spans) == (0.0, ())


def test_a_name_that_is_used_before_it_is_assigned_is_undefined():
    code = "count = 0\ndef add():\n    print(count)\n    count = 1\nadd()\n"
    assert blamed(Lint(), graded(code)) == ["print(count)"]


def test_unused_variables_are_penalised_on_request():
    assert blamed(Lint(), graded(UNUSED)) == []
    assert blamed(Lint(unused=True), graded(UNUSED)) == ["twice = 2 * n"]
    assert blamed(Lint(unused=True, undefined=False), graded(UNDEFINED)) == []


def test_programs_that_pass_are_left_alone_unless_they_are_asked_for():
    program = graded(UNDEFINED, category=Category.PASSED)
    assert blamed(Lint(), program) == []
    assert blamed(Lint(passing=True), program) == ["print(m + n)"]


def test_names_that_the_benchmark_gives_to_programs_are_defined():
    code = "print(gcd(4, 6), heappop([1]), helper)\n"
    preamble = "from math import gcd\nfrom heapq import *\nhelper = 1\n"
    assert blamed(Lint(), graded(code)) == [code.strip()]
    assert blamed(Lint(), graded(code, preamble=preamble)) == []


def test_nothing_of_a_program_is_imported_or_run(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("open('sprung', 'w').close()")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code = "import trap\nopen('sprung', 'w').close()\nprint(missing)\n"
    assert blamed(Lint(), graded(code)) == ["print(missing)"]
    assert not Path("sprung").exists()
    assert "trap" not in sys.modules


@cases(
    "code",
    [
        "print(",
        "(" * 100_000,
        "x = " + " + ".join(["y"] * 3_000),
        "x: '" + "\\x28" * 10_000 + "' = 1\n",
        "x = 1\0\n",
        "# " + "a" * 2_000_000,
    ],
)
def test_what_cannot_be_analysed_earns_nothing_and_stops_nothing(code):
    found = Lint()(graded(code))
    assert found.value in (0.0, -1.0)
    assert found.spans is not None


def test_without_pyflakes_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyflakes.checker", None)
    with pytest.raises(InputError, match=r"rltf-harness\[lint\]"):
        make_terms({"lint": 0.2})


def test_lint_is_chosen_by_its_name_with_options_of_its_own():
    [term] = make_terms({"lint": 0.2}, {"lint": {"penalty": -0.5, "unused": True}})
    assert term(graded(UNUSED)).value == pytest.approx(-0.1)
    with pytest.raises(InputError, match=r"lint\.penalty must be at most 0"):
        make_terms({"lint": 0.2}, {"lint": {"penalty": 0.5}})
