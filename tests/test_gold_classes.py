"""The rules that say why a reference solution fails, and whether its problem is bad; examples are our own.

Not covered: the real solutions, which `make gold` grades.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

from harness.types import ErrorInfo, Outcome, Status, TestOutcome


def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "studies" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gold = _load("gold_classes")
rulings = _load("gold_rulings")
profile = _load("profile_causes")
Fault, Ruling, Shown = gold.Fault, rulings.Ruling, gold.Shown
PASSED, WRONG, RAISED = Status.PASSED, Status.WRONG_ANSWER, Status.RUNTIME_ERROR


def failure(strict, error=None, shown=(), apps=None):
    statuses = {"strict": strict, "apps": apps or strict}
    outcome = Outcome("apps/test/0", 0, statuses, (TestOutcome(statuses, error),), error)
    return gold.Failure("apps/test/0", 0, outcome, tuple(Shown(*each) for each in shown))


def wrong(*shown):
    return failure(WRONG, shown=shown)


@pytest.mark.parametrize(
    ("type_", "message", "fault"),
    [
        ("ImportError", "cannot import name 'gcd' from 'fractions'", Fault.REMOVED),
        ("AttributeError", "module 'time' has no attribute 'clock'", Fault.REMOVED),
        ("ModuleNotFoundError", "No module named 'somewhere'", Fault.MODULE),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'input.txt'", Fault.FILES),
        ("KeyError", "'getpwuid(): uid not found: 0'", Fault.ENVIRONMENT),
        ("KeyError", "'a key of its own'", Fault.RAISES),
        ("NameError", "name 'raw_input' is not defined", Fault.PYTHON2),
        ("NameError", "name 'ListNode' is not defined", Fault.UNDEFINED),
        ("TypeError", "'float' object cannot be interpreted as an integer", Fault.PYTHON2),
        ("TypeError", "f() takes 1 positional argument but 2 were given", Fault.SIGNATURE),
        ("RecursionError", "maximum recursion depth exceeded", Fault.RECURSION),
        ("EOFError", "EOF when reading a line", Fault.INPUT_SHAPE),
        ("ValueError", "invalid literal for int() with base 10: ''", Fault.INPUT_SHAPE),
        ("IndexError", "list index out of range", Fault.RAISES),
    ],
)
def test_an_exception_is_classified_by_its_type_and_message(type_, message, fault):
    assert gold.classify(failure(RAISED, ErrorInfo(type_, message, 1))) is fault


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("'return' outside function", Fault.RETURN),
        ("no binding for nonlocal 'n' found", Fault.NONLOCAL),
        ("Missing parentheses in call to 'print'. Did you mean print(...)?", Fault.PYTHON2),
        ("invalid syntax", Fault.SYNTAX),
    ],
)
def test_a_text_that_does_not_compile_is_classified_by_the_compilers_words(message, fault):
    error = ErrorInfo("SyntaxError", message, 3)
    assert gold.classify(failure(Status.SYNTAX_ERROR, error)) is fault


@pytest.mark.parametrize(
    ("given", "expected", "fault"),
    [
        ("", "1", Fault.NOTHING),
        ("2 1", "1 2", Fault.ORDER),
        ("1 1 2", "1 2", Fault.REPEATS),
        ("yes", "YES", Fault.CASE),
        ("0.3333", "0.33333333", Fault.CLOSE),
        ("1000000008", "1000000007", Fault.VALUE),
        ("1 2", "1 2 3", Fault.LENGTH),
        ("5", "7", Fault.VALUE),
        ([2, 1], [1, 2], Fault.VALUE),
    ],
)
def test_a_wrong_answer_is_classified_by_how_it_differs(given, expected, fault):
    assert gold.classify(wrong((0, given, expected))) is fault


def test_a_wrong_answer_of_which_nothing_was_seen_has_no_class():
    assert gold.classify(wrong()) is None


@pytest.mark.parametrize(
    ("failures", "passed", "repaired", "ruling"),
    [
        ([wrong((0, "5", "7"))], 3, 0, Ruling.SOLUTION),
        ([wrong((0, "5", "7"))], 0, 0, Ruling.ALONE),
        ([wrong((0, "5", "7")), wrong((0, "5", "7"))], 0, 0, Ruling.AGREED),
        ([wrong((0, "5", "7")), wrong((0, "6", "7"))], 0, 0, Ruling.ANSWERS),
        ([wrong((0, "5", "7")), wrong((0, "6", "7"))], 1, 0, Ruling.SOLUTION),
        ([wrong((0, "5", "7")), wrong((0, "6", "7")), wrong((0, "8", "7"))], 1, 0, Ruling.ANSWERS),
        ([wrong((0, "2 1", "1 2"))], 3, 0, Ruling.ORDER),
        ([wrong((0, "0.33", "0.333"))], 0, 0, Ruling.REALS),
        ([failure(Status.TIMED_OUT)], 0, 0, Ruling.SLOW),
        ([failure(Status.SYNTAX_ERROR, ErrorInfo("SyntaxError", "'return' outside function", 1))], 0, 1,
         Ruling.REPAIRED),
        ([failure(Status.SYNTAX_ERROR, ErrorInfo("SyntaxError", "invalid syntax", 1))], 0, 0,
         Ruling.UNRUNNABLE),
        ([failure(RAISED, ErrorInfo("EOFError", "", 1))], 0, 0, Ruling.INPUTS),
        ([failure(RAISED, ErrorInfo("FileNotFoundError", "", 1))], 0, 0, Ruling.FILES),
        ([failure(RAISED, ErrorInfo("NameError", "name 'ListNode' is not defined", 1))], 0, 0, Ruling.SITE),
        ([wrong((0, "5", "")), wrong((0, "6", ""))], 0, 0, Ruling.EMPTY),
    ],
)  # fmt: skip
def test_what_its_solutions_say_of_a_problem(failures, passed, repaired, ruling):
    assert rulings.judge_problem(failures, passed, repaired) is ruling


@pytest.mark.parametrize(
    ("strict", "apps", "given", "expected", "why"),
    [
        (WRONG, PASSED, "2 1", "1 2", "ORDER"),
        (WRONG, PASSED, "1 2 2", "1 2", "REPEATS"),
        (WRONG, PASSED, "0.12341", "0.1234", "NUMBERS"),
        (RAISED, PASSED, "1", "1", "EXIT"),
        (PASSED, WRONG, "1 2", "1\n2", "LINES"),
        (PASSED, WRONG, "a 0.50", "a 0.5", "FORMAT"),
        (WRONG, PASSED, True, [1], "TYPES"),
        (PASSED, WRONG, 0.1 + 0.2, 0.3, "REALS"),
    ],
)
def test_why_the_profiles_differ_on_a_test(strict, apps, given, expected, why):
    test = TestOutcome({"strict": strict, "apps": apps})
    assert profile.why_profiles_differ(test, given, expected) is profile.ProfileCause[why]


def test_a_difference_between_the_profiles_that_no_rule_knows_is_unexplained():
    test = TestOutcome({"strict": WRONG, "apps": PASSED})
    assert profile.why_profiles_differ(test, "abc", "abd") is None
