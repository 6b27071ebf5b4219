"""Tests that end a little over their CPU limit: which runs count, and that no run helps the next."""

import pytest
from cases import cases

from harness import Limits, Runner
from harness.compare import get_profiles
from harness.runner.borderline_retry import settled
from harness.runner.fork_server import Result
from harness.runner.sandbox import borderline
from harness.runner.sandbox.dispatcher import Run
from harness.runner.sandbox.protocol import record
from harness.runner.sandbox.watchdog import Ended
from harness.runner.split_suite import prepare
from harness.runner.verdicts import ProcessResult, VerdictMaker
from harness.types import CallTest, TestKind, TestSuite


def run(cpu, *times):
    return Run(Ended(None, 0, cpu, 0.0, 0), b"".join(record(time, b"") for time in times))


def result(name, over):
    return Result(name, None, following=1, last=False, asks=False, so_far=False, over=over, retires=over > 0)


def counted(*overs):
    """Which of several results counts, and after how many runs."""
    tries = []
    for number, over in enumerate(overs):
        found = settled(tries, result(number, over))
        if found is not None:
            assert not tries
            return found.number, number + 1
    return None


@cases(
    ("overs", "expected"),
    [
        ([0], (0, 1)),
        ([1, 0], (1, 2)),
        ([1, 1, 0], (2, 3)),
        ([1, 1, 1, 0], (0, 3)),
        ([2, 1, 1], (1, 3)),
        ([2, 1, 0], (2, 3)),
        ([1, 1], None),
    ],
)
def test_the_first_run_that_is_not_surely_over_the_limit_counts_or_the_best_of_three(overs, expected):
    assert counted(*overs) == expected


def test_compiling_and_loading_count_for_nothing():
    assert borderline.script_over(run(4.9, 0.6), 4.0) == 0
    assert borderline.script_over(run(4.9, 0.4), 4.0) == 1
    assert borderline.script_over(run(4.5), 4.0) == 1
    assert borderline.tests_over(run(9.0, 1.0, 3.0, 4.0, 8.6), 4.0, 9) == 1
    assert borderline.tests_over(run(9.0, 1.0, 3.0, 4.3), 4.0, 9) == 1
    assert borderline.tests_over(run(9.2, 0, 0, 4.5, 9.0), 4.0, 9) == 2
    assert borderline.tests_over(run(4.5, 0.0), 4.0, 9) == borderline.tests_over(run(4.5), 4.0, 9) == 0


@pytest.mark.parametrize(("stop", "third"), [(True, "not_run"), (False, "passed")])
def test_tests_behind_one_that_ended_too_late_are_not_run_either(stop, third):
    verdicts = VerdictMaker(get_profiles(["strict"]), Limits(cpu_seconds=2.0, stop_at_first_timeout=stop))
    suite = prepare(TestSuite.pack(TestKind.CALL, [CallTest([n], n) for n in range(3)], entry_point="f"))
    values = [record(cpu, b'{"kind":"value","value":%d}' % n) for n, cpu in enumerate((0.1, 2.4, 2.5))]
    report = b"".join([record(0.0, b""), record(0.0, b'{"kind":"loaded"}'), *values])
    tests = verdicts.outcomes(suite, [ProcessResult(0, None, 0, 2.5, 0, report, b"")])
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


@pytest.mark.slow
def test_over_in_every_run_is_timed_out_whatever_it_printed(short):
    outcome = short.script(SPIN.format(0.58) + "print(7)", ("", "7"), ("", "7"))
    assert short.statuses(outcome) == ["timed_out", "not_run"]
    body = f"def f():\n    exec({SPIN.format(0.58)!r})\n    return 7"
    outcome = short.asserts(body, "assert f() == 7", "assert f() == 7")
    assert short.statuses(outcome) == ["timed_out", "not_run"]
    short.still_sane()


@pytest.mark.slow
def test_no_run_answers_with_what_the_one_before_it_worked_out(short):
    assert short.statuses(short.script(HELPED, ("", "7"))) == ["timed_out"]
    short.still_sane()


@pytest.mark.slow
def test_a_program_under_its_own_limit_is_not_charged_for_runs_that_do_not_count(grader_of):
    limits = Limits(cpu_seconds=0.5, program_cpu_seconds=1.0, stop_at_first_timeout=False)
    with Runner(1, limits) as runner:
        outcome = grader_of(runner).script(
            "import time\nn = int(input())\nwhile n and time.process_time() < 0.58: pass\nprint(n)",
            ("1", "1"), ("0", "0"), ("0", "0"),
        )  # fmt: skip
    assert [test.statuses["strict"].value for test in outcome.tests] == ["timed_out", "passed", "passed"]


NUMBERED = """
import os, time
mark = os.stat(os.open("mark", os.O_CREAT)).st_ino + os.getpid() * 1000
while time.process_time() < 0.58: pass
raise ValueError(mark)
"""


def test_a_run_again_is_another_servers_so_that_no_number_tells_of_the_one_before(short, processes):
    short.script("import os, time\nprint(7)", ("", "7"))  # starts a server of the kind, if none is there
    before = processes.servers(short.runner)
    short.script(NUMBERED, ("", "7"))
    after = processes.servers(short.runner)
    assert set(before) - set(after)
    short.still_sane()
