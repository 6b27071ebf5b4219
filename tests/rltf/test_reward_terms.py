"""Reward terms: their values, the options that choose them, and the tokens that their lines are."""

from types import SimpleNamespace

import pytest
from cases import cases

from harness.errors import InputError
from harness.types import Outcome, Problem, Status, StdinTest, TestKind, TestOutcome, TestSuite
from rltf.objectives.rltf import RLTF
from rltf.rewards.alignment import text_spans
from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rewards.rltf import PAPER, raw_rewards
from rltf.rewards.terms import (
    TERMS,
    Coarse,
    Fine,
    GradedProgram,
    Passed,
    PassRate,
    TermValue,
    WeightedTerm,
    find_term,
    make_terms,
    spans_of_lines,
)
from rltf.rollout.records import Group, Rollout

PROBLEM = Problem(
    "sums/train/0", "Add one.", load_suite=lambda: TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "2\n")])
)
STATUS = {"strict": Status.WRONG_ANSWER}
OUTCOME = Outcome("sums/train/0", 0, STATUS, (TestOutcome(STATUS),))
CODE = "n = 1\nif n:\n    print(n)  \n"

PASSED = Feedback(Category.PASSED, "passed", Scope.IGNORE, None, 1.0)
HALF = Feedback(Category.FAILURE, "wrong_answer", Scope.IGNORE, None, 0.5)
ERROR = Feedback(Category.ERROR, "index_error", Scope.LINE, 3, 0.2)
CUT = Feedback(Category.SYNTAX_ERROR, "truncated", Scope.GLOBAL, None, 0.0)


def graded(feedback: Feedback, code: str = CODE) -> GradedProgram:
    return GradedProgram(code, OUTCOME, feedback, PROBLEM)


@cases(
    ("feedback", "expected"),
    [(PASSED, (1.0, 1.0, 1.0)), (HALF, (0.5, 0.0, -0.3)), (ERROR, (0.2, 0.0, -0.6)), (CUT, (0.0, 0.0, -1.0))],
)
def test_values_of_a_whole_program_by_hand(feedback, expected):
    found = [term(graded(feedback)) for term in (PassRate(), Passed(), Coarse())]
    assert tuple(each.value for each in found) == expected
    assert all(each.spans is None for each in found)


@cases("feedback", [PASSED, HALF, ERROR, CUT])
def test_coarse_and_fine_are_those_of_the_paper(feedback):
    own = raw_rewards(feedback, PAPER)
    assert (Coarse()(graded(feedback)).value, Fine()(graded(feedback)).value) == (own.coarse, own.fine)


def test_the_fine_term_is_for_the_line_that_is_to_blame_or_the_whole_program_or_nothing():
    def blamed(feedback):
        return [CODE[first:last] for first, last in Fine()(graded(feedback)).spans]

    assert blamed(ERROR) == ["print(n)"]
    assert blamed(CUT) == [CODE]
    assert blamed(HALF) == []


def test_lines_that_are_not_there_have_no_characters():
    assert spans_of_lines(CODE, [0, 1, 4]) == [(0, 5)]


def test_every_term_named_in_the_table_exists_and_says_what_it_is():
    for name in TERMS:
        assert find_term(name).__doc__


def test_weights_and_options_choose_the_terms_in_their_order():
    terms = make_terms({"coarse": 0.5, "pass_rate": 2}, {"coarse": {"error": -2.0}})
    assert [each.name for each in terms] == ["coarse", "pass_rate"]
    assert [each(graded(ERROR)).value for each in terms] == [-1.0, 0.4]


class Shortness:
    """A term of the user's own."""

    def __call__(self, program):
        return TermValue(-float(len(program.code)))


def test_a_term_of_the_users_own_is_named_by_its_place(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "my_terms", sys.modules[__name__])
    [term] = make_terms({"my_terms:Shortness": 0.1})
    assert term(graded(HALF, "abcd")).value == pytest.approx(-0.4)


@cases(
    ("weights", "options", "message"),
    [
        ({"nonesuch": 1}, {}, "unknown reward term 'nonesuch'; available: pass_rate, passed"),
        ({"no.such.module:Term": 1}, {}, "cannot load no.such.module:Term"),
        ({"coarse": "much"}, {}, "the weight of coarse must be a number, got 'much'"),
        ({"coarse": True}, {}, "must be a number"),
        ({"coarse": float("nan")}, {}, "a finite number"),
        ({"coarse": 1}, {"coarse": {"pass": 1}}, r"unknown option coarse\.pass; coarse has passed, failure"),
        ({"pass_rate": 1}, {"fine": {"penalty": -1}}, "fine has options but no weight"),
    ],
)
def test_what_is_no_choice_of_terms_is_refused_in_a_line(weights, options, message):
    with pytest.raises(InputError, match=message):
        make_terms(weights, options)


# --- from a program's lines to tokens ------------------------------------------------------------


def test_a_part_of_a_program_is_found_in_the_completion_around_it():
    text = "Here:\n```python\n    n = 1\n    print(n)\n```"
    code = "n = 1\nprint(n)\n"
    found = text_spans(text, code, 2, [(0, 1), (6, 14), (3, 11)])
    assert [text[first:last] for first, last in found] == ["n", " 1", "print(n)", "print"]


def rollout(text: str, code: str, lines_before: int | None) -> Rollout:
    return Rollout(
        task_id="sums/train/0",
        group=0,
        sample_id=0,
        prompt_ids=(1,),
        token_ids=tuple(map(ord, text)),
        log_probs=(-1.0,) * len(text),
        text=text,
        code=code,
        outcome=OUTCOME,
        feedback=HALF,
        lines_before=lines_before,
        truncated=False,
        temperature=1.0,
        step=0,
        offsets=tuple((i, i + 1) for i in range(len(text))),
    )


def test_tokens_of_a_span_are_those_that_wrote_it():
    made = rollout("Look:\n  x = y\n", "x = y\n", 1)
    weights = made.tokens_of([(4, 5)])
    assert [c for c, weight in zip(made.text, weights, strict=True) if weight] == ["y"]


def test_a_program_that_stands_nowhere_in_the_completion_has_no_tokens():
    made = rollout("x = y\n", "z = 1\n", None)
    assert made.tokens_of([(0, 5)]) == (0.0,) * 6


def test_lines_that_the_prompt_holds_are_no_tokens_of_the_completion():
    made = rollout("return x\n", "def f(x):\nreturn x\n", -1)
    weights = made.tokens_of([(0, 9), (17, 18)])
    assert [c for c, weight in zip(made.text, weights, strict=True) if weight] == ["x"]


def test_a_term_is_called_once_for_each_program_however_often_its_value_is_asked_for():
    seen = []

    class Counting:
        def __call__(self, program):
            seen.append(program.code)
            return TermValue(1.0)

    group = Group(PROBLEM, [rollout("x = y\n", "x = y\n", 0), rollout("z = 1\n", "z = 1\n", 0)])
    training = SimpleNamespace(terms={}, term_options={}, samples_per_problem=2)
    objective = RLTF(PAPER, training)
    objective.terms = [WeightedTerm("counting", 0.5, Counting())]
    credit = objective.credit(group)
    assert [row["counting"].value for row in credit] == [0.5, 0.5]
    assert [row["counting"] for row in objective.rewards(group)] == [0.5, 0.5]
    assert seen == ["x = y\n", "z = 1\n"]
