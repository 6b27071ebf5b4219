"""What a program that fails may cost: few tests that use half a limit or more, and its verdict stays."""

import pytest
from cases import cases

from harness import Limits, Runner, TestSuite
from harness.runner.failed_costs import Costs
from harness.runner.split_suite import prepare
from harness.runner.verdicts import ProcessResult
from harness.types import CallTest, Status, StdinTest, TestKind, TestOutcome

LIMIT = 0.6


def outcome_of(status, cpu):
    return TestOutcome({"strict": status, "apps": status}, None, cpu)


def process(first, *, cpu=0.01, report=b"", idle=0.0):
    return ProcessResult(first, None, 0, cpu, 0, report, b"", idle=idle)


PASSED, WRONG = Status.PASSED, Status.WRONG_ANSWER


@cases(
    ("tests", "expected"),
    [
        ([(WRONG, 0.1)] * 30, None),
        ([(WRONG, 0.5)] * 5, None),
        ([(WRONG, 0.5)] * 6, 5),
        ([(WRONG, 0.1)] + [(PASSED, 0.5)] * 5, 5),
        ([(PASSED, 0.5)] * 20 + [(WRONG, 0.5)], None),
        ([(PASSED, 0.5)] * 20 + [(WRONG, 0.5)] * 6, 25),
        ([(WRONG, 0.5), (WRONG, 0.1)] * 6, 10),
        ([(WRONG, 0.29)] * 300, 206),
    ],
)
def test_costly_tests_are_counted_from_the_first_failure_on(tests, expected):
    suite = prepare(TestSuite.pack(TestKind.CALL, [CallTest([1], 1)] * len(tests), entry_point="f"))
    costs = Costs(Limits(cpu_seconds=LIMIT), suite)
    outcomes = [outcome_of(*test) for test in tests]
    run = process(0, cpu=sum(cpu for _, cpu in tests))
    costs.add(run, outcomes)
    assert costs.cut_at(outcomes) == expected
    unlimited = Costs(Limits(cpu_seconds=LIMIT, costly_tests_after_failure=None), suite)
    unlimited.add(run, outcomes)
    assert unlimited.cut_at(outcomes) is None


@cases(
    ("used", "judging", "expected"),
    [
        ({"cpu": 0.01}, 0.0, None),
        ({"cpu": 0.35}, 0.0, 5),  # half a limit and more, loading for each test: no time of a test is claimed
        ({"idle": 0.8}, 0.0, None),
        ({"idle": 1.0}, 0.0, 5),
        ({"report": bytes(9 << 20)}, 0.0, 5),
        ({"report": bytes(7 << 20)}, 0.0, 9),
        ({}, 1.1, 9),
    ],
)
def test_what_each_process_of_an_imported_program_uses_is_a_cost_of_its_test(used, judging, expected):
    suite = prepare(TestSuite.pack(TestKind.CALL, [CallTest([1], 1)] * 40, entry_point="f"))
    costs, outcomes = Costs(Limits(cpu_seconds=LIMIT), suite), []
    for number in range(40):
        outcomes.append(outcome_of(WRONG, 0.0))
        costs.add(process(number, **used), outcomes, judging)
    assert costs.cut_at(outcomes) == expected


def test_forged_times_hide_nothing_of_what_a_failed_program_uses_in_all():
    suite = prepare(TestSuite.pack(TestKind.CALL, [CallTest([1], 1)] * 40, entry_point="f"))
    for claimed in (0.0, 0.2):
        costs, outcomes = Costs(Limits(cpu_seconds=4.0), suite), [outcome_of(WRONG, claimed)] * 30
        costs.add(process(0, cpu=59.0), outcomes)
        assert costs.cut_at(outcomes) is None
        copy = costs.copy()
        copy.add(process(0, cpu=61.0), outcomes)
        assert copy.cut_at(outcomes) == 29
        # A process of its own for each of the next two, which claims nothing of what loading takes.
        for number in (30, 31):
            outcomes = [*outcomes, outcome_of(WRONG, claimed)]
            costs.add(process(number, cpu=0.6), outcomes)
        assert costs.cut_at(outcomes) == 31


def test_idle_time_and_output_are_costs_of_a_script():
    suite = prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "")] * 9))
    for run in ({"idle": 1.0}, {"stdout": bytes(9 << 20)}):
        costs = Costs(Limits(cpu_seconds=LIMIT), suite)
        outcomes = []
        for number in range(9):
            outcomes.append(outcome_of(WRONG, 0.01))
            costs.add(
                ProcessResult(
                    **{
                        "first": number,
                        "killed": None,
                        "status": 0,
                        "cpu": 0.01,
                        "rss_kib": 0,
                        "report": b"",
                        "stdout": b"",
                        **run,
                    }
                ),
                outcomes,
            )
        assert costs.cut_at(outcomes) == 5


SLOW = """
import time
until = time.process_time() + {seconds}
while time.process_time() < until: pass
print({answer})
"""


