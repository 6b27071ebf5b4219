# ruff: noqa: E501 - a case a line reads better than a wrapped one
"""From what a process left behind to statuses: each kind of run, by hand-made records and no process."""

import json

from cases import cases

from harness.compare import get_profiles
from harness.runner.sandbox.protocol import record, split_records
from harness.runner.split_suite import UnsplitAssert, prepare
from harness.runner.verdicts import ProcessResult, VerdictMaker, make_outcome, summarise
from harness.types import AssertTest, CallTest, Limits, StdinTest, TestKind, TestSuite

PROFILES = get_profiles(("strict", "apps"))
VERDICTS = VerdictMaker(PROFILES, Limits(cpu_seconds=2.0, output_mib=1, memory_mib=100))
COMPILED = record(0.5, b"")
LOADED = record(0.6, b'{"kind":"loaded"}')
ENDED = record(0.7, b'{"kind":"ended","exit":0,"error":null}')
STDIN = prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "1"), StdinTest("", "2")]))
CALLS = prepare(
    TestSuite.pack(TestKind.CALL, [CallTest([1], 1), CallTest([2], 2), CallTest([3], 3)], entry_point="f")
)
ASSERTS = prepare(
    TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f(1) == 1"), AssertTest("assert f(1) > 0")])
)


def run(*records, first=0, killed=None, status=0, cpu=1.0, rss_kib=1000, stdout=b""):
    return ProcessResult(first, killed, status, cpu, rss_kib, b"".join(records), stdout)


def value(number, cpu=0.8):
    return record(cpu, json.dumps({"kind": "value", "value": number}).encode())


def fields(cpu=0.8, **fields):
    return record(cpu, json.dumps(fields).encode())


def statuses_of(suite, *runs, profile="strict"):
    return [test.statuses[profile].value for test in VERDICTS.outcomes(suite, runs)]


@cases(
    ("one", "strict", "apps"),
    [
        (run(COMPILED, ENDED, stdout=b"1\n"), "passed", "passed"),
        (run(COMPILED, ENDED, stdout=b"2\n"), "wrong_answer", "wrong_answer"),
        (run(COMPILED, stdout=b"1"), "passed", "passed"),  # os._exit(0) leaves no more than this
        (run(COMPILED, status=3, stdout=b"1"), "runtime_error", "passed"),
        (run(COMPILED, fields(kind="ended", exit=3, error=["SystemExit", "3", 1]), stdout=b"1"), "runtime_error", "passed"),
        (run(COMPILED, fields(kind="ended", exit=1, error=["ValueError", "", 1]), stdout=b"1"), "runtime_error", "runtime_error"),
        (run(COMPILED, fields(kind="ended", exit=1, error=["MemoryError", "", 1])), "out_of_memory", "out_of_memory"),
        (run(COMPILED, fields(kind="ended", exit=1, error=["OSError", "[Errno 27] File too large", 1])), "output_limit", "output_limit"),
        (run(COMPILED, killed="cpu", status=-9), "timed_out", "timed_out"),
        (run(COMPILED, killed="idle", status=-9), "timed_out", "timed_out"),
        (run(COMPILED, killed="stopped", status=-9), "runtime_error", "runtime_error"),
        (run(COMPILED, ENDED, cpu=2.71, stdout=b"1"), "timed_out", "timed_out"),  # ended, but over its time
        (run(COMPILED, ENDED, cpu=2.69, stdout=b"1"), "passed", "passed"),  # half a second of it compiling, and over by what is not sure
        (run(COMPILED, status=-24), "timed_out", "timed_out"),
        (run(COMPILED, status=-11), "runtime_error", "runtime_error"),
        (run(COMPILED, status=-9, rss_kib=90 << 10), "out_of_memory", "out_of_memory"),
        (run(COMPILED, status=-9, rss_kib=10 << 10), "runtime_error", "runtime_error"),
        (run(COMPILED, ENDED, stdout=b"1" * (1 << 20)), "output_limit", "output_limit"),
        (run(fields(kind="syntax_error", error=["SyntaxError", "invalid", 1])), "syntax_error", "syntax_error"),
        (run(status=-11), "syntax_error", "syntax_error"),  # the compiler itself died of it
        (run(killed="cpu", status=-9), "timed_out", "timed_out"),
        (run(COMPILED, record(0.7, b"garbage"), stdout=b"1"), "passed", "passed"),
        (run(b"\xff" * 40, stdout=b"1"), "syntax_error", "syntax_error"),
        (run(record(float("nan"), b""), ENDED, stdout=b"1"), "passed", "passed"),
        (run(record(1e308, b""), ENDED, cpu=9.0, killed="cpu", stdout=b"1"), "timed_out", "timed_out"),
    ],
)  # fmt: skip
def test_a_script(one, strict, apps):
    assert statuses_of(STDIN, one)[0] == strict
    assert statuses_of(STDIN, one, profile="apps")[0] == apps


def test_scripts_in_their_order_and_what_was_not_run():
    right, wrong = run(COMPILED, ENDED, stdout=b"1"), run(COMPILED, ENDED, first=1, stdout=b"1")
    assert statuses_of(STDIN, right, wrong) == ["passed", "wrong_answer"]
    assert statuses_of(STDIN, run(COMPILED, killed="cpu", status=-9)) == ["timed_out", "not_run"]
    assert statuses_of(STDIN, run(fields(kind="syntax_error"))) == ["syntax_error"] * 2
    assert statuses_of(STDIN) == ["not_run"] * 2


