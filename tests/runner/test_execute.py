"""`Runner.execute`: what a program did in each test, whatever it did; limits and files of a job."""

import pytest
from cases import cases

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.errors import InputError
from harness.runner.cache_key import Keys
from harness.runner.execution import MOST_FILE_BYTES, STDERR_BYTES
from harness.types import AssertTest, CallTest, StdinTest, TestKind

LIMITS = Limits(cpu_seconds=1.0, load_cpu_seconds=1.0, wall_factor=2.0, memory_mib=512, output_mib=4)


@pytest.fixture(scope="module")
def runner():
    with Runner(workers=1, limits=LIMITS) as runner:
        yield runner


ONE = (StdinTest("", ""),)


def executed(runner, code, kind=TestKind.STDIN, tests=ONE, entry_point=None, **job):
    suite = TestSuite.pack(kind, list(tests), entry_point=entry_point)
    problem = Problem("task", "", load_suite=lambda: suite)
    (execution,) = runner.execute([Job("task", 7, code, problem, **job)])
    assert (execution.task_id, execution.sample_id) == ("task", 7)
    return execution


def test_a_script_leaves_output_exit_code_and_costs_for_each_input(runner):
    code = "import sys\nn = int(input())\nprint(n * 2)\nprint('warned', file=sys.stderr)\nsys.exit(n)"
    execution = executed(runner, code, tests=[StdinTest("0\n", ""), StdinTest("3\n", "")])
    assert [(t.status, t.stdout, t.stderr, t.exit_code) for t in execution.tests] == [
        ("ok", "0\n", "warned\n", 0),
        ("error", "6\n", "warned\n", 3),
    ]
    assert execution.status == "error"
    assert execution.cpu_seconds > 0
    assert execution.peak_memory_mib > 0


def test_calls_leave_values_and_each_its_own_output(runner):
    code = "import sys\ndef f(x):\n    print('out', x)\n"
    code += "    print('err', x, file=sys.stderr)\n    return {x: (6 // x, object)}"
    tests = [CallTest([1], None), CallTest([0], None), CallTest([2], None)]
    execution = executed(runner, code, TestKind.CALL, tests, "f")
    first, second, third = execution.tests
    assert (first.status, first.stdout, first.stderr, first.is_plain) == ("ok", "out 1\n", "err 1\n", False)
    assert first.value[1][0] == 6
    assert (second.status, second.value, second.error.type, second.error.line) == (
        "error", None, "ZeroDivisionError", 5,
    )  # fmt: skip
    assert (third.stdout, third.stderr, third.exit_code) == ("out 2\n", "err 2\n", None)


def test_an_assert_leaves_the_side_that_the_program_computes(runner):
    execution = executed(runner, "def f(x): return x + 1", TestKind.ASSERTS, [AssertTest("assert f(1) == 5")])
    assert (execution.status, execution.tests[0].value) == ("ok", 2)


@pytest.mark.slow
@cases(
    ("code", "status", "signal", "error"),
    [
        ("import os; os.abort()", "error", "SIGABRT", "SIGABRT"),
        ("raise KeyError(1)", "error", None, "KeyError"),
        ("1 +", "syntax_error", None, "SyntaxError"),
        ("while True: pass", "timed_out", "SIGKILL", None),
        ("held = bytearray(2 << 30)", "out_of_memory", None, "MemoryError"),
    ],
)
def test_how_a_script_ended_is_told(runner, code, status, signal, error):
    (test,) = executed(runner, "import sys\nprint('begun', flush=True)\n" + code).tests
    assert (test.status, test.signal, test.error and test.error.type) == (status, signal, error)
    assert test.stdout == ("" if status == "syntax_error" else "begun\n")


def test_huge_output_is_capped_and_of_errors_the_end_is_kept(runner):
    (test,) = executed(runner, "print('x' * (9 << 20))").tests
    assert test.status == "output_limit"
    assert len(test.stdout) == LIMITS.output_mib << 20
    (test,) = executed(runner, "import sys\nsys.stderr.write('y' * (1 << 20) + 'end')").tests
    assert test.status == "ok"
    assert len(test.stderr) == STDERR_BYTES
    assert test.stderr.endswith("yyyend")


def test_what_is_no_utf8_and_what_is_forged_is_no_trouble(runner):
    (test,) = executed(runner, r"import os; os.write(1, b'\xff'); os.write(3, b'{' * 999)").tests
    assert test.stdout == "\ufffd"


def test_a_job_has_files_of_its_own_in_its_folder_and_no_other_program_sees_them(runner):
    code = "import os\nprint(sorted(os.listdir()), *(open(name).read() for name in sorted(os.listdir())))"
    given = executed(runner, code, files={"a.txt": b"one", "b": b"two"}, tests=[StdinTest("", "")] * 2)
    assert [test.stdout for test in given.tests] == ["['a.txt', 'b'] one two\n"] * 2
    assert executed(runner, code).tests[0].stdout == "[]\n"


@cases("name", ["", ".", "..", "a/b", "/etc/x", "a\0b", "x" * 256])
def test_a_file_that_would_lie_elsewhere_is_refused(runner, name):
    with pytest.raises(InputError, match="not a plain name"):
        executed(runner, "", files={name: b""})


def test_too_much_in_files_is_refused(runner):
    with pytest.raises(InputError, match="at most 64 of 8 MiB"):
        executed(runner, "", files={"big": b"x" * (MOST_FILE_BYTES + 1)})


@pytest.mark.slow
def test_limits_belong_to_a_job(runner):
    slow = "import time\nstart = time.process_time()\nwhile time.process_time() < start + 0.6: pass\nprint(1)"
    assert executed(runner, slow).status == "ok"
    tight = Limits(cpu_seconds=0.3, memory_mib=512, output_mib=4)
    assert executed(runner, slow, limits=tight).status == "timed_out"
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "1\n")])
    problem = Problem("task", "", load_suite=lambda: suite)
    jobs = [Job("task", 0, slow, problem), Job("task", 1, slow, problem, limits=tight)]
    verdicts = {outcome.sample_id: outcome.verdicts["strict"] for outcome in runner.run(jobs)}
    assert verdicts == {0: "passed", 1: "timed_out"}


def test_a_key_tells_limits_and_files_of_jobs_apart(runner):
    keys = Keys(LIMITS, runner._profiles)
    plain = keys.key("code", "suite")
    assert plain == keys.key("code", "suite", LIMITS, {})
    others = [
        keys.key("code", "suite", Limits(cpu_seconds=9)),
        keys.key("code", "suite", None, {"a": b"1"}),
        keys.key("code", "suite", None, {"a": b"2"}),
        keys.key("code", "suite", None, {"b": b"1"}),
    ]
    assert len({plain, *others}) == 5
