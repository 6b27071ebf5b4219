"""Feedback and blamed tokens of programs that the runner really ran: the chain from program to span."""

import re

import pytest

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.types import StdinTest, TestKind
from rltf.rewards.feedback import feedback
from rltf.rewards.line_tokens import feedback_mask
from rltf.rewards.rltf import rewards

SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("4 2\n", "2\n"), StdinTest("4 0\n", "0\n")])
READ = "a, b = map(int, input().split())\n"
GUARDED = "print(a // b if b else 0)\n"

# Name, program, category, sub-type, what the span holds, rewards to three digits.
PROGRAMS = [
    ("right", READ + GUARDED, "passed", "passed", "", (1.0, 0.0, 1.0)),
    ("wrong", READ + "print(2)\n", "failure", "wrong_answer", "", (-0.3, 0.0, 0.35)),
    (
        "divides by zero",
        READ + "c = a // b\nprint(c)\nc = a // b\n",
        "error",
        "zero_division",
        "c = a // b",
        (-0.6, -0.3, 0.35),
    ),
    (
        "fails in a function",
        "def half(x):\n\treturn x // y\n\n" + READ + "print(half(a))\n",
        "error",
        "name_error",
        "return x // y",
        (-0.6, -0.3, -0.3),
    ),
    (
        "repeats itself",
        "def f():\n    f()\nf()\n",
        "error",
        "recursion",
        "def f():\n    f()\nf()\n",
        (-0.6, -0.3, -0.3),
    ),
    ("never ends", "while 1: 0", "error", "timed_out", "while 1: 0", (-0.6, -0.3, -0.3)),
    ("leaves", READ + "exit(3)\n", "error", "exit_status", "exit(3)", (-0.6, -0.3, -0.3)),
    ("colon", READ + "if a\n\tpass\n", "syntax_error", "missing_colon", "if a", (-1.0, -0.3, -0.3)),
    ("bracket", READ + "print(a\n", "syntax_error", "unclosed_bracket", "print(a", (-1.0, -0.3, -0.3)),
    (
        "returns",
        "a = 1\r\nprint 'é'\r\n",
        "syntax_error",
        "python_2_print",
        "print 'é'",
        (-1.0, -0.3, -0.3),
    ),
    ("indent", "a = 1\n  b = 2\n", "syntax_error", "unexpected_indent", "", (-1.0, 0.0, -0.3)),
    ("null", "a = 1\0\n", "syntax_error", "null_byte", "", (-1.0, 0.0, -0.3)),
    ("nothing", "", "syntax_error", "nothing_to_run", "", (-1.0, -0.3, -0.3)),
    ("imports", "import os", "syntax_error", "nothing_to_run", "import os", (-1.0, -0.3, -0.3)),
]


@pytest.fixture(scope="module")
def outcomes():
    problem = Problem("t", "", load_suite=lambda: SUITE)
    jobs = [Job("t", name, code, problem) for name, code, *_ in PROGRAMS]
    with Runner(workers=1, limits=Limits(cpu_seconds=0.4), profiles=["strict"]) as runner:
        return {outcome.sample_id: outcome for outcome in runner.run(jobs)}


@pytest.mark.slow
@pytest.mark.parametrize("row", PROGRAMS, ids=[row[0].replace(" ", "-") for row in PROGRAMS])
def test_from_the_run_to_the_blamed_tokens(outcomes, row):
    name, code, category, subtype, span, expected = row
    said = feedback(outcomes[name], code)
    assert (said.category, said.subtype) == (category, subtype)
    # A tokenizer of words, blanks and signs, so that the span reads as text.
    offsets = [match.span() for match in re.finditer(r"\w+|\s|[^\w\s]", code)]
    mask = feedback_mask(said, code, offsets)
    assert "".join(code[a:b] for (a, b), marked in zip(offsets, mask, strict=True) if marked) == span
    reward = rewards(said)
    assert (reward.coarse, reward.fine, reward.adaptive) == pytest.approx(expected)


def test_of_repeated_lines_the_first_to_fail_is_blamed(outcomes):
    code = next(code for name, code, *_ in PROGRAMS if name == "divides by zero")
    assert code.count("c = a // b") == 2
    assert feedback(outcomes["divides by zero"], code).line == 2
