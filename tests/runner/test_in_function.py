# ruff: noqa: E501 - programs are clearer on their own lines than wrapped to ours
"""`return` and `nonlocal` at module level: a syntax error to `strict`, the body of a function to `apps`."""

import json

import pytest
from cases import cases

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.runner.sandbox.in_function import belongs_in_function, compile_in_function
from harness.types import ErrorInfo, StdinTest, TestKind

RUN = {
    "return where exit() is meant": "n = int(input())\nif n < 2:\n    print(n)\n    return\nprint(n + 1)",
    "return of a value": "print(int(input()) + 1 if False else input and 2)\nreturn 7",
    "nonlocal in a nested function": "n = 0\ndef f():\n    nonlocal n\n    n += 2\nf()\nprint(n)",
    "both, in a class and a comprehension": "n = 1\nclass A:\n    def f(self):\n        nonlocal n\n        n += 1\n        return [n for _ in range(2)]\nprint(A().f()[1])\nreturn",
    "a string over several lines": 'text = """\n2\n"""\nprint(text == "\\n2\\n" and 2)\nreturn',
    "names of the preamble's kind and imports outside": "import sys\nfrom math import *\ninput = sys.stdin.readline\nprint(floor(2.5))\nreturn",
    "recursion": "def f(n):\n    return 2 if n == 0 else f(n - 1)\nprint(f(900))\nreturn",
    "tabs and spaces": "if True:\n\tprint(2)\n\treturn\nif True:\n        print(3)",
    "a byte-order mark": "\ufeffprint(2)\nreturn",
    "exit before the return": "print(2)\nexit()\nreturn",
    "a main guard": 'if __name__ == "__main__":\n    print(2)\n    return',
    "a function of the reference's name": "def code():\n    return 2\nprint(code())\nreturn",
}


@cases("name", RUN)
def test_apps_grades_what_it_prints_and_strict_does_not(grader, name):
    outcome = grader.script(RUN[name], ("2\n", "3\n" if name.startswith("return where") else "2\n"))
    assert outcome.verdicts == {"strict": "syntax_error", "apps": "passed"}, outcome
    assert outcome.error.type == "SyntaxError"


def test_each_test_is_judged_and_each_is_a_syntax_error_to_strict(grader):
    code = (
        "n = int(input())\nif n == 1:\n    print(1)\n    return\nif n == 2:\n    raise ValueError\nprint(n)"
    )
    outcome = grader.script(code, ("1", "1"), ("2", "2"), ("3", "3"), ("4", "5"))
    assert grader.statuses(outcome) == ["syntax_error"] * 4
    assert grader.statuses(outcome, "apps") == ["passed", "runtime_error", "passed", "wrong_answer"]
    assert (outcome.error.message, outcome.error.line) == ("'return' outside function", 4)
    raised = [test.error_under("apps") for test in outcome.tests]
    assert raised == [None, ErrorInfo("ValueError", "", 6), None, None]
    assert {test.error_under("strict") for test in outcome.tests} == {outcome.error}
    grader.still_sane()


@pytest.mark.slow
def test_an_endless_one_costs_one_limit(grader):
    outcome = grader.script("while True: pass\nreturn", *[("", "1")] * 5)
    assert grader.statuses(outcome) == ["syntax_error"] * 5
    assert grader.statuses(outcome, "apps") == ["timed_out"] + ["not_run"] * 4
    assert [test.error_under("apps") for test in outcome.tests] == [None] * 5
    assert outcome.cpu_seconds < 3 * grader.runner.limits.cpu_seconds


NOT_RUN = {
    "another error": "print(2)\nreturn\nx = = 1",
    "return in a class": "print(2)\nclass A:\n    return",
    "nonlocal of what is nowhere": "print(2)\ndef f():\n    nonlocal missing\n    missing = 1",
    "import * inside": "print(2)\nfrom math import *\nreturn",
    "yield": "print(2)\nyield 3",
    "break": "print(2)\nbreak",
    "await": "print(2)\nawait x",
}