@pytest.fixture(scope="module")
def graders(grader_of):
    limits = {"cpu_seconds": LIMIT, "load_cpu_seconds": 1.0, "output_mib": 1}
    with (
        Runner(1, Limits(**limits)) as cutting,
        Runner(1, Limits(**limits, costly_tests_after_failure=None)) as whole,
    ):
        yield grader_of(cutting), grader_of(whole)


@pytest.mark.slow
def test_a_slow_wrong_script_is_cut_short_and_its_verdict_and_a_lower_ratio_stay(graders):
    cutting, whole = graders
    cases = [("", "1\n")] * 3 + [("", "2\n")] * 8
    code = SLOW.format(seconds=0.4, answer=1)
    cut, uncut = cutting.script(code, *cases), whole.script(code, *cases)
    assert cutting.statuses(cut) == ["passed"] * 3 + ["wrong_answer"] * 5 + ["timed_out"] + ["not_run"] * 2
    assert (cut.cut_short, uncut.cut_short) == (True, False)
    assert cut.verdicts == uncut.verdicts
    assert all(cut.pass_ratio(profile) <= uncut.pass_ratio(profile) for profile in cut.verdicts)
    cutting.still_sane()


@pytest.mark.slow
def test_a_slow_right_script_runs_all_its_tests(graders):
    cutting, _ = graders
    outcome = cutting.script(SLOW.format(seconds=0.4, answer=1), *[("", "1\n")] * 9)
    assert (outcome.verdicts["strict"], outcome.cut_short) == ("passed", False)


@pytest.mark.slow
def test_a_slow_wrong_function_is_ended_in_the_middle_of_its_process(graders):
    cutting, whole = graders
    code = (
        "import time\ndef f(n):\n    until = time.process_time() + 0.4\n"
        "    while time.process_time() < until: pass\n    return n % 2\n"
    )
    cases = [([n], 1) for n in range(12)]
    cut, uncut = cutting.call(code, "f", *cases), whole.call(code, "f", *cases)
    assert cutting.statuses(cut)[:5] == ["wrong_answer", "passed"] * 2 + ["wrong_answer"]
    assert cutting.statuses(cut)[5:] == ["timed_out"] + ["not_run"] * 6
    assert whole.statuses(uncut) == ["wrong_answer", "passed"] * 6
    assert cut.cut_short
    assert cut.cpu_seconds < uncut.cpu_seconds
    cutting.still_sane()


@pytest.mark.slow
def test_a_flood_of_output_ends_a_program_as_a_time_out_does(graders):
    cutting, _ = graders
    outcome = cutting.script("while True: print('y' * 1000)", *[("", "y")] * 20)
    assert cutting.statuses(outcome) == ["output_limit"] + ["not_run"] * 19
    outcome = cutting.call("def f(n): return 'y' * 10**7", "f", *[([n], "y") for n in range(20)])
    assert cutting.statuses(outcome) == ["output_limit"] + ["not_run"] * 19
    cutting.still_sane()


def test_output_of_less_than_half_a_limit_adds_up_once_a_program_has_failed(graders):
    cutting, whole = graders
    code = "print(' ' * 400000, 1)"
    cases = [("", "2\n")] + [("", "1\n")] * 15
    cut, uncut = cutting.script(code, *cases), whole.script(code, *cases)
    assert cutting.statuses(cut) == ["wrong_answer"] + ["passed"] * 9 + ["timed_out"] + ["not_run"] * 5
    assert (cut.cut_short, uncut.cut_short) == (True, False)
    assert whole.statuses(uncut) == ["wrong_answer"] + ["passed"] * 15
    right = cutting.script(code, *cases[1:])
    assert (right.verdicts["strict"], right.cut_short) == ("passed", False)
    cutting.still_sane()


def test_a_memory_error_that_a_program_raises_ends_nothing(graders):
    cutting, _ = graders
    outcome = cutting.script("raise MemoryError", ("", "1"), ("", "2"))
    assert cutting.statuses(outcome) == ["out_of_memory"] * 2


def test_sleep_has_a_limit_for_the_whole_program(grader_of):
    limits = Limits(cpu_seconds=0.5, wall_factor=4.0, program_idle_seconds=1.0)
    with Runner(1, limits) as runner:
        grader = grader_of(runner)
        outcome = grader.script("import time\ntime.sleep(0.6)\nprint(1)", *[("", "1")] * 10)
        assert grader.statuses(outcome)[0] == "passed"
        assert "timed_out" in grader.statuses(outcome)[1:3]
        assert grader.statuses(outcome)[3:] == ["not_run"] * 7


MANY_WAIT = """
import threading, time
def busy():
    until = time.monotonic() + 0.3
    while time.monotonic() < until: pass
threads = [threading.Thread(target=busy) for _ in range(60)]
for thread in threads: thread.start()
for thread in threads: thread.join()
time.sleep(8)
print(1)
"""


def test_what_many_threads_wait_for_cannot_be_slept_later(grader_of):
    with Runner(1, Limits(cpu_seconds=2.0, wall_factor=1.0)) as runner:
        grader = grader_of(runner)
        assert grader.statuses(grader.script(MANY_WAIT, ("", "1"))) == ["timed_out"]
        grader.still_sane()
