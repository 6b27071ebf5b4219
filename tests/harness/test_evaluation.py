"""The main path with a runner of twenty lines: coverage rules, and a kill at every step of the way."""

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from fakes import NO_TESTS, ONE_TEST, InPairs, lost, not_run, outcome_of

from harness.errors import InputError
from harness.evaluate.evaluation import Plan, evaluate, identity_of
from harness.programs.source import ProgramFile, ReferenceSolutions, Sample
from harness.run_store import rows
from harness.run_store.journal import OutcomeFile
from harness.run_store.run_folder import open_or_resume
from harness.types import (
    Benchmark,
    ErrorInfo,
    Job,
    Limits,
    Outcome,
    Problem,
    Status,
    TestSuite,
)


def grade(job: Job) -> Outcome:
    """Right if the program holds `pass`; a problem without tests has no verdict."""
    if job.problem.suite.count == 0:
        return not_run(job)
    if "pass" in job.code:
        return replace(outcome_of(job, Status.PASSED), cpu_seconds=2.0)
    error = ErrorInfo("KeyError", job.code, 1)
    return replace(outcome_of(job, Status.RUNTIME_ERROR, error), cpu_seconds=2.0)


FakeGrader = partial(InPairs, grade)


def _problem(number: int, suite: TestSuite = ONE_TEST, solutions: tuple[str, ...] = ()) -> Problem:
    level = "interview" if number % 2 else "introductory"
    return Problem(f"made/{number}", "", lambda: suite, difficulty=level, load_solutions=lambda: solutions)


def _plan(path: Path, problems: list[Problem] | None = None, **changes) -> Plan:
    problems = problems or [_problem(number) for number in range(4)]
    benchmark = Benchmark(
        "made", "test", "1", problems, "hash", "made here", errata={"made/1": "ambiguous | odd"}
    )
    limits, profiles = Limits(), {"strict": "1", "apps": "1"}
    return replace(Plan(benchmark, ProgramFile(path), limits, profiles, command="rltf score x"), **changes)


def _file(path: Path, counts: dict[int, int], code: str = "pass") -> Path:
    rows = [
        {"task_id": f"made/{task}", "code": f"{code} {task} {i}" if i % 2 == 0 else f"fail {task} {i}"}
        for task, count in counts.items()
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    return path


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    return _file(tmp_path / "programs.jsonl", {0: 2, 1: 2, 2: 2, 3: 2})


def test_a_run_leaves_every_file_and_its_numbers(tmp_path, programs):
    folder = tmp_path / "run"
    metrics = evaluate(_plan(programs), folder, lambda: nullcontext(FakeGrader()))
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == 0.5
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json", "metrics.json", "outcomes.jsonl", "report.html", "report.md", "samples.jsonl",
    ]  # fmt: skip
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    rows = [json.loads(line) for line in (folder / "outcomes.jsonl").read_text().splitlines()]
    assert [(row["task_id"], row["sample_id"]) for row in rows] == [
        (f"made/{t}", i) for t in range(4) for i in (0, 1)
    ]
    report = (folder / "report.md").read_text()
    assert "50.00 [" in report
    assert "| made/1 | 1 | ambiguous \\| odd |" in report
    assert "rltf score x" in report


