"""metrics.json: numbers worked out by hand, and the rules of who is in the denominator."""

import json
from dataclasses import replace

import pytest

from harness.metrics.pass_at_k import strict_accuracy, test_case_average
from harness.metrics.summary import Summary, from_easy_to_hard
from harness.report.columns import percent
from harness.report.tables import all_tables, exceptions, remarks, scores
from harness.types import Benchmark, ErrorInfo, Outcome, Problem, Status, TestKind, TestOutcome, TestSuite

SUITE = TestSuite.pack(TestKind.STDIN, [])
P, W, R, N = Status.PASSED, Status.WRONG_ANSWER, Status.RUNTIME_ERROR, Status.NOT_RUN


def _benchmark(**difficulties: str | None) -> Benchmark:
    problems = [Problem(name, "", lambda: SUITE, difficulty=level) for name, level in difficulties.items()]
    return Benchmark("made", "test", "1", problems, "hash", "made here")


def _outcome(task: str, number: int, *tests: tuple[Status, Status], error: str | None = None) -> Outcome:
    first = [next((test[i] for test in tests if test[i] is not P), P) for i in (0, 1)]
    info = ErrorInfo(error, "", 1) if error else None
    return Outcome(
        task,
        number,
        {"strict": first[0], "apps": first[1]},
        tuple(TestOutcome({"strict": test[0], "apps": test[1]}) for test in tests),
        info,
        cpu_seconds=number / 3,
    )


def _metrics(benchmark: Benchmark, outcomes: list[Outcome], ks=(1,), **options):
    summary = Summary(benchmark, ["strict", "apps"], **options)
    for outcome in outcomes:
        summary.add(outcome)
    return summary.metrics(ks)


TWO = _benchmark(a="interview", b="introductory")
OUTCOMES = [
    _outcome("a", 0, (P, P), (P, P)),
    _outcome("a", 1, (P, P), (W, P)),
    _outcome("b", 0, (R, R), (P, P), error="KeyError"),
    _outcome("b", 1, (W, W), (W, W)),
]


def test_pass_at_k_is_the_mean_over_problems_under_each_profile():
    metrics = _metrics(TWO, OUTCOMES, ks=(1, 2))
    strict, apps = metrics["profiles"]["strict"]["overall"], metrics["profiles"]["apps"]["overall"]
    assert strict["pass@1"]["value"] == pytest.approx((1 / 2 + 0) / 2)
    assert strict["pass@2"]["value"] == pytest.approx((1 + 0) / 2)
    assert apps["pass@1"]["value"] == pytest.approx((1 + 0) / 2)
    assert strict["pass@1"]["low"] <= strict["pass@1"]["value"] <= strict["pass@1"]["high"]
    assert metrics["profiles"]["strict"]["difficulties"]["interview"]["pass@1"]["value"] == pytest.approx(0.5)
    assert metrics["profiles"]["strict"]["difficulties"]["introductory"]["pass@1"]["value"] == 0.0


def test_hendrycks_averages_are_those_of_the_metrics_module():
    overall = _metrics(TWO, OUTCOMES)["profiles"]["strict"]["overall"]
    results = [[True, True, True, False], [False, True, False, False]]
    assert overall["strict_accuracy"]["value"] == strict_accuracy(results) == 0.0
    assert overall["test_case_average"]["value"] == test_case_average(results) == 0.5
    apps = _metrics(TWO, OUTCOMES)["profiles"]["apps"]["overall"]
    assert apps["strict_accuracy"]["value"] == strict_accuracy([[True] * 4, results[1]]) == 0.5


def test_verdicts_exceptions_and_disagreements_are_counted():
    metrics = _metrics(TWO, OUTCOMES)
    strict, apps = (metrics["profiles"][name]["overall"] for name in ("strict", "apps"))
    assert strict["verdicts"] == {"passed": 1, "runtime_error": 1, "wrong_answer": 2}
    assert apps["verdicts"] == {"passed": 2, "runtime_error": 1, "wrong_answer": 1}
    assert strict["runtime_errors"] == {"KeyError": 1}
    assert metrics["disagreements"] == {"only_strict": 0, "only_apps": 1}


def test_an_exception_counts_only_where_it_is_the_verdict():
    wrong_first = _outcome("a", 0, (W, R), (R, R), error="KeyError")
    metrics = _metrics(TWO, [wrong_first])
    assert metrics["profiles"]["strict"]["overall"]["runtime_errors"] == {}
    assert metrics["profiles"]["apps"]["overall"]["runtime_errors"] == {"KeyError": 1}


def test_order_of_outcomes_and_their_times_leave_no_trace():
    texts = {
        json.dumps(_metrics(TWO, order, ks=(1, 2)), sort_keys=True) for order in (OUTCOMES, OUTCOMES[::-1])
    }
    assert len(texts) == 1
    assert "cpu_seconds" not in texts.pop()


def test_a_problem_without_tests_is_in_no_denominator():
    nothing = Outcome("b", 0, {"strict": N, "apps": N})
    metrics = _metrics(TWO, [_outcome("a", 0, (P, P)), nothing])
    assert metrics["profiles"]["strict"]["overall"]["pass@1"] | {"low": 0, "high": 0} == {
        "value": 1.0, "low": 0, "high": 0, "problems": 1,
    }  # fmt: skip
    assert metrics["counts"]["unscorable_problems"] == 1
    assert metrics["counts"]["samples"] == 1
    assert metrics["profiles"]["strict"]["difficulties"]["introductory"]["pass@1"] is None


