"""From an outcome to feedback: categories, scopes, lines, and what is refused."""

import pytest
from cases import cases

from harness.types import ErrorInfo, Outcome, Status, TestKind, TestOutcome
from rltf.rewards.feedback import Feedback, feedback

CODE = "a = 1\nb = 0\nprint(a / b)\n"
ZERO = ErrorInfo("ZeroDivisionError", "division by zero", 3)


def outcome(*statuses: str, errors: dict[int, ErrorInfo] | None = None, **fields) -> Outcome:
    errors = errors or {}
    tests = tuple(TestOutcome({"strict": Status(s)}, errors.get(i)) for i, s in enumerate(statuses))
    verdict = next((Status(s) for s in statuses if s != "passed"), Status.PASSED)
    return Outcome("apps/train/1", 7, {"strict": verdict}, tests, next(iter(errors.values()), None), **fields)


def test_a_program_that_passes_every_test_is_blamed_for_nothing():
    assert feedback(outcome("passed", "passed"), CODE) == Feedback("passed", "passed", "ignore", None, 1.0)


def test_a_wrong_answer_is_a_failure_without_a_place():
    result = feedback(outcome("passed", "wrong_answer", "passed", "passed"), CODE)
    assert result == Feedback("failure", "wrong_answer", "ignore", None, 0.75)


def test_an_exception_is_an_error_on_its_line():
    result = feedback(outcome("runtime_error", errors={0: ZERO}), CODE)
    assert result == Feedback("error", "zero_division", "line", 3, 0.0)


def test_an_error_in_any_test_outranks_an_earlier_wrong_answer():
    result = feedback(outcome("passed", "wrong_answer", "runtime_error", "passed", errors={2: ZERO}), CODE)
    assert result == Feedback("error", "zero_division", "line", 3, 0.5)


def test_the_first_error_gives_the_sub_type():
    errors = {1: ZERO, 2: ErrorInfo("KeyError", "'a'", 1)}
    assert feedback(outcome("passed", "runtime_error", "runtime_error", errors=errors), CODE).line == 3


def test_tests_that_were_not_run_count_as_not_passed():
    result = feedback(outcome("passed", "timed_out", "not_run", "not_run"), CODE)
    assert result == Feedback("error", "timed_out", "global", None, 0.25)


def test_a_syntax_error_is_on_its_line():
    error = ErrorInfo("SyntaxError", "invalid syntax", 2)
    result = feedback(outcome("syntax_error", "syntax_error", errors={0: error, 1: error}), "a\nb b\nc\n")
    assert result == Feedback("syntax_error", "invalid_syntax", "line", 2, 0.0)


def test_a_syntax_error_outranks_an_earlier_error():
    errors = {0: ZERO, 1: ErrorInfo("SyntaxError", "invalid syntax", 2)}
    result = feedback(outcome("runtime_error", "syntax_error", errors=errors), CODE)
    assert (result.category, result.subtype, result.line) == ("syntax_error", "invalid_syntax", 2)


def test_a_compiler_that_crashed_blames_the_whole_program():
    result = feedback(outcome("syntax_error"), CODE)
    assert (result.category, result.subtype, result.scope) == ("syntax_error", "too_deep", "global")


@cases("status", ["syntax_error", "runtime_error", "timed_out", "wrong_answer"])
def test_a_truncated_program_is_blamed_as_a_whole(status):
    result = feedback(outcome("passed", status), CODE, truncated=True)
    assert (result.subtype, result.scope, result.line, result.pass_ratio) == (
        "truncated",
        "global",
        None,
        0.5,
    )
    assert result.category == {"wrong_answer": "failure", "syntax_error": "syntax_error"}.get(status, "error")


def test_a_truncated_program_that_passes_is_not_blamed():
    assert feedback(outcome("passed"), CODE, truncated=True).scope == "ignore"


def test_the_released_classes_do_not_know_of_the_length_limit():
    error = ErrorInfo("SyntaxError", "'(' was never closed", 3)
    for line, scope in ((3, "global"), (2, "line")):
        error = ErrorInfo("SyntaxError", "'(' was never closed", line)
        result = feedback(outcome("syntax_error", errors={0: error}), CODE, truncated=True, compat="released")
        assert (result.subtype, result.scope) == ("unclosed_bracket", scope)


def test_an_exit_status_that_the_profile_forgives_is_not_the_cause():
    forgiven = ErrorInfo("SystemExit", "1", 1)
    result = feedback(outcome("passed", "runtime_error", errors={0: forgiven, 1: ZERO}), CODE)
    assert (result.subtype, result.line) == ("zero_division", 3)


