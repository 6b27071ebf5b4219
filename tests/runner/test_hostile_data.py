"""What a program made, read and compared by the worker: whatever it is, there is an answer, in bounds.

No test here measures time: what used to take minutes or gigabytes either ends, or the test does not.
"""

import json
import math
import signal
import struct
import time

import pytest
from cases import cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import Limits, TestSuite
from harness.compare import PROFILES, Opaque, get_profiles
from harness.runner import comparison_budget as module
from harness.runner import verdicts
from harness.runner.child_report import Ending, error_of, fields_of, value_of
from harness.runner.comparison_budget import OverBudgetError, budget
from harness.runner.sandbox.protocol import clamped_records, record
from harness.runner.split_suite import prepare
from harness.runner.verdicts import ProcessResult, VerdictMaker
from harness.types import CallTest, ErrorInfo, Status, StdinTest, TestKind, TestOutcome

FULL = 16 << 20

# Made by the tests that need them: together they take a second and a half to make.
TEXTS = {
    "digits, then a letter": lambda: "1" * (FULL - 1) + "x",
    "a point, digits, a letter": lambda: "1." + "1" * (FULL - 3) + "x",
    "exponents": lambda: "1e" + "1" * (FULL - 3) + "x",
    "many lines": lambda: "a\n" * (FULL // 2),
    "many wide lines": lambda: "ab\U0001f600\n" * (FULL // 7),
    "blanks": lambda: " " * FULL,
    "separators": lambda: "\x0b\x0c\x1c\x1d" * (FULL // 4),
    "carriage returns": lambda: "\r" * FULL,
    "many numbers": lambda: "0.5 " * (FULL // 4),
    "numbers of many spellings": lambda: " ".join(f"{n}.0" for n in range(FULL // 8)),
}


@pytest.mark.slow
@cases("name", TEXTS)
@cases("expected", ["2.5", "1\n2\n3", "a\nb", ""])
def test_sixteen_mebibytes_of_output_are_judged(name, expected):
    suite = prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", expected)]))
    verdicts = VerdictMaker(get_profiles(PROFILES), Limits())
    run = ProcessResult(
        0,
        None,
        0,
        0.1,
        0,
        record(0.0, b"") + record(0.1, b'{"kind":"ended","exit":0}'),
        TEXTS[name]().encode(),
    )
    (test,) = verdicts.outcomes(suite, [run])
    assert test.statuses["strict"] in (
        "wrong_answer",
        "output_limit",
        "passed" if not expected else "wrong_answer",
    )
    assert not budget._running


def encoded(value):
    return json.dumps({"kind": "value", "value": value}).encode()


PRIME = (1 << 61) - 1  # by which CPython takes the hash of a number


def alike():
    ones = [["F", "0x1", "0x1"]] * 500
    return [["t", ones + [-1 if n >> b & 1 else -2 for b in range(10)]] for n in range(1000)]


def beside():
    return ["i", hex(5 + (PRIME << FULL // 4))]


def many_beside():
    decimals = [["D", str(5 + PRIME * n)] for n in range(90)]
    return decimals + [["i", hex(5 + (PRIME << 60_000 + n))] for n in range(90)]


VALUES = {
    "a set of tuples that differ at their end only": lambda: encoded(["s", alike()]),
    "a dictionary of them": lambda: encoded(["d", [[each, 0] for each in alike()]]),
    "numbers of one hash": lambda: encoded(["s", [["i", hex(n * PRIME)] for n in range(8, 200_000)]]),
    "a decimal beside a giant number of its hash": lambda: encoded(["s", [["D", "5"], beside()]]),
    "a dictionary of both": lambda: encoded(["d", [[["D", "5"], 1], [beside(), 2]]]),
    "both in tuples": lambda: encoded(["s", [["t", [["D", "5"]]], ["t", [beside()]]]]),
    "many decimals beside long numbers of their hash": lambda: encoded(["s", many_beside()]),
    "frozensets that are nearly alike, of one hash": lambda: encoded(
        ["s", [["f", [["i", hex(7 + PRIME * n)] for n in [*range(8, 1007), 5000 + k]]] for k in range(44)]]
    ),
    "empty deques": lambda: encoded(["l", [["q", []]] * 1_300_000]),
    "empty lists": lambda: encoded(["l", [["l", []]] * 900_000]),
    "objects": lambda: b'{"kind":"value","value":[' + b"{}," * 5_000_000 + b"{}]}",
    "brackets": lambda: b'{"kind":"value","value":' + b"[" * FULL,
    "deep brackets": lambda: b'{"kind":"value","value":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a range in a list of tuples": lambda: encoded(["l", [["t", [1]], ["r", 0, ["i", hex(10**30)], 1]]]),
    "a long range in a list of tuples": lambda: encoded(["l", [["t", [1]], ["r", 0, 10**12, 1]]]),
    "a long number": lambda: b'{"kind":"value","value":' + b"1" * FULL + b"}",
    "a long fraction": lambda: encoded(["F", "0x" + "f" * 8_000_000, "0x3"]),
    "a long decimal": lambda: encoded(["D", "1" * FULL]),
    "a decimal of a giant exponent": lambda: encoded(["l", [["D", "1e999999999"], ["D", "-1e-999999999"]]]),
    "a giant number": lambda: encoded(["i", "0x" + "f" * (FULL - 100)]),
    "complex": lambda: encoded(["c", "1" * FULL]),
    "not a number": lambda: b'{"kind":"value","value":["l",[NaN,Infinity,-Infinity,1e999]]}',
    "text": lambda: encoded("\U0001f600" * (FULL // 12)),
}  # fmt: skip
EXPECTED = [2.5, 7, [1, 2], [[1], [0, 1]], [[[1], [0, 1, 2]]], {"a": 1}, "text", None]


@pytest.mark.slow
@pytest.mark.parametrize("name", VALUES)
def test_sixteen_mebibytes_of_a_forged_value_are_judged(name):
    verdicts = VerdictMaker(get_profiles(PROFILES), Limits())
    for expected in EXPECTED[3:6]:
        suite = prepare(TestSuite.pack(TestKind.CALL, [CallTest([], expected)], entry_point="f"))
        report = record(0.0, b"") + record(0.0, b'{"kind":"loaded"}') + record(0.1, VALUES[name]())
        (test,) = verdicts.outcomes(suite, [ProcessResult(0, None, 0, 0.1, 0, report, b"")])
        assert "passed" not in test.statuses.values()


def test_honest_sets_of_many_equal_hashes_are_read():
    grid = [["t", [x, y]] for x in range(-60, 60) for y in range(-60, 60)]
    assert len(value_of(["s", grid])) == 120 * 120
    signs = [["t", [-1 if n >> b & 1 else -2 for b in range(6)]] for n in range(64)]
    assert len(value_of(["s", signs])) == 64
    numbers = [["D", "5"], ["D", "5.5"], 5, 6.5, ["F", "0xb", "0x2"], ["i", hex(1 << 70)]]
    tuples = [["t", [["D", "1"], -1]], ["t", [1, -2]]]
    assert len(value_of(["s", numbers + tuples])) == 6
    inner = [["f", [-1, n]] for n in range(40)] + [["f", [-2, n]] for n in range(40)]
    assert len(value_of(["s", inner])) == 80


def test_over_its_budget_a_comparison_is_a_wrong_answer_with_the_reason(monkeypatch):
    def endless(*_args, **_keywords):
        while True:
            try:
                while True:
                    pass
            except Exception:
                pass

    monkeypatch.setattr(module, "SECONDS", 0.05)
    slow = get_profiles(["strict"])[0]
    object.__setattr__(slow, "stdout_matches", endless)
    try:
        suite = prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "1")] * 3))
        run = ProcessResult(
            0, None, 0, 0.1, 0, record(0.0, b"") + record(0.1, b'{"kind":"ended","exit":0}'), b"1"
        )
        tests = VerdictMaker([slow], Limits()).outcomes(suite, [run])
    finally:
        from harness.compare import strict

        object.__setattr__(slow, "stdout_matches", strict.stdout_matches)
    assert [test.statuses["strict"].value for test in tests] == ["wrong_answer", "not_run", "not_run"]
    assert tests[0].error.type == "ComparisonBudget"


def test_what_needs_more_memory_than_the_worker_has_is_a_wrong_answer(monkeypatch):
    def greedy(*_args, **_keywords):
        raise MemoryError

    profile = get_profiles(["apps"])[0]
    object.__setattr__(profile, "stdout_matches", greedy)
    try:
        suite = prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "1")]))
        run = ProcessResult(
            0, None, 0, 0.1, 0, record(0.0, b"") + record(0.1, b'{"kind":"ended","exit":0}'), b"1"
        )
        (test,) = VerdictMaker([profile], Limits()).outcomes(suite, [run])
    finally:
        from harness.compare import apps

        object.__setattr__(profile, "stdout_matches", apps.stdout_matches)
    assert test.statuses["apps"] == "wrong_answer"
    assert "memory" in test.error.message


MANY = 30


@pytest.fixture
def judged(monkeypatch):
    """Has each test of a process take that many seconds to compare; which of them were compared."""
    now = [0.0]
    monkeypatch.setattr(module, "spent", lambda: now[0])

    def of(seconds, error=None, *, limits=None, right=0):
        seen = []

        def slow(self, expected, suite, data, cpu):
            seen.append(expected)
            now[0] += seconds
            if error is not None and len(seen) == 1:
                raise error
            return self._all(Ending(Status.PASSED if expected < right else Status.WRONG_ANSWER), cpu)

        monkeypatch.setattr(VerdictMaker, "_judged", slow)
        maker = VerdictMaker(get_profiles(["strict"]), limits or Limits())
        calls = [CallTest([number], number) for number in range(MANY)]
        suite = prepare(TestSuite.pack(TestKind.CALL, calls, entry_point="f"))
        records = [b"", b'{"kind":"loaded"}', *[encoded(0)] * MANY]
        run = ProcessResult(0, None, 0, 0.1, 0, b"".join(record(0.0, each) for each in records), b"")
        return [test.statuses["strict"].value for test in maker.outcomes(suite, [run])], seen

    return of


def test_behind_a_comparison_that_took_too_long_nothing_is_compared(judged):
    # 30 sets of equal hashes, each a second's work, once took the worker a minute, and so did it in vain.
    statuses, seen = judged(0.0, OverBudgetError())
    assert (statuses, len(seen)) == (["wrong_answer"] + ["not_run"] * (MANY - 1), 1)


def test_all_that_one_process_reports_has_a_budget_and_less_once_it_has_failed(judged):
    for right, fewest, most in ((0, 5, 8), (MANY, 10, 13)):
        statuses, seen = judged(0.4, right=right)
        assert fewest < len(seen) < most
        done = ["passed" if right else "wrong_answer"] * len(seen)
        assert statuses == [*done, "wrong_answer", *["not_run"] * (MANY - 1 - len(seen))]


def test_a_report_whose_comparisons_are_cheap_is_compared_to_its_end(judged):
    assert judged(0.01, right=MANY)[0] == ["passed"] * MANY
    assert judged(0.01)[0] == ["wrong_answer"] * MANY


def test_where_failed_programs_cost_what_they_may_only_the_reports_budget_holds(judged):
    limits = Limits(costly_tests_after_failure=None)
    assert judged(0.1, limits=limits)[0] == ["wrong_answer"] * MANY


def test_what_does_not_fit_beside_other_problems_tests_is_compared_again_without_them(monkeypatch):
    room, sizes = [], iter([MemoryError(), None])
    judge = VerdictMaker._judged

    def short_of_memory(self, *args):
        if (error := next(sizes)) is not None:
            raise error
        return judge(self, *args)

    monkeypatch.setattr(VerdictMaker, "_judged", short_of_memory)
    suite = prepare(TestSuite.pack(TestKind.CALL, [CallTest([1], 5)], entry_point="f"))
    maker = VerdictMaker(get_profiles(["strict"]), Limits(), lambda: room.append("made"))
    report = b"".join(record(0.0, each) for each in (b"", b'{"kind":"loaded"}', encoded(5)))
    (test,) = maker.outcomes(suite, [ProcessResult(0, None, 0, 0.1, 0, report, b"")])
    assert (test.statuses["strict"], room) == ("passed", ["made"])


def test_what_a_script_claims_of_its_end_is_nothing_where_it_fills_the_memory(monkeypatch):
    def short_of_memory(data):
        raise MemoryError

    monkeypatch.setattr(verdicts, "fields_of", short_of_memory)
    suite = prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "1")]))
    report = record(0.0, b"") + record(0.0, b'{"kind":"ended","exit":0}')
    for output, status in ((b"1", "passed"), (b"2", "wrong_answer")):
        run = ProcessResult(0, None, 0, 0.1, 0, report, output)
        (test,) = VerdictMaker(get_profiles(["strict"]), Limits()).outcomes(suite, [run])
        assert test.statuses["strict"] == status