def test_the_manifest_says_what_was_graded_by_whom_and_on_what(tmp_path, programs):
    evaluate(_plan(programs, seed=7), tmp_path / "run", lambda: nullcontext(FakeGrader()))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["identity"]["benchmark"]["dataset_hash"] == "hash"
    assert manifest["identity"]["limits"]["cpu_seconds"] == 4.0
    assert manifest["identity"]["profiles"] == {"apps": "1", "strict": "1"}
    assert manifest["identity"]["programs"].startswith("file sha256 ")
    assert (manifest["command"], manifest["seed"], manifest["k"]) == ("rltf score x", 7, [1])
    (session,) = manifest["sessions"]
    assert session["runner"] == {"isolation": "none, a fake"}
    assert session["hardware"]["processors"] >= 1
    assert session["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_nothing_is_graded_twice_and_a_finished_run_starts_no_runner(tmp_path, programs):
    first = evaluate(_plan(programs), tmp_path / "run", lambda: nullcontext(FakeGrader()))

    def refuse():
        raise AssertionError("a runner was started")

    assert evaluate(_plan(programs), tmp_path / "run", refuse) == first


def test_another_k_is_computed_from_the_same_outcomes(tmp_path, programs):
    evaluate(_plan(programs), tmp_path / "run", lambda: nullcontext(FakeGrader()))
    metrics = evaluate(_plan(programs, ks=[2, 1, 2]), tmp_path / "run", lambda: nullcontext(None))
    assert metrics["k"] == [1, 2]
    assert metrics["profiles"]["apps"]["overall"]["pass@2"]["value"] == 1.0


def test_bad_input_is_found_before_the_runner_starts(tmp_path, programs):
    with programs.open("a") as stream:
        stream.write('{"task_id": "made/9", "code": "x"}\n')
    with pytest.raises(InputError, match="line 9: unknown problem 'made/9'"):
        evaluate(_plan(programs), tmp_path / "run", lambda: pytest.fail("a runner was started"))
    assert not (tmp_path / "run").exists()


def test_problems_without_programs_are_an_error_that_names_the_choices(tmp_path):
    path = _file(tmp_path / "programs", {0: 1, 2: 1})
    with pytest.raises(
        InputError,
        match=r"2 of 4 problems have no program \(made/1, made/3\).*--allow-missing.*--covered-only.*--ids",
    ):
        evaluate(_plan(path), tmp_path / "run", lambda: pytest.fail("a runner was started"))
    metrics = evaluate(_plan(path, allow_missing=True), tmp_path / "run", lambda: nullcontext(FakeGrader()))
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == 0.5
    assert metrics["counts"]["missing_problems"] == 2


def test_a_problem_without_tests_needs_no_program(tmp_path):
    path = _file(tmp_path / "programs", {0: 1})
    problems = [_problem(0), _problem(1, NO_TESTS)]
    metrics = evaluate(_plan(path, problems), tmp_path / "run", lambda: nullcontext(FakeGrader()))
    assert metrics["counts"] | {} == metrics["counts"] | {
        "missing_problems": 0, "unscorable_problems": 1, "scored_problems": 1,
    }  # fmt: skip


def test_reference_solutions_need_not_cover_every_problem(tmp_path):
    problems = [_problem(0, solutions=("pass", "fail")), _problem(1), _problem(2, NO_TESTS, ("pass",))]
    plan = _plan(tmp_path, problems, programs=ReferenceSolutions(), ignore_missing=True)
    metrics = evaluate(plan, tmp_path / "run", lambda: nullcontext(FakeGrader()))
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == 1.0
    counts = metrics["counts"]
    assert (counts["problems_left_out"], counts["unscorable_problems"], counts["samples"]) == (
        1,
        1,
        1,
    )


def test_a_k_beyond_the_samples_names_the_problem_and_its_count(tmp_path):
    path = _file(tmp_path / "programs", {0: 5, 1: 5, 2: 3, 3: 5})
    with pytest.raises(InputError, match=r"pass@5 needs 5 samples .* but made/2 has 3; pass --k .* up to 3"):
        evaluate(_plan(path, ks=[1, 5]), tmp_path / "run", lambda: pytest.fail("a runner was started"))


def test_a_k_beyond_the_samples_of_an_unscorable_problem_is_no_matter(tmp_path):
    path = _file(tmp_path / "programs", {0: 5, 1: 1})
    plan = _plan(path, [_problem(0), _problem(1, NO_TESTS)], ks=[5])
    assert evaluate(plan, tmp_path / "run", lambda: nullcontext(FakeGrader()))["k"] == [5]


@pytest.mark.parametrize(("fewest", "expected"), [(1, [1]), (4, [1]), (5, [1, 5]), (12, [1, 5, 10])])
def test_the_default_budgets_are_those_that_every_problem_allows(tmp_path, fewest, expected):
    path = _file(tmp_path / "programs", {0: fewest, 1: 12, 2: 12, 3: 12})
    assert evaluate(_plan(path), tmp_path / "run", lambda: nullcontext(FakeGrader()))["k"] == expected


def test_what_the_grader_failed_on_is_tried_again_by_the_same_command(tmp_path, programs):
    failing = InPairs(lambda job: lost(job) if job.code == "pass 1 0" else grade(job))
    metrics = evaluate(_plan(programs), tmp_path / "run", lambda: nullcontext(failing))
    assert metrics["counts"]["infrastructure_errors"] == 1
    again = FakeGrader()
    metrics = evaluate(_plan(programs), tmp_path / "run", lambda: nullcontext(again))
    assert again.graded == [("made/1", 1)]
    assert metrics["counts"]["infrastructure_errors"] == 0
    assert metrics == evaluate(_plan(programs), tmp_path / "straight", lambda: nullcontext(FakeGrader()))


def test_a_folder_of_other_programs_is_refused(tmp_path, programs):
    evaluate(_plan(programs), tmp_path / "run", lambda: nullcontext(FakeGrader()))
    other = _file(tmp_path / "other", {0: 1, 1: 1, 2: 1, 3: 1})
    with pytest.raises(InputError, match="holds a run with other inputs: programs was file sha256"):
        evaluate(_plan(other), tmp_path / "run", lambda: pytest.fail("a runner was started"))


def test_a_runner_that_breaks_loses_nothing_of_what_it_gave(tmp_path, programs):
    class Breaks(InPairs):
        given = 0  # over all runs: what is queued at a time is given together

        def run(self, jobs):
            for outcome in super().run(jobs):
                if self.given == 5:
                    raise KeyboardInterrupt
                self.given += 1
                yield outcome

    with pytest.raises(KeyboardInterrupt):
        evaluate(_plan(programs), tmp_path / "run", lambda: nullcontext(Breaks(grade)))
    rest = FakeGrader()
    evaluate(_plan(programs), tmp_path / "run", lambda: nullcontext(rest))
    assert len(rest.graded) == 3


@pytest.mark.slow
def test_a_kill_at_any_file_operation_changes_no_result(tmp_path, programs, killed_at):
    plan = _plan(programs)
    straight = tmp_path / "straight"
    evaluate(plan, straight, lambda: nullcontext(FakeGrader()))
    step, killed = 0, True
    while killed:
        step += 1
        folder = tmp_path / f"run-{step}"
        killed = killed_at(step, folder, partial(evaluate, plan, folder, lambda: nullcontext(FakeGrader())))
        graded = _graded(folder)
        rest = FakeGrader()
        evaluate(plan, folder, lambda rest=rest: nullcontext(rest))
        assert len(set(rest.graded)) == len(rest.graded) == 8 - len(graded), step
        assert graded.isdisjoint(rest.graded)
        for name in ("samples.jsonl", "outcomes.jsonl", "metrics.json"):
            assert (folder / name).read_bytes() == (straight / name).read_bytes(), (step, name)
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            path.name for path in straight.iterdir()
        )
    assert step > 20


