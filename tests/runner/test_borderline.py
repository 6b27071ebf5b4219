"""Tests that end a little over their CPU limit: which runs count, and that no run helps the next."""

import pytest

from harness import Limits, Runner
from harness.compare import get_profiles
from harness.runner.judging import Judge
from harness.runner.judging import Run as JudgedRun
from harness.runner.prepared import prepare
from harness.runner.sandbox import again
from harness.runner.sandbox.runs import Run
from harness.runner.sandbox.wire import record
from harness.types import CallTest, TestKind, TestSuite


def run(cpu, *times, killed=None):
    return Run(killed, 0, cpu, 0, b"".join(record(time, b"") for time in times))


def best(*runs, cleans=True, over=again.script_over):
    left = list(runs)
    chosen = again.best_of(lambda: left.pop(0), lambda each: over(each, 4.0), lambda: cleans)
    return chosen.cpu, len(runs) - len(left)


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        ([4.3, 1.0, 1.0], (4.3, 1)),
        ([4.5, 4.3, 1.0], (4.3, 2)),
        ([4.9, 4.8, 4.3], (4.3, 3)),
        ([4.5, 4.6, 4.7, 1.0], (4.5, 3)),
    ],
)
def test_the_first_run_that_is_not_surely_over_the_limit_counts(cpus, expected):
    assert best(*[run(cpu, 0.0) for cpu in cpus]) == expected


def test_what_had_to_be_stopped_is_not_run_again():
    assert best(run(5.0, 0.0, killed="cpu"), run(1.0, 0.0)) == (5.0, 1)
    assert best(run(4.5, 0.0), run(1.0, 0.0, killed="idle"), run(3.0, 0.0)) == (3.0, 3)


def test_nothing_runs_in_a_folder_that_is_not_clean():
    assert best(run(4.5, 0.0), run(1.0, 0.0), cleans=False) == (4.5, 1)


def test_compiling_and_loading_count_for_nothing():
    assert again.script_over(run(4.9, 0.6), 4.0) == 0
    assert again.script_over(run(4.9, 0.4), 4.0) == 1
    assert again.script_over(run(4.5), 4.0) == 1
    assert again.tests_over(run(9.0, 1.0, 3.0, 4.0, 8.6), 4.0) == 1
    assert again.tests_over(run(9.0, 1.0, 3.0, 4.3), 4.0) == 1
    assert again.tests_over(run(4.5, 0.0), 4.0) == again.tests_over(run(4.5), 4.0) == 0


def test_imported_programs_are_chosen_by_how_many_tests_are_over():
    two, one, none = run(9.2, 0, 0, 4.5, 9.0), run(9.1, 0, 0, 4.5, 8.0), run(9.3, 0, 0, 4.3, 8.0)
    assert best(two, one, none, over=again.tests_over) == (9.3, 3)
    assert best(two, one, one, over=again.tests_over) == (9.1, 3)


@pytest.mark.parametrize(("stop", "third"), [(True, "not_run"), (False, "passed")])
def test_tests_behind_one_that_ended_too_late_are_not_run_either(stop, third):
    judge = Judge(get_profiles(["strict"]), Limits(cpu_seconds=2.0, stop_at_first_timeout=stop))
    suite = prepare(TestSuite.pack(TestKind.CALL, [CallTest([n], n) for n in range(3)], entry_point="f"))
    values = [record(cpu, b'{"kind":"value","value":%d}' % n) for n, cpu in enumerate((0.1, 2.4, 2.5))]
    report = b"".join([record(0.0, b""), record(0.0, b'{"kind":"loaded"}'), *values])
    tests = judge.judge(suite, [JudgedRun(0, None, 0, 2.5, 0, report, b"")])
    assert [test.statuses["strict"].value for test in tests] == ["passed", "timed_out", third]


SPIN = "import time\nwhile time.process_time() < {}: pass\n"
HELPED = """
import os
seen = os.path.exists("answer") or os.read(0, 10) == b"answer"
if not seen:
    open("answer", "w").close()
    os.pwrite(0, b"answer", 0)
    import time
    while time.process_time() < 0.58: pass
print(7)
"""


@pytest.fixture(scope="module")
def short(grader_of):
    with Runner(1, Limits(cpu_seconds=0.5, load_cpu_seconds=1.0)) as runner:
        yield grader_of(runner)


def test_over_in_every_run_is_timed_out_whatever_it_printed(short):
    outcome = short.script(SPIN.format(0.58) + "print(7)", ("", "7"), ("", "7"))
    assert short.statuses(outcome) == ["timed_out", "not_run"]
    body = f"def f():\n    exec({SPIN.format(0.58)!r})\n    return 7"
    outcome = short.asserts(body, "assert f() == 7", "assert f() == 7")
    assert short.statuses(outcome) == ["timed_out", "not_run"]
    short.still_sane()


def test_no_run_answers_with_what_the_one_before_it_worked_out(short):
    assert short.statuses(short.script(HELPED, ("", "7"))) == ["timed_out"]
    short.still_sane()


def test_a_program_under_its_own_limit_is_not_charged_for_runs_that_do_not_count(grader_of):
    limits = Limits(cpu_seconds=0.5, program_cpu_seconds=1.0, stop_at_first_timeout=False)
    with Runner(1, limits) as runner:
        outcome = grader_of(runner).script(
            "import time\nn = int(input())\nwhile n and time.process_time() < 0.58: pass\nprint(n)",
            ("1", "1"), ("0", "0"), ("0", "0"),
        )  # fmt: skip
    assert [test.statuses["strict"].value for test in outcome.tests] == ["timed_out", "passed", "passed"]