def test_an_interruption_at_the_very_end_of_a_comparison_leaves_no_clock_running():
    clock = budget(0)
    clock.__enter__()
    for _ in range(round(module.SECONDS / module.TICK_SECONDS)):
        module._ring(0, None)
    with pytest.raises(OverBudgetError):
        module._ring(0, None)
    module._ring(0, None)  # while the first is handled
    assert verdicts._not_compared(OverBudgetError()).type == "ComparisonBudget"
    module._ring(0, None)  # of a signal that was on its way
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


@pytest.mark.slow
def test_short_comparisons_add_up():
    before = module.spent()
    allowance = module.Allowance(0)
    end = time.thread_time() + 1.0
    while time.thread_time() < end:
        with budget(0):
            sum(range(20_000))
    assert 0.5 < module.spent() - before < 1.2
    assert allowance.left == pytest.approx(module.PROCESS_SECONDS - (module.spent() - before))


def test_an_exception_that_is_called_as_ours_is_no_answer_that_took_too_much():
    for status, ours in ((Status.WRONG_ANSWER, True), (Status.RUNTIME_ERROR, False)):
        test = TestOutcome({"strict": status}, ErrorInfo("ComparisonBudget", "", None), 0.0)
        assert verdicts.was_too_much(test) is ours


@pytest.mark.slow
def test_the_clock_stops_with_the_block():
    def endless():
        while True:
            pass

    for _ in range(2):  # the second finds the clock of the first one going
        with budget(0), pytest.raises(OverBudgetError):
            endless()
    end = time.thread_time() + 3 * module.TICK_SECONDS
    while time.thread_time() < end:
        pass
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


