"""The audit: which problems may reward, asked once."""

from dataclasses import replace

from fakes import FakeGrader, lost, outcome_of

from benchmarks.mini import load
from harness.types import Job, Limits, Outcome, Status, TestKind, TestSuite
from rltf.rollout.problem_filter import TRIES, audit

BENCHMARK = load(split="train", size=6)


def grade(job: Job) -> Outcome:
    """Right if the program holds `good`; the grader itself fails on what holds `broken`."""
    if "broken" in job.code:
        return lost(job, ("strict",))
    status = Status.PASSED if "good" in job.code else Status.WRONG_ANSWER
    return outcome_of(job, status, profiles=("strict",))


def counting(limits: Limits | None = None) -> FakeGrader:
    """A grader whose `asked` tells what it was asked."""
    limits = limits or Limits()
    return FakeGrader(grade, limits=limits, description={"grader_version": "1", "limits": str(limits)})


def benchmark(*solutions: tuple[str, ...]):
    """One problem for each tuple of solutions."""
    problems = [
        replace(problem, load_solutions=lambda own=own: own)
        for problem, own in zip(BENCHMARK.problems, solutions, strict=False)
    ]
    return replace(BENCHMARK, problems=problems)


def names(found):
    return [problem.task_id.rpartition("/")[2] for problem in found.sound]


def test_a_problem_is_sound_if_one_of_its_first_solutions_passes():
    late = ("bad",) * (TRIES - 1) + ("good",)
    too_late = ("bad",) * TRIES + ("good",)
    found = audit(benchmark(("good",), ("bad",), late, too_late), counting())
    assert names(found) == ["0", "2"]
    assert found.failing == 2


def test_a_second_solution_is_asked_only_where_the_first_fails():
    grader = counting()
    audit(benchmark(("good", "other"), ("bad", "good")), grader)
    assert [job.code for job in grader.asked] == ["good", "bad", "good"]


def test_without_tests_there_is_no_reward_and_without_solutions_nothing_to_ask():
    empty = TestSuite.pack(TestKind.STDIN, [])
    asked = benchmark(("good",), ())
    untested = replace(asked.problems[0], task_id="mini/train/9", load_suite=lambda: empty)
    found = audit(replace(asked, problems=[*asked.problems, untested]), counting())
    assert names(found) == ["0", "1"]
    assert (found.without_tests, found.without_solutions, found.failing) == (1, 1, 0)


def test_what_was_found_is_remembered_for_any_selection_of_the_same_data(tmp_path):
    whole, grader = benchmark(("good",), ("bad",), ("good",)), counting()
    audit(replace(whole, problems=whole.problems[:2]), grader, cache=tmp_path)
    grader.asked.clear()
    found = audit(whole, grader, cache=tmp_path)
    assert names(found) == ["0", "2"]
    assert [job.task_id for job in grader.asked] == [whole.problems[2].task_id]


def test_other_limits_and_other_data_are_asked_anew(tmp_path):
    whole = benchmark(("good",))
    audit(whole, counting(), cache=tmp_path)
    for other, grader in (
        (whole, counting(Limits(cpu_seconds=1))),
        (replace(whole, dataset_hash="another"), counting()),
    ):
        audit(other, grader, cache=tmp_path)
        assert grader.asked


def test_what_the_grader_failed_on_is_left_out_but_asked_again_the_next_time(tmp_path):
    grader = counting()
    for _ in range(2):
        grader.asked.clear()
        assert names(audit(benchmark(("broken",), ("good",)), grader, cache=tmp_path)) == ["1"]
        assert ("mini/train/0", "broken") in [(job.task_id, job.code) for job in grader.asked]


def test_a_damaged_memory_is_asked_again(tmp_path):
    audit(benchmark(("good",)), counting(), cache=tmp_path)
    [file] = tmp_path.iterdir()
    file.write_text("{")
    grader = counting()
    assert names(audit(benchmark(("good",)), grader, cache=tmp_path)) == ["0"]
    assert grader.asked
