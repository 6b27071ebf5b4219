"""The audit: which problems may reward, asked once."""

from dataclasses import replace

from benchmarks.mini import load
from harness.types import Job, Limits, Outcome, Status, TestKind, TestOutcome, TestSuite
from rltf.rollout.problem_filter import TRIES, audit

BENCHMARK = load(split="train", size=6)


class Counting:
    """Passes programs that hold `good`; the grader itself fails on those that hold `broken`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.asked: list[tuple[str, str]] = []

    def run(self, jobs):
        for job in jobs:
            self.asked.append((job.task_id, job.code))
            yield self.outcome(job)

    def outcome(self, job: Job) -> Outcome:
        if "broken" in job.code:
            status = {"strict": Status.NOT_RUN}
            return Outcome(job.task_id, job.sample_id, status, infrastructure_error="worker lost")
        status = Status.PASSED if "good" in job.code else Status.WRONG_ANSWER
        return Outcome(job.task_id, job.sample_id, {"strict": status}, (TestOutcome({"strict": status}),))

    def describe(self):
        return {"grader_version": "1", "limits": str(self.limits)}


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
    found = audit(benchmark(("good",), ("bad",), late, too_late), Counting())
    assert names(found) == ["0", "2"]
    assert found.failing == 2


def test_a_second_solution_is_asked_only_where_the_first_fails():
    grader = Counting()
    audit(benchmark(("good", "other"), ("bad", "good")), grader)
    assert [code for _, code in grader.asked] == ["good", "bad", "good"]


def test_without_tests_there_is_no_reward_and_without_solutions_nothing_to_ask():
    empty = TestSuite.pack(TestKind.STDIN, [])
    asked = benchmark(("good",), ())
    untested = replace(asked.problems[0], task_id="mini/train/9", load_suite=lambda: empty)
    found = audit(replace(asked, problems=[*asked.problems, untested]), Counting())
    assert names(found) == ["0", "1"]
    assert (found.without_tests, found.without_solutions, found.failing) == (1, 1, 0)


def test_what_was_found_is_remembered_for_any_selection_of_the_same_data(tmp_path):
    whole, grader = benchmark(("good",), ("bad",), ("good",)), Counting()
    audit(replace(whole, problems=whole.problems[:2]), grader, cache=tmp_path)
    grader.asked.clear()
    found = audit(whole, grader, cache=tmp_path)
    assert names(found) == ["0", "2"]
    assert [task for task, _ in grader.asked] == [whole.problems[2].task_id]


def test_other_limits_and_other_data_are_asked_anew(tmp_path):
    whole = benchmark(("good",))
    audit(whole, Counting(), cache=tmp_path)
    for other, grader in (
        (whole, Counting(Limits(cpu_seconds=1))),
        (replace(whole, dataset_hash="another"), Counting()),
    ):
        audit(other, grader, cache=tmp_path)
        assert grader.asked


def test_what_the_grader_failed_on_is_left_out_but_asked_again_the_next_time(tmp_path):
    grader = Counting()
    for _ in range(2):
        grader.asked.clear()
        assert names(audit(benchmark(("broken",), ("good",)), grader, cache=tmp_path)) == ["1"]
        assert ("mini/train/0", "broken") in grader.asked


def test_a_damaged_memory_is_asked_again(tmp_path):
    audit(benchmark(("good",)), Counting(), cache=tmp_path)
    [file] = tmp_path.iterdir()
    file.write_text("{")
    grader = Counting()
    assert names(audit(benchmark(("good",)), grader, cache=tmp_path)) == ["0"]
    assert grader.asked
