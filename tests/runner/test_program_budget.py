"""`Limits.program_cpu_seconds`: what all tests of a program may use together."""

from collections.abc import Iterator

import pytest

from harness import Job, Limits, Outcome, Problem, Runner, TestSuite
from harness.types import AssertTest, StdinTest, Test, TestKind

SPIN = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass\n"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(1, Limits(cpu_seconds=2.0, program_cpu_seconds=1.0)) as running:
        yield running


def grade(runner: Runner, kind: TestKind, tests: list[Test], code: str) -> Outcome:
    suite = TestSuite.pack(kind, tests)
    (outcome,) = runner.run([Job("task", 0, code, Problem("task", "", load_suite=lambda: suite))])
    return outcome


def test_a_program_over_its_budget_keeps_what_it_passed_and_is_timed_out(runner: Runner) -> None:
    outcome = grade(runner, TestKind.STDIN, [StdinTest("", "1\n")] * 6, SPIN + "print(1)")

    statuses = [test.statuses["strict"].value for test in outcome.tests]
    assert statuses == ["passed", "passed", "timed_out", "not_run", "not_run", "not_run"]
    assert outcome.verdicts["strict"] == "timed_out"


@pytest.mark.slow
def test_the_budget_holds_for_tests_in_one_process_too(runner: Runner) -> None:
    body = "def f():\n" + "".join(f"    {line}\n" for line in SPIN.splitlines()) + "    return 1"
    outcome = grade(runner, TestKind.ASSERTS, [AssertTest("assert f() == 1")] * 6, body)

    statuses = [test.statuses["strict"].value for test in outcome.tests]
    assert statuses == ["passed", "passed", "timed_out", "not_run", "not_run", "not_run"]


@pytest.mark.slow
def test_each_program_has_a_budget_of_its_own(runner: Runner) -> None:
    for _ in range(3):
        outcome = grade(runner, TestKind.STDIN, [StdinTest("", "1\n")] * 2, SPIN + "print(1)")
        assert outcome.passed("strict")


@pytest.mark.slow
def test_without_a_budget_only_single_tests_are_limited() -> None:
    with Runner(1, Limits(cpu_seconds=2.0)) as running:
        outcome = grade(running, TestKind.STDIN, [StdinTest("", "1\n")] * 6, SPIN + "print(1)")
    assert outcome.passed("strict")
    assert outcome.cpu_seconds > 2.0


def test_a_budget_must_be_positive() -> None:
    with pytest.raises(ValueError, match="program_cpu_seconds must be positive"):
        Limits(program_cpu_seconds=0)