def test_a_program_that_does_not_compile_is_failed_and_not_unscorable():
    broken = Outcome("a", 0, {"strict": Status.SYNTAX_ERROR, "apps": Status.SYNTAX_ERROR})
    metrics = _metrics(TWO, [broken])
    assert metrics["counts"]["unscorable_problems"] == 0
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == 0.0
    assert metrics["profiles"]["strict"]["overall"]["strict_accuracy"]["value"] == 0.0


def test_a_failure_of_the_grader_is_neither_right_nor_wrong():
    lost = Outcome("a", 1, {"strict": N, "apps": N}, infrastructure_error="worker lost")
    metrics = _metrics(TWO, [_outcome("a", 0, (P, P)), lost, *OUTCOMES[2:]], ks=(1, 2))
    overall = metrics["profiles"]["strict"]["overall"]
    assert overall["pass@1"]["value"] == 0.5
    assert overall["pass@1"]["problems"] == 2
    assert overall["pass@2"]["problems"] == 1  # problem a has one graded sample left
    assert metrics["counts"]["infrastructure_errors"] == 1
    assert metrics["counts"]["problems_lost_to_infrastructure"] == 0
    assert any("1 PROGRAMS COULD NOT BE GRADED" in remark for remark in remarks(metrics))


def test_a_problem_that_lost_every_sample_to_the_grader_is_out_and_counted():
    lost = Outcome("a", 0, {"strict": N, "apps": N}, infrastructure_error="worker lost")
    metrics = _metrics(TWO, [lost, *OUTCOMES[2:]])
    assert metrics["profiles"]["strict"]["overall"]["problems"] == 1
    assert metrics["counts"]["problems_lost_to_infrastructure"] == 1
    assert metrics["profiles"]["strict"]["difficulties"]["interview"]["pass@1"] is None


def test_a_missing_problem_counts_as_failed_for_every_k():
    metrics = _metrics(TWO, OUTCOMES[:2], ks=(1, 2), missing=["b"])
    overall = metrics["profiles"]["apps"]["overall"]
    assert (overall["pass@1"]["value"], overall["pass@2"]["value"]) == (0.5, 0.5)
    assert overall["test_case_average"]["value"] == 0.5
    assert metrics["counts"]["missing_problems"] == 1


def test_problems_known_to_have_no_tests_are_counted_without_outcomes():
    metrics = _metrics(TWO, OUTCOMES[:2], unscorable=["b"])
    assert metrics["counts"]["unscorable_problems"] == 1
    assert metrics["profiles"]["apps"]["overall"]["pass@1"]["problems"] == 1


def test_a_benchmark_without_difficulties_has_no_groups():
    metrics = _metrics(_benchmark(a=None), [_outcome("a", 0, (P, P))])
    assert metrics["profiles"]["strict"]["difficulties"] == {}
    assert [row[0] for row in scores(metrics).rows] == ["all", "all"]


def test_difficulties_are_listed_from_easy_to_hard():
    assert from_easy_to_hard({"competition", "zeta", "introductory", "alpha", "interview"}) == [
        "introductory", "interview", "competition", "alpha", "zeta",
    ]  # fmt: skip
    assert from_easy_to_hard({"hard", "odd", "medium", "easy"}, ("easy", "medium", "hard")) == [
        "easy", "medium", "hard", "odd",
    ]  # fmt: skip


def test_a_benchmark_has_words_of_its_own_for_difficulty_and_tables_keep_their_order():
    words = ("easy", "medium", "hard")
    levels = {"a": "medium", "b": "hard", "c": "easy"}
    benchmark = replace(_benchmark(**levels), difficulties=words)
    metrics = _metrics(benchmark, [_outcome(task, 0, (P, P)) for task in levels])
    assert metrics["benchmark"]["difficulties"] == list(words)
    again = json.loads(json.dumps(metrics, sort_keys=True))
    assert [row[0] for row in scores(again).rows][::2] == [*words, "all"]


def test_an_order_that_readers_know_is_not_recorded():
    metrics = _metrics(replace(TWO, difficulties=("introductory", "interview", "competition")), OUTCOMES)
    assert "difficulties" not in metrics["benchmark"]


def test_tables_read_the_same_from_memory_and_from_the_file():
    metrics = _metrics(TWO, OUTCOMES, ks=(1, 2))
    again = json.loads(json.dumps(metrics))
    assert all_tables(again) == all_tables(metrics)
    assert scores(metrics).header[:6] == ["difficulty", "profile", "problems", "samples", "pass@1", "pass@2"]
    assert [row[:4] for row in scores(metrics).rows][:2] == [
        ["introductory", "strict", "1", "2"],
        ["introductory", "apps", "1", "2"],
    ]


def test_rare_exceptions_share_a_row():
    outcomes = [_outcome("a", i, (R, R), error=f"E{i:02}") for i in range(15)]
    rows = exceptions(_metrics(TWO, outcomes)).rows
    assert len(rows) == 13
    assert rows[-1] == ["3 further types", "3", "20.0 %", "3", "20.0 %"]


def test_a_share_is_shown_in_per_cent_and_an_undefined_one_as_such():
    assert percent({"value": 0.12345, "low": 0.1, "high": 0.2}) == "12.35 [10.00, 20.00]"
    assert percent(None) == "undefined"