@cases("name", NOT_RUN)
def test_what_no_function_repairs_is_a_syntax_error_to_both(grader, name):
    outcome = grader.script(NOT_RUN[name], ("", "2\n"), ("", "2\n"))
    assert outcome.verdicts == {"strict": "syntax_error", "apps": "syntax_error"}
    assert grader.statuses(outcome, "apps") == ["syntax_error"] * 2


def test_imported_programs_are_modules_whatever_the_profile(grader):
    outcome = grader.asserts("def f(x): return x\nreturn", "assert f(1) == 1")
    assert outcome.verdicts == {"strict": "syntax_error", "apps": "syntax_error"}
    outcome = grader.call("def f(x): return x\nreturn", "f", ([1], 1))
    assert outcome.verdicts == {"strict": "syntax_error", "apps": "syntax_error"}


def test_nothing_is_run_where_no_profile_asks_for_it():
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "2\n")])
    job = Job("task", 0, "while True: pass\nreturn", Problem("task", "", load_suite=lambda: suite))
    with Runner(1, Limits(cpu_seconds=1.0), profiles=("strict",)) as runner:
        (outcome,) = runner.run([job])
    assert outcome.verdicts == {"strict": "syntax_error"}
    assert outcome.cpu_seconds < 1.0


FORGED = """
import os, struct
text = {text!r}
os.ftruncate(3, 0)
os.pwrite(3, struct.pack("<Id", len(text), 0.0) + text, 0)
print(2, flush=True)
os._exit(0)
"""


def test_a_forged_refusal_gains_nothing(grader):
    text = json.dumps({"kind": "outside_function", "error": ["SyntaxError", "", 1]}).encode()
    outcome = grader.script(FORGED.format(text=text), ("", "2\n"), ("", "2\n"))
    assert "syntax_error" not in outcome.verdicts.values(), "the compiler had its say before"
    grader.still_sane()


TWO_HALVES = """
import os, struct, time
limit = {limit}
def work(until):
    while time.process_time() < until: pass
if os.path.exists("half"):
    print(2)
else:
    work(0.7 * limit)
    open("half", "w").close()
    record = {record!r}
    os.ftruncate(3, 0)
    os.pwrite(3, struct.pack("<Id", len(record), 0.0) + record, 0)
    os._exit(0)
"""


@pytest.mark.slow
def test_no_second_process_goes_on_from_a_refusal_that_the_program_claims(grader):
    record = json.dumps({"kind": "outside_function", "error": ["SyntaxError", "", 1]}).encode()
    outcome = grader.script(TWO_HALVES.format(limit=1.0, record=record), ("", "2\n"))
    assert "passed" not in outcome.verdicts.values()
    grader.still_sane()


def test_a_forged_report_does_not_hide_the_refusal(grader):
    outcome = grader.script(FORGED.format(text=b"") + "return", ("", "2\n"), ("", "2\n"))
    assert grader.statuses(outcome) == ["syntax_error"] * 2
    assert grader.statuses(outcome, "apps") == ["passed"] * 2


def test_lines_are_the_users():
    with pytest.raises(SyntaxError) as caught:
        compile_in_function("import sys\n\nprint(1)\nreturn\nfrom math import *\n", "solution.py")
    assert caught.value.lineno == 5
    code = compile_in_function("import sys\n\nprint(1)\nreturn\n", "solution.py")
    (body,) = [const for const in code.co_consts if hasattr(const, "co_lines")]
    assert [line for *_, line in body.co_lines() if line][-1] == 4


def test_a_text_that_is_no_python_is_none_in_a_function_either():
    assert not belongs_in_function("return (", "x", SyntaxError("'return' outside function"))
    assert belongs_in_function("return", "x", SyntaxError("'return' outside function"))
    assert not belongs_in_function("return", "x", SyntaxError("invalid syntax"))