@cases(
    ("one", "statuses"),
    [
        (run(COMPILED, LOADED, value(1), value(2), value(3)), ["passed"] * 3),
        (run(COMPILED, LOADED, value(1), value(5), value(3)), ["passed", "wrong_answer", "passed"]),
        (run(COMPILED, LOADED, value(1), value(2), value(3), value(9)), ["passed"] * 3),
        (run(COMPILED, LOADED, value(1), fields(kind="raised", error=["KeyError", "", 2]), value(3)), ["passed", "runtime_error", "passed"]),
        (run(COMPILED, LOADED, value(1), fields(kind="raised", error=["MemoryError", "", 2]), value(3)), ["passed", "out_of_memory", "passed"]),
        (run(COMPILED, LOADED, value(1), fields(kind="too_large"), value(3)), ["passed", "output_limit", "not_run"]),
        (run(COMPILED, LOADED, value(1), fields(kind="held"), value(3)), ["passed", "runtime_error", "passed"]),
        (run(COMPILED, LOADED, value(1), value(2, cpu=3.1), value(3, cpu=3.2), cpu=3.2), ["passed", "timed_out", "not_run"]),
        (run(COMPILED, LOADED, value(1), killed="cpu", status=-9, cpu=3.0), ["passed", "timed_out", "not_run"]),
        (run(COMPILED, LOADED, value(1), status=-11), ["passed", "runtime_error", "not_run"]),
        (run(COMPILED, LOADED, status=0), ["runtime_error", "not_run", "not_run"]),
        (run(COMPILED, fields(kind="load_error", error=["NameError", "", 1])), ["runtime_error"] * 3),
        (run(COMPILED, fields(kind="load_error", error=["MemoryError", "", 1])), ["out_of_memory"] * 3),
        (run(COMPILED, killed="cpu", status=-9), ["timed_out", "not_run", "not_run"]),
        (run(COMPILED, status=0), ["runtime_error"] * 3),  # exit before it had loaded
        (run(fields(kind="syntax_error", error=["SyntaxError", "", 1])), ["syntax_error"] * 3),
        (run(status=-11), ["syntax_error"] * 3),
        (run(COMPILED, value(1), value(1), value(2), value(3)), ["runtime_error"] * 3),  # never said that it loaded
        (run(b""), ["syntax_error"] * 3),
    ],
)  # fmt: skip
def test_calls(one, statuses):
    assert statuses_of(CALLS, one) == statuses


def test_calls_that_go_on_in_a_new_process():
    first = run(COMPILED, LOADED, value(1), status=-11)
    assert statuses_of(CALLS, first, run(COMPILED, LOADED, value(3), first=2)) == [
        "passed",
        "runtime_error",
        "passed",
    ]


def test_runs_beyond_a_failed_load_add_no_tests():
    failed = run(COMPILED, fields(kind="load_error"))
    again = run(COMPILED, LOADED, value(2), value(3), first=1)
    for runs in ([failed, again], [failed, run(COMPILED, fields(kind="load_error"), first=1)]):
        tests = VERDICTS.outcomes(CALLS, runs)
        assert len(tests) == 3
        assert tests[0].statuses["strict"] == "runtime_error"


def test_an_assert_inside_needs_its_own_nonce():
    inside = ASSERTS.expected[1]
    assert isinstance(inside, UnsplitAssert)
    held = fields(kind="held", nonce=inside.nonce)
    assert statuses_of(ASSERTS, run(COMPILED, LOADED, value(1), held)) == ["passed", "passed"]
    for forged in (fields(kind="held"), fields(kind="held", nonce="x"), fields(kind="refused"), value(True)):
        assert statuses_of(ASSERTS, run(COMPILED, LOADED, value(1), forged)) == ["passed", "wrong_answer"]
    assert statuses_of(ASSERTS, run(COMPILED, LOADED, held, held))[0] == "runtime_error"
    other = prepare(TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f(1) > 0")])).expected[0]
    assert other.nonce != inside.nonce


def test_errors_are_data_whatever_a_program_calls_them():
    for error in ([1, 2, 3], "x", None, {}, ["E"], ["E", "m", "1"], ["E", "m", 1.5]):
        (test, *_) = VERDICTS.outcomes(CALLS, [run(COMPILED, LOADED, fields(kind="raised", error=error))])
        assert (test.statuses["strict"], test.error) == ("runtime_error", None)
    (test, *_) = VERDICTS.outcomes(
        CALLS, [run(COMPILED, LOADED, fields(kind="raised", error=["E" * 500, "\ud800" * 500, 7]))]
    )
    assert len(test.error.type) == 100
    assert test.error.message.encode()  # can be written to a report
    assert test.error.line == 7


def test_the_verdict_is_that_of_the_first_test_that_failed():
    tests = VERDICTS.outcomes(
        CALLS, [run(COMPILED, LOADED, value(1), value(0), fields(kind="raised", error=["E", "m", 1]))]
    )
    assert summarise(tests, PROFILES) == {"strict": "wrong_answer", "apps": "wrong_answer"}
    assert summarise((), PROFILES) == {"strict": "not_run", "apps": "not_run"}
    outcome = make_outcome("t", 0, tests, [run(cpu=1.5, rss_kib=2048), run(cpu=0.25, rss_kib=1024)], PROFILES)
    assert (outcome.cpu_seconds, outcome.peak_memory_mib, outcome.error.type) == (1.75, 2.0, "E")


def test_a_torn_report_is_read_as_far_as_it_goes():
    whole = COMPILED + LOADED
    assert [data for _, data in split_records(whole + value(1)[:-1])] == [b"", b'{"kind":"loaded"}']
    assert list(split_records(b"\0" * 11)) == []
    assert len(list(split_records(b"\0" * 12))) == 1
