"""Tests that can't be used, whoever wrote them: said in words, at once, and no program fails by them."""

import pytest

from harness.run_store.records import outcome_from_row, outcome_row
from harness.runner import worker as worker_module
from harness.runner.worker import GraderWorker
from harness.types import AssertTest, Job, Problem, StdinTest, TestKind, TestSuite

_RIGHT = "def f(x): return 1"
UNUSABLE = {
    "a syntax error": TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f(1) ==")]),
    "a set-up with one": TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f(1) == 1")], setup="def ("),
    "no text": TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f('\ud800') == 1")]),
    "too deep for the compiler": TestSuite.pack(
        TestKind.ASSERTS, [AssertTest(f"assert f({'-' * 20_000}1) == 1")]
    ),
    "no place for a statement": TestSuite.pack(TestKind.ASSERTS, [AssertTest("return 5")]),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_tests_that_do_not_compile_cost_neither_a_verdict_nor_a_process(grader, processes, what):
    suites = {
        "odd": UNUSABLE[what],
        "even": TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f(1) == 1")]),
    }
    grader.asserts(_RIGHT, "assert f(1) == 1")  # its server is started
    before = processes.workers(grader.runner), processes.servers(grader.runner)
    jobs = [
        Job(name, number, _RIGHT, Problem(name, "", load_suite=lambda name=name: suites[name]))
        for number in range(2)
        for name in suites
    ]
    for outcome in grader.runner.run(jobs):
        if outcome.task_id == "even":
            assert outcome.passed("strict")
            assert not outcome.unusable_tests
        else:
            assert outcome.unusable_tests
            assert outcome.infrastructure_error.startswith("the tests of odd can't be used: ")
            assert outcome_from_row(outcome_row(outcome)) == outcome
            assert not outcome.lost
    assert (processes.workers(grader.runner), processes.servers(grader.runner)) == before


def test_what_is_kept_of_other_problems_makes_no_tests_unusable(monkeypatch):
    worker = object.__new__(GraderWorker)
    worker._suites = {"another's": "large"}

    def prepare(suite):
        if worker._suites:
            raise MemoryError
        return "prepared"

    monkeypatch.setattr(worker_module, "prepare", prepare)
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")])
    assert worker._prepared(suite) == "prepared"
