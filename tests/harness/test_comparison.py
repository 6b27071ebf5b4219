"""Two runs problem by problem, and a run filtered by its example tests: against counts made by hand."""

import json

import pytest

from harness.errors import InputError
from harness.metrics.n_at_k import FewSurvivors
from harness.metrics.paired import compare_runs, filtered_scores
from harness.run_store.finished_run import load_run
from harness.types import Status

P, W, E = "passed", "wrong_answer", "runtime_error KeyError"


def _pair(make_run, first, second, **options):
    return load_run(str(make_run("A", first, **options))), load_run(str(make_run("B", second, **options)))


def test_a_difference_is_second_minus_first_over_the_same_problems(make_run):
    first = {"m/0": [P, W], "m/1": [W, W], "m/2": [P, P], "m/3": [W, W]}
    second = {"m/0": [P, P], "m/1": [P, W], "m/2": [W, W], "m/3": [W, W]}
    result = compare_runs(*_pair(make_run, first, second))
    (score,) = [s for s in result.scores if (s.profile, s.k) == ("strict", 1)]
    assert (score.first, score.second, score.problems) == (3 / 8, 3 / 8, 4)
    assert score.difference.value == 0.0
    assert score.difference.low < 0 < score.difference.high
    assert score.difference.p_value == 1.0
    assert result.gained["strict"] == ["m/1"]
    assert result.lost["strict"] == ["m/2"]


def test_a_run_that_only_gains_has_a_positive_difference_with_the_tests_own_p_value(make_run):
    first = {f"m/{i}": [W] for i in range(6)}
    second = {f"m/{i}": [P] for i in range(6)}
    result = compare_runs(*_pair(make_run, first, second))
    for score in result.scores:
        assert score.difference.value == 1.0
        assert score.difference.p_value == 2 / 2**6  # all six signs the one way, or all the other


def test_the_shift_of_outcomes_is_in_shares_of_the_samples(make_run):
    result = compare_runs(*_pair(make_run, {"m/0": [P, W, W, E]}, {"m/0": [P, P, P, "timed_out"]}))
    assert result.shift["apps"] == {
        Status.PASSED: (0.25, 0.75),
        Status.WRONG_ANSWER: (0.5, 0.0),
        Status.RUNTIME_ERROR: (0.25, 0.0),
        Status.TIMED_OUT: (0.0, 0.25),
    }


def test_problems_without_tests_or_grading_are_left_out_and_counted(make_run):
    first = {"m/0": [P], "m/1": [W], "m/2": [W], "m/3": [W]}
    second = {"m/0": [P], "m/1": [P], "m/2": ["lost"], "m/3": [P]}
    result = compare_runs(*_pair(make_run, first, second, without_tests=["m/3"]))
    assert result.left_out == 2
    assert {score.problems for score in result.scores} == {2}
    assert result.gained["strict"] == ["m/1"]


def test_problems_that_both_runs_count_as_failed_stay_in_the_denominator(make_run):
    programs = {"m/0": [P], "m/1": []}
    runs = _pair(make_run, programs, programs, allow_missing=True)
    (score, _) = compare_runs(*runs).scores
    assert (score.first, score.problems) == (0.5, 2)
    assert score.first == runs[0].score("strict", "all", "pass@1")["value"]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ({"m/0": [P], "m/2": [P]}, r"number 2 is m/1 in .*A and m/2 in .*B"),
        ({"m/0": [P]}, r"number 2 is m/1 in .*A, the other run has ended"),
        ({"m/0": [P], "m/1": [P], "m/9": [P]}, r"number 3 is m/9 in .*B, the other run has ended"),
    ],
)
def test_runs_on_different_problems_are_refused_with_the_first_that_differs(make_run, second, problem):
    runs = _pair(make_run, {"m/0": [P], "m/1": [P]}, second)
    with pytest.raises(InputError, match=problem):
        compare_runs(*runs)


def test_runs_on_different_benchmarks_are_refused(make_run):
    a = load_run(str(make_run("A", {"m/0": [P]})))
    b = load_run(str(make_run("B", {"m/0": [P]}, split="train")))
    with pytest.raises(InputError, match=r"benchmark split is test in .*A, train in .*B"):
        compare_runs(a, b)


def test_runs_that_count_different_absent_programs_are_refused(make_run):
    a = load_run(str(make_run("A", {"m/0": [P]})))
    b = load_run(str(make_run("B", {"m/0": [P], "m/1": []}, allow_missing=True)))
    with pytest.raises(InputError, match="without a program as failed"):
        compare_runs(a, b)


FILTER = {"m/0": ["a", "b", "c", "d"], "m/1": ["a", "b", "b", "b"]}
HIDDEN = {"a": W, "b": P, "c": P, "d": E}
EXAMPLES = {"a": P, "b": P, "c": W, "d": W}


def _filtered(make_run, **options):
    run = load_run(str(make_run("run", FILTER, verdicts=HIDDEN, ks=[1, 4])))
    (run.path.parent / "run.jsonl").rename(run.path.parent / "examples.jsonl")
    examples = make_run("examples", FILTER, verdicts=EXAMPLES, benchmark="mbpp-examples", **options)
    return run, load_run(str(examples))


def test_n_at_k_is_counted_from_both_runs(make_run):
    found = filtered_scores(*_filtered(make_run), [1, 2])
    scores = {(s.profile, s.n, s.k): s.score.value for s in found}
    # m/0: two survivors, one right; m/1: four survivors, three right.
    assert scores["strict", 1, 4] == (1 / 2 + 3 / 4) / 2
    assert scores["strict", 2, 4] == 1.0
    # k = 1: m/0 solved if "b" is drawn; "c" is right but filtered away. m/1 as pass@1.
    assert scores["strict", 1, 1] == (1 / 4 + 3 / 4) / 2
    assert ("strict", 2, 1) not in scores


def test_filling_up_lets_a_rejected_right_program_through(make_run):
    found = filtered_scores(*_filtered(make_run), [1], few=FewSurvivors.FILL_UP)
    assert {(s.profile, s.n, s.k): s.score.value for s in found}["apps", 1, 1] == (2 / 4 + 3 / 4) / 2


def test_without_example_tests_nothing_is_filtered(make_run):
    run, examples = _filtered(make_run, without_tests=["m/0", "m/1"])
    for score in filtered_scores(run, examples, [1]):
        assert score.score.value == run.score(score.profile, "all", "pass@1")["value"]


def test_verdicts_on_other_programs_are_refused(make_run):
    run = load_run(str(make_run("run", FILTER, verdicts=HIDDEN)))
    other = load_run(str(make_run("other", {"m/0": ["a"], "m/1": ["b"]}, verdicts=EXAMPLES)))
    with pytest.raises(InputError, match="did not grade the programs"):
        filtered_scores(run, other, [1])


def test_a_damaged_run_is_one_line(make_run):
    folder = make_run("A", {"m/0": [P]})
    (folder / "outcomes.jsonl").write_text("{\n")
    run = load_run(str(folder))
    with pytest.raises(InputError, match=r"outcomes\.jsonl is damaged"):
        compare_runs(run, run)


def test_an_unfinished_run_is_refused_with_the_way_on(make_run):
    folder = make_run("A", {"m/0": [P]})
    (folder / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"the run has not ended .* run its command again"):
        load_run(str(folder))
    with pytest.raises(InputError, match="no run folder"):
        load_run("RLTF=nowhere")
    (folder / "metrics.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(InputError, match="not of format 1"):
        load_run(str(folder))
