"""104 programs of our own, really run: the classes that the released code gave them, and where ours differ.

`released_classes.json` holds what the released grader and error finder said of them on CPython 3.8: category,
scope, the text of the blamed line, and the pass ratio of failures. Tests: a script reads n and prints n + 7,
or `add(n)` returns it, for n = 1, 2, 5, 10.
"""

import json
from pathlib import Path

import pytest

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.types import CallTest, StdinTest, TestKind
from rltf.rewards.feedback import feedback
from rltf.rewards.line_tokens import line_spans
from rltf.rewards.rltf import PAPER, RELEASED, rewards

PROGRAMS = {
    row["name"]: row for row in json.loads(Path(__file__).with_name("released_classes.json").read_text())
}

# By cause: what ours is called instead, as category, scope and line.
DIFFERENCES = {
    "CPython names the open bracket's line, not the one that no longer fits": {
        "open_bracket_mid": ("syntax_error", "line", "n = int(input()"),
        "open_bracket_mid_long": ("syntax_error", "line", "n = [int(input())"),
    },
    "the release never finds a line with its wrapper's indentation, so it penalises nothing there either": {
        "unexpected_indent": ("syntax_error", "ignore", ""),
        "tabs_spaces": ("syntax_error", "ignore", ""),
    },
    "the release keeps nothing between calls, Hendrycks' grader one module": {
        "c_state": ("failure", "ignore", ""),
    },
    "the release runs a script as the body of a function, whatever that does to it": {
        "import_star_inside": ("passed", "ignore", ""),
        "global_inside": ("passed", "ignore", ""),
    },
    "the release searches a traceback's text": {
        "value_error_says_runtime_error": ("error", "line", "raise ValueError('RuntimeError')"),
        "memory_error": ("error", "line", "raise MemoryError"),
        "eval_syntax_error": ("error", "line", "print(eval('1 +'))"),
    },
    "the release's error finder fails, and all programs of the problem are lost": {
        "exit_message": ("error", "ignore", ""),
        "not_utf8": ("failure", "ignore", ""),
    },
    "the release compares text, looks for the word Solution, and takes an exit in a call for an answer": {
        "c_string": ("failure", "ignore", ""),
        "c_solution_word": ("passed", "ignore", ""),
        "c_exit": ("error", "ignore", ""),
    },
}
EXPECTED = {name: said for programs in DIFFERENCES.values() for name, said in programs.items()}
NUMBERS = (1, 2, 5, 10)
SUITES = {
    "stdin": TestSuite.pack(TestKind.STDIN, [StdinTest(f"{n}\n", f"{n + 7}\n") for n in NUMBERS]),
    "call": TestSuite.pack(TestKind.CALL, [CallTest([n], n + 7) for n in NUMBERS], entry_point="add"),
}


@pytest.fixture(scope="module")
def outcomes():
    problems = {kind: Problem("t", "", load_suite=lambda s=suite: s) for kind, suite in SUITES.items()}
    jobs = [Job("t", name, row["code"], problems[row["kind"]]) for name, row in PROGRAMS.items()]
    with Runner(limits=Limits(cpu_seconds=0.5), profiles=["strict", "apps"]) as runner:
        return {outcome.sample_id: outcome for outcome in runner.run(jobs)}


def said_of(outcomes, name, **options):
    row = PROGRAMS[name]
    return feedback(outcomes[name], row["code"], profile="apps", kind=TestKind(row["kind"]), **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_the_released_class_or_a_listed_one(outcomes, name):
    row, said = PROGRAMS[name], said_of(outcomes, name, compat="released")
    spans = line_spans(row["code"])
    line = "" if said.line is None else row["code"][slice(*spans[said.line - 1])].strip()
    released = (row["category"], row["scope"], row["line"])
    assert (said.category, said.scope, line) == EXPECTED.get(name, released)
    if name in EXPECTED:
        assert EXPECTED[name] != released, "no difference any more; take it off the list"
    elif said.category == "failure":
        assert said.pass_ratio == row["pass_ratio"]


@pytest.mark.slow
def test_nothing_is_worth_less_than_a_program_with_nothing_in_it(outcomes):
    for compat, config in (("paper", PAPER), ("released", RELEASED)):
        worth = {name: rewards(said_of(outcomes, name, compat=compat), config) for name in PROGRAMS}
        total = {name: each.coarse + each.fine + each.adaptive for name, each in worth.items()}
        for name in ("empty", "comment_only", "imports_only"):
            assert total[name] == min(total.values())
            assert total[name] < total["name_error"] < total["wrong_all"]


@pytest.mark.slow
def test_a_stray_return_is_forgiven_where_the_profile_runs_a_function(outcomes):
    code = PROGRAMS["stray_return_right"]["code"]
    for profile, category in (("apps", "passed"), ("strict", "syntax_error")):
        assert feedback(outcomes["stray_return_right"], code, profile=profile).category == category
    code = PROGRAMS["stray_return_error"]["code"]
    assert feedback(outcomes["stray_return_error"], code, profile="apps").line == 5
    assert feedback(outcomes["stray_return_error"], code, profile="strict").line == 4