def test_the_profile_decides_whose_statuses_count():
    test = TestOutcome({"strict": Status.WRONG_ANSWER, "apps": Status.PASSED})
    both = Outcome("t", 0, {"strict": Status.WRONG_ANSWER, "apps": Status.PASSED}, (test,))
    assert feedback(both, CODE).category == "failure"
    assert feedback(both, CODE, profile="apps").category == "passed"


@cases("line", [None, 0, -1, 5, 10**9])
def test_a_line_that_the_program_has_not_is_not_believed(line):
    result = feedback(outcome("runtime_error", errors={0: ErrorInfo("KeyError", "", line)}), CODE)
    assert (result.subtype, result.scope, result.line) == ("key_error", "ignore", None)


@cases(("code", "reported"), [("try:\n x = 1\n\n\n", 4), ("try:\n x = 1\n", 3), ("try:\n x = 1", 2)])
def test_what_is_missing_at_the_end_is_blamed_on_the_last_line_that_says_something(code, reported):
    error = ErrorInfo("SyntaxError", "expected 'except' or 'finally' block", reported)
    assert feedback(outcome("syntax_error", errors={0: error}), code).line == 2


NOTHING = [
    "",
    "\n \n",
    "# a = 1\n",
    '"""A docstring\nof two lines."""\n',
    "import os, sys\n",
    "pass",
    "...",
    "from a import (\n b,\n)",
]


@cases("code", NOTHING)
@cases("compat", ["paper", "released"])
@cases("status", ["passed", "wrong_answer", "runtime_error", "timed_out"])
def test_a_script_with_nothing_to_run_is_as_bad_as_one_that_does_not_compile(code, compat, status):
    result = feedback(outcome("passed", status), code, compat=compat)
    assert result == Feedback("syntax_error", "nothing_to_run", "global", None, 0.0)


def test_an_imported_program_may_be_an_import_but_not_one_that_passes_nothing():
    code = "from math import gcd\n"
    for kind in (TestKind.CALL, TestKind.ASSERTS):
        assert feedback(outcome("passed"), code, kind=kind).category == "passed"
        assert feedback(outcome("passed", "wrong_answer"), code, kind=kind).category == "failure"
        assert feedback(outcome("runtime_error"), code, kind=kind).subtype == "nothing_to_run"


@cases("code", ["x = 1", "print()", "def f(): pass", "x", "f'{x}'", "if 1: pass", "import os; os._exit(0)"])
def test_a_program_with_a_statement_in_it_is_one(code):
    assert feedback(outcome("wrong_answer"), code).category == "failure"


def test_a_script_that_ends_with_a_status_is_an_error_without_a_place_in_the_released_code():
    exits = {1: ErrorInfo("SystemExit", "3", 3)}
    for status in ("passed", "wrong_answer", "runtime_error"):
        result = feedback(outcome("passed", status, errors=exits), CODE, compat="released")
        assert (result.category, result.subtype, result.scope) == ("error", "exit_status", "ignore")
    assert feedback(outcome("passed", "passed", errors=exits), CODE).category == "passed"
    imported = feedback(outcome("passed", errors={0: exits[1]}), CODE, compat="released", kind=TestKind.CALL)
    assert imported.category == "passed"


def test_each_profile_is_told_by_its_own_error():
    statuses = {"strict": Status.SYNTAX_ERROR, "apps": Status.RUNTIME_ERROR}
    refused = ErrorInfo("SyntaxError", "'return' outside function", 1)
    test = TestOutcome(statuses, refused, errors={"apps": ZERO})
    both = Outcome("t", 0, statuses, (test,), refused)
    assert feedback(both, CODE).line == 1
    assert feedback(both, CODE, profile="apps") == Feedback("error", "zero_division", "line", 3, 0.0)


@cases(
    ("refused", "message"),
    [
        (outcome("not_run", infrastructure_error="worker lost twice"), "grader failed.*worker lost twice"),
        (outcome("passed", infrastructure_error="worker lost twice"), "grader failed"),
        (Outcome("t", 0, {"strict": Status.NOT_RUN}), "no tests"),
        (outcome("not_run", "not_run"), "no test was run"),
    ],
)
def test_what_says_nothing_of_the_program_never_becomes_a_reward(refused, message):
    for compat in ("paper", "released"):
        with pytest.raises(ValueError, match=message):
            feedback(refused, CODE, compat=compat)


def test_an_unknown_profile_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"'apps'; available: strict"):
        feedback(outcome("passed"), CODE, profile="apps")


def test_an_unknown_way_of_classing_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="compat is 'typo'; choose one of: paper, released"):
        feedback(outcome("passed"), CODE, compat="typo")
