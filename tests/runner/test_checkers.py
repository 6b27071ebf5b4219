"""A problem's own checker and profile: what they get, when they decide, and what comes of bad ones."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from cases import cases

from harness import Job, Runner
from harness.commands.options import limits_of, runner_start
from harness.compare import PROFILES, get_profiles, profiles
from harness.errors import InputError
from harness.runner.cache_key import grading_versions
from harness.types import (
    AssertTest,
    Benchmark,
    CallTest,
    Checker,
    Limits,
    Problem,
    StdinTest,
    Test,
    TestKind,
    TestSuite,
    ValueTest,
)

MODULE = """
from dataclasses import replace
from harness.compare import PROFILES

LOOSE = replace(PROFILES["strict"], name="loose", value_matches=lambda value, expected, *, wrapped: True)
TAKEN = replace(LOOSE, name="apps")
number = 3

def any_order(output, test, profile):
    return sorted(output) == sorted(test.expected)

def more_words(output, test, profile):
    return len(output.split()) > len(test.output.split())

def under_apps(output, test, profile):
    return profile == "apps"

def root(output, test, profile):
    return output * output == int(test.expected)

def raises(output, test, profile):
    raise KeyError(output)

def endless(output, test, profile):
    while True:
        pass
"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkers")
    (folder / "made_checkers.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        with Runner(workers=1) as started:
            yield started


def problem(kind: TestKind, *tests: Test, checker: str | None = None, version: str = "1") -> Problem:
    named = None if checker is None else Checker(f"made_checkers:{checker}", version)
    suite = TestSuite.pack(kind, tests, entry_point="f" if kind is TestKind.CALL else None, checker=named)
    return Problem("made/1", "", lambda: suite)


def statuses(runner: Runner, made: Problem, code: str) -> list[dict[str, str]]:
    (outcome,) = runner.run([Job(made.task_id, 0, code, made)])
    return [{name: str(status) for name, status in test.statuses.items()} for test in outcome.tests]


PASSED = {"strict": "passed", "apps": "passed"}
WRONG = {"strict": "wrong_answer", "apps": "wrong_answer"}


def test_a_checker_decides_what_a_call_may_return(runner):
    made = problem(TestKind.CALL, CallTest([3], [1, 2, 3]), CallTest([2], [1, 2]), checker="any_order")
    assert statuses(runner, made, "def f(n): return list(range(3, 0, -1))") == [PASSED, WRONG]


def test_a_checker_decides_what_a_program_may_print(runner):
    made = problem(TestKind.STDIN, StdinTest("", "a b"), checker="more_words")
    assert statuses(runner, made, "print('x y z')") == [PASSED]
    assert statuses(runner, made, "print('a b')") == [WRONG]


def test_a_checker_knows_for_which_profile_it_is_asked(runner):
    made = problem(TestKind.CALL, CallTest([], 1), checker="under_apps")
    assert statuses(runner, made, "def f(): return 2") == [{"strict": "wrong_answer", "apps": "passed"}]


def test_of_an_expression_the_value_leaves_and_what_is_expected_stays(runner):
    tests = (
        ValueTest("f(2)", "4"),
        ValueTest("f(3)", "(9,)"),
        ValueTest("[f(4), 16]", "[16, 16]", ran_inside=True),
    )
    made = problem(TestKind.ASSERTS, *tests)
    assert made.suite.tests() == list(tests)
    assert statuses(runner, made, "def f(x): return x * x") == [PASSED, WRONG, PASSED]
    (outcome,) = runner.run([Job("made/1", 0, "def f(x): return x * x", made)])
    assert [test.ran_inside for test in outcome.tests] == [False, False, True]


def test_a_checker_decides_on_the_value_of_an_expression(runner):
    made = problem(TestKind.ASSERTS, ValueTest("f()", "4"), checker="root")
    assert statuses(runner, made, "def f(): return -2") == [PASSED]
    assert statuses(runner, made, "def f(): return 3") == [WRONG]


def test_a_crash_is_a_crash_whatever_a_checker_would_say(runner):
    made = problem(TestKind.CALL, CallTest([], 1), checker="under_apps")
    assert statuses(runner, made, "def f(): return 1 / 0") == [dict.fromkeys(PASSED, "runtime_error")]


@pytest.mark.parametrize(("name", "error"), [("raises", "CheckError"), ("endless", "ComparisonBudget")])
def test_a_checker_that_fails_costs_that_program_its_test_and_nothing_else(runner, name, error):
    made = problem(TestKind.CALL, CallTest([], 1), checker=name)
    (outcome,) = runner.run([Job("made/1", 0, "def f(): return 'secret'", made)])
    assert outcome.infrastructure_error is None
    assert not outcome.passed("strict")
    assert outcome.error is not None
    assert outcome.error.type == error
    assert "secret" not in outcome.error.message
    assert statuses(runner, problem(TestKind.CALL, CallTest([], 1)), "def f(): return 1") == [PASSED]


@cases(
    ("path", "said"),
    [
        ("made_checkers:nothing", "cannot be loaded"),
        ("no_such:x", "cannot be loaded"),
        ("made_checkers:number", "int"),
    ],
)
def test_a_checker_that_is_not_there_is_one_line_and_no_verdict(runner, path, said):
    suite = TestSuite.pack(TestKind.CALL, [CallTest([], 1)], entry_point="f", checker=Checker(path, "1"))
    with pytest.raises(InputError, match=rf"checker '{path}' .*{said}"):
        list(runner.run([Job("a", 0, "def f(): return 1", Problem("a", "", lambda: suite))]))


def test_a_checkers_version_is_part_of_what_a_verdict_is_kept_by():
    test = CallTest([], 1)
    digests = [
        problem(TestKind.CALL, test, checker=checker, version=version).suite.digest
        for checker, version in ((None, "1"), ("root", "1"), ("root", "2"), ("raises", "1"))
    ]
    assert len(set(digests)) == 4


# Profiles and limits of a benchmark


def benchmark(**changes) -> Benchmark:
    return replace(Benchmark("made", "test", "1", [], "hash", "made here"), **changes)


def arguments(**changes) -> SimpleNamespace:
    plain = dict.fromkeys(("limit_cpu", "limit_program", "memory", "workers", "cache"))
    return SimpleNamespace(
        **plain | {"first_failure": False, "all_tests": False, "no_cache": True, "ray": None} | changes
    )


def test_a_benchmark_may_bring_a_profile_of_its_own(runner, monkeypatch):
    del runner  # its module is on the path while it is there
    monkeypatch.setattr(profiles, "_BROUGHT", {})
    names = ("strict", "made_checkers:LOOSE")
    assert [profile.name for profile in get_profiles(names)] == ["strict", "loose"]
    assert grading_versions(names)["profiles"] == {"strict": "2", "loose": "2"}
    made = problem(TestKind.CALL, CallTest([], 1))
    with Runner(workers=1, profiles=names) as started:
        assert statuses(started, made, "def f(): return 2") == [{"strict": "wrong_answer", "loose": "passed"}]
    with pytest.raises(InputError, match="is called 'apps', as another is"):
        get_profiles(["made_checkers:TAKEN"])
    with pytest.raises(InputError, match=r"is no harness\.compare\.Profile but int"):
        get_profiles(["made_checkers:number"])
    with pytest.raises(InputError, match="unknown profile 'lose'; available: apps, loose, strict"):
        get_profiles(["lose"])


def test_what_the_user_says_of_limits_comes_before_what_the_benchmark_says():
    assert limits_of(arguments(), benchmark()) == Limits()
    slow = benchmark(
        limits=Limits(cpu_seconds=6, load_cpu_seconds=5, memory_mib=512, stop_at_first_failure=True)
    )
    assert limits_of(arguments(), slow) == slow.limits
    asked = limits_of(arguments(limit_cpu=2.0, all_tests=True), slow)
    assert (asked.cpu_seconds, asked.load_cpu_seconds, asked.memory_mib) == (2, 2, 512)
    assert asked.stop_at_first_failure
    assert asked.costly_tests_after_failure is None


def test_a_benchmark_is_graded_under_its_profiles_alone():
    assert runner_start(arguments(workers=1), benchmark(profiles=("apps",)))().profiles == ("apps",)
    assert runner_start(arguments(workers=1), benchmark())().profiles == tuple(PROFILES)


def test_suites_without_a_checker_have_the_digests_that_they_had_before_there_were_any():
    asserts = TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f(1) == 2")])
    assert asserts.digest[:16] == "57a4857df4c4510b"
    assert problem(TestKind.CALL, CallTest([1], 2)).suite.digest[:16] == "21683e8dda164b11"
