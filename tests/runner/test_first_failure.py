"""`Limits.stop_at_first_failure`: the verdict of all tests, from as few as decide it."""

import os
import signal
from collections.abc import Iterator

import pytest

from harness import Job, Limits, Outcome, Problem, Runner, TestSuite
from harness.types import AssertTest, CallTest, StdinTest, Test, TestKind

LIMITS = Limits(cpu_seconds=1.0, load_cpu_seconds=1.0, wall_factor=2.0, stop_at_first_failure=True)
ECHO = [StdinTest(str(n), str(n)) for n in range(4)]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(1, LIMITS) as running:
        yield running


def grade(runner: Runner, code: str, kind: TestKind, tests: list[Test], **options: str) -> Outcome:
    suite = TestSuite.pack(kind, tests, **options)
    (outcome,) = runner.run([Job("task", 0, code, Problem("task", "", load_suite=lambda: suite))])
    assert outcome.infrastructure_error is None
    return outcome


def statuses(outcome: Outcome, profile: str = "strict") -> list[str]:
    return [test.statuses[profile].value for test in outcome.tests]


def test_tests_after_the_first_failure_are_not_run(runner: Runner) -> None:
    code = "n = int(input())\nwhile n > 1: pass\nprint(n * 2)"
    outcome = grade(runner, code, TestKind.STDIN, ECHO)
    assert statuses(outcome) == ["passed", "wrong_answer", "not_run", "not_run"]
    assert outcome.verdicts == {"strict": "wrong_answer", "apps": "wrong_answer"}
    assert outcome.cpu_seconds < LIMITS.cpu_seconds  # the loop of the third test was not entered


def test_a_failure_under_one_profile_only_ends_nothing(runner: Runner) -> None:
    tests: list[Test] = [StdinTest("1 2", "2 1"), StdinTest("3 3", "3 3"), StdinTest("4 5", "x")] * 2
    outcome = grade(runner, "print(input())", TestKind.STDIN, tests)
    assert statuses(outcome) == ["wrong_answer", "passed", "wrong_answer"] + ["not_run"] * 3
    assert statuses(outcome, "apps") == ["passed", "passed", "wrong_answer"] + ["not_run"] * 3
    assert outcome.verdicts == {"strict": "wrong_answer", "apps": "wrong_answer"}


def test_what_passes_runs_every_test(runner: Runner) -> None:
    assert grade(runner, "print(input())", TestKind.STDIN, ECHO).passed("strict")
    calls: list[Test] = [CallTest([n], n) for n in range(3)]
    assert grade(runner, "def f(n): return n", TestKind.CALL, calls, entry_point="f").passed("strict")


def test_imported_programs_say_no_more_either(runner: Runner) -> None:
    calls: list[Test] = [CallTest([n], n) for n in range(4)]
    outcome = grade(runner, "def f(n): return n if n < 2 else 0", TestKind.CALL, calls, entry_point="f")
    assert statuses(outcome) == ["passed", "passed", "wrong_answer", "not_run"]
    asserts: list[Test] = [AssertTest(f"assert f({n}) == {n}") for n in range(4)]
    outcome = grade(runner, "import os\ndef f(n): return n or os._exit(1)", TestKind.ASSERTS, asserts)
    assert statuses(outcome) == ["runtime_error", "not_run", "not_run", "not_run"]


def test_a_syntax_error_fails_every_test_as_ever(runner: Runner) -> None:
    assert statuses(grade(runner, "def", TestKind.STDIN, ECHO)) == ["syntax_error"] * 4
    outcome = grade(runner, "print(input() and 0)\nreturn", TestKind.STDIN, ECHO)
    assert statuses(outcome) == ["syntax_error"] * 4
    assert statuses(outcome, "apps") == ["passed", "wrong_answer", "not_run", "not_run"]


@pytest.mark.slow
def test_a_server_that_must_make_way_is_not_asked_again(runner: Runner) -> None:
    # Folders nested too deeply to remove by name: the server retires behind each test.
    nest = "for _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n"
    code = f"import os\nn = int(input())\n{nest}print(n % 2)"
    outcome = grade(runner, code, TestKind.STDIN, ECHO)
    assert statuses(outcome) == ["passed", "passed", "wrong_answer", "not_run"]
    assert grade(runner, "print(input())", TestKind.STDIN, ECHO).passed("strict")


@pytest.mark.slow
def test_verdicts_are_those_of_all_tests(runner: Runner) -> None:
    programs = [
        "print(input())",
        "n = int(input())\nprint(n if n < 2 else -n)",
        "n = int(input())\nprint(1 // (n - 1) and n)",
        "print(input(), file=open('x', 'w'))",
        "import sys\nprint(input())\nsys.exit(1)",
        "print(input())\nreturn",
        "while True: pass",
        "x = = 1",
    ]
    suite = TestSuite.pack(TestKind.STDIN, ECHO)
    jobs = [
        Job("task", n, code, Problem("task", "", load_suite=lambda: suite)) for n, code in enumerate(programs)
    ]
    soon = {outcome.sample_id: outcome.verdicts for outcome in runner.run(jobs)}
    with Runner(1, Limits(cpu_seconds=1.0, load_cpu_seconds=1.0)) as other:
        late = {outcome.sample_id: outcome.verdicts for outcome in other.run(jobs)}
    assert soon == late
    assert len({verdicts["strict"] for verdicts in soon.values()}) == 5


@pytest.mark.slow
def test_a_server_killed_while_it_asks_costs_nothing(processes) -> None:
    suite = TestSuite.pack(TestKind.STDIN, ECHO * 5)
    code = "import time\ntime.sleep(0.01)\nprint(input())"
    with Runner(1, LIMITS) as running:
        jobs = [
            Job("task", n, f"{code} # {n}", Problem("task", "", load_suite=lambda: suite)) for n in range(6)
        ]
        outcomes = []
        for outcome in running.run(jobs):
            outcomes.append(outcome)
            if len(outcomes) in (1, 3):
                for pid in processes.servers(running):
                    os.kill(pid, signal.SIGKILL)
    assert [outcome.verdicts["strict"] for outcome in outcomes] == ["passed"] * 6