times = st.one_of(st.floats(), st.sampled_from([math.inf, -math.inf, math.nan, 1e308, -1e308, 0.0]))


@given(st.lists(st.tuples(times, st.binary(max_size=20)), max_size=30), st.floats(0, 100), st.integers(1, 20))
def test_times_of_records_ascend_within_what_was_used(rows, used, most):
    report = b"".join(struct.pack("<Id", len(data), time) + data for time, data in rows)
    found = clamped_records(report, used, most)
    assert len(found) == min(len(rows), most)
    cpus = [0.0, *(cpu for cpu, _ in found), used]
    assert cpus == sorted(cpus)
    assert all(map(math.isfinite, cpus))


tagged = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(st.sampled_from("ltdsfqobcirFDz"), inner).map(list),
        st.tuples(st.sampled_from("ltsfq"), st.lists(inner, max_size=4)).map(list),
        st.tuples(st.just("d"), st.lists(st.tuples(inner, inner).map(list), max_size=3)).map(list),
        st.tuples(st.just("i"), st.integers().map(hex)).map(list),
        st.tuples(st.just("F"), st.integers().map(hex), st.integers().map(hex)).map(list),
        st.tuples(st.just("D"), st.sampled_from(["1e99999", "nan", "sNaN", "-0", "inf", "1.50"])).map(list),
        st.tuples(st.just("r"), st.integers(), st.integers(), st.integers()).map(list),
    ),
    max_leaves=30,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(tagged, st.sampled_from(EXPECTED))