def _graded(folder: Path) -> set[tuple[str, int]]:
    if not (folder / "samples.jsonl").exists():
        return set()
    known = OutcomeFile(folder / "outcomes.jsonl")
    return {(f"made/{t}", i) for t in range(4) for i in (0, 1) if known.is_graded((f"made/{t}", i))}


@pytest.mark.slow
def test_a_kill_inside_any_row_of_the_journal_changes_no_result(tmp_path, programs):
    plan = _plan(programs)
    straight = tmp_path / "straight"
    evaluate(plan, straight, lambda: nullcontext(FakeGrader()))
    rows = (straight / "outcomes.jsonl").read_bytes()
    for size in range(0, len(rows) + 1, 61):
        folder = tmp_path / f"run-{size}"
        with open_or_resume(folder, identity_of(plan), plan.source, plan.benchmark):
            pass
        (folder / "outcomes.journal.jsonl").write_bytes(rows[:size])
        rest = FakeGrader()
        evaluate(plan, folder, lambda rest=rest: nullcontext(rest))
        assert len(rest.graded) == 8 - rows[:size].count(b"\n")
        for name in ("outcomes.jsonl", "metrics.json"):
            assert (folder / name).read_bytes() == (straight / name).read_bytes()


def test_each_sample_and_outcome_is_decoded_once_for_all_that_is_written_of_them(
    tmp_path, programs, monkeypatch
):
    opened, decoded = [], []
    read, decode = rows.lines_of, rows.outcome_from_row
    monkeypatch.setattr(rows, "lines_of", lambda path: opened.append(path.name) or read(path))
    monkeypatch.setattr(rows, "outcome_from_row", lambda row: decoded.append(row) or decode(row))
    evaluate(_plan(programs), tmp_path / "run", lambda: nullcontext(FakeGrader()))
    assert sorted(opened) == ["outcomes.jsonl", "samples.jsonl"]
    assert len(decoded) == 8
    for name in ("metrics.json", "report.md", "report.html"):
        assert (tmp_path / "run" / name).stat().st_size > 1000


def test_the_samples_of_a_run_are_a_file_of_programs_with_the_same_results(tmp_path, programs):
    evaluate(_plan(programs), tmp_path / "run", lambda: nullcontext(FakeGrader()))
    plan = _plan(tmp_path / "run" / "samples.jsonl")
    evaluate(plan, tmp_path / "again", lambda: nullcontext(FakeGrader()))
    for name in ("samples.jsonl", "outcomes.jsonl", "metrics.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_programs_need_not_come_from_a_file(tmp_path):
    class Sampled:
        skipped = 0
        notices: ClassVar[list[str]] = []
        label = "checkpoint-10"

        def fingerprint(self) -> str:
            return "checkpoint-10, seed 0"

        def read(self, benchmark: Benchmark) -> Iterator[Sample]:
            return (Sample(problem.task_id, 0, "pass") for problem in benchmark.problems)

    metrics = evaluate(
        _plan(tmp_path, programs=Sampled()), tmp_path / "run", lambda: nullcontext(FakeGrader())
    )
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == 1.0
    assert "# checkpoint-10 on made (test)" in (tmp_path / "run" / "report.md").read_text()


def test_the_covered_problems_alone_can_be_asked_for(tmp_path):
    path = _file(tmp_path / "programs", {0: 1, 2: 1})
    plan = _plan(path, ignore_missing=True)
    metrics = evaluate(plan, tmp_path / "run", lambda: nullcontext(FakeGrader()))
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == 1.0
    assert metrics["counts"]["problems_left_out"] == 2
    assert "2 problems have no program" in (tmp_path / "run" / "report.md").read_text()