def test_any_value_is_decoded_and_compared_without_an_exception(data, expected):
    value = value_of(json.loads(json.dumps(data)))
    for profile in PROFILES.values():
        for wrapped in (False, True):
            assert profile.value_matches(value, expected, wrapped=wrapped) in (True, False)
        assert profile.assert_matches(value, expected) in (True, False)
    if isinstance(value, Opaque):
        assert not any(
            profile.value_matches(value, each, wrapped=False)
            for profile in PROFILES.values()
            for each in EXPECTED
        )


@settings(max_examples=300)
@given(
    st.binary(max_size=200) | st.text(max_size=100).map(lambda text: ("{" + text).encode(errors="replace"))
)
def test_any_record_has_fields_and_any_fields_an_error_or_none(data):
    fields = fields_of(data)
    error = error_of(fields)
    assert error is None or error.line is None or error.line > 0


@cases("line", [True, False, 0, -1, 2**40])
def test_a_line_that_no_program_has_is_none(line):
    assert error_of({"error": ["E", "m", line]}).line is None


FALSE, ZERO, TEXT = (b'{"kind":"ended","exit":%s}' % each for each in (b"false", b"0", b'"0"'))


@cases(("said", "status"), [(FALSE, 3), (ZERO, 1), (FALSE, 0), (TEXT, 0)])
def test_a_forged_exit_hides_nothing(said, status):
    suite = prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "1")]))
    run = ProcessResult(0, None, status, 0.1, 0, record(0.0, b"") + record(0.1, said), b"1")
    (test,) = VerdictMaker(get_profiles(["strict"]), Limits()).outcomes(suite, [run])
    assert test.statuses["strict"] == "runtime_error"
