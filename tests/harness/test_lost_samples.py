"""Runs of which a server did not give every sample: what is counted, kept, resumed and compared."""

import json
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import pytest
from fakes import ONE_TEST, FakeGrader, made_benchmark

from harness.errors import InputError
from harness.evaluate.evaluation import Plan, evaluate
from harness.evaluate.generation import GenerationPlan
from harness.metrics.paired import compare_runs
from harness.models import Completion, Decoding, Finish, Request
from harness.models.unanswered import Loss, Unanswered
from harness.run_store.finished_run import read_run
from harness.run_store.sample_files import SampleFiles
from harness.types import (
    Limits,
    Piece,
    PromptFormat,
)

FORM = PromptFormat("plain", "1", lambda p: (Piece(p.question, cut=True),), "here", extraction="answer")
RESULTS = ("samples.jsonl", "prompts.jsonl", "outcomes.jsonl", "metrics.json")


class LossyModel:
    """Passes even samples and fails odd ones; does not give those that `lost` names."""

    def __init__(self, lost=None, stop_after=None):
        self.lost = lost or {}
        self.stop_after = stop_after
        self.asked = []

    def describe(self):
        return {"model": {"name": "m"}}

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion | Unanswered]:
        for request in requests:
            for number in request.sample_ids:
                if self.stop_after is not None and len(self.asked) >= self.stop_after:
                    raise InputError("the server went away")
                key = request.task_id, number
                self.asked.append(key)
                if key in self.lost:
                    yield Unanswered(request.prompt, number, self.lost[key], "boom")
                else:
                    text = "fail" if number % 2 else "pass"
                    yield Completion(request.prompt, number, text, Finish.STOP, 1)


def plan(model, n=2, **changes):
    benchmark = made_benchmark(*[ONE_TEST] * 4)
    sampling = GenerationPlan("m", model, FORM, Decoding(**changes), n)
    return Plan(benchmark, sampling, Limits(), {"strict": "1", "apps": "1"})


def run(folder, model, runner=None, **options):
    return evaluate(plan(model, **options), folder, lambda: nullcontext(runner or FakeGrader()))


def contents(folder):
    return {name: (folder / name).read_bytes() for name in RESULTS}


LOST = {("made/0", 1): Loss.SERVER, ("made/2", 0): Loss.TOO_LONG, ("made/2", 1): Loss.SERVER}


def test_lost_samples_are_counted_apart_and_neither_recorded_nor_graded(tmp_path):
    runner = FakeGrader()
    metrics = run(tmp_path / "run", LossyModel(LOST), runner)
    assert not set(runner.graded) & set(LOST)
    rows = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == len(runner.graded) == 5
    lost = [json.loads(line) for line in (tmp_path / "run" / "lost.jsonl").read_text().splitlines()]
    assert lost[0] == {"task_id": "made/0", "sample_id": 1, "loss": "server", "said": "boom"}
    assert len(lost) == 3
    assert metrics["lost_samples"] == {
        "server": 2, "filtered": 0, "too_long": 1, "problems_without_answer": 1,
    }  # fmt: skip
    assert metrics["counts"]["scored_problems"] == 3
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == pytest.approx((1 + 0.5 + 0.5) / 3)
    report = (tmp_path / "run" / "report.md").read_text()
    assert "2 ANSWERS ARE MISSING: the server failed on them" in report
    assert "1 problems are left without any answer" in report
    assert "lost" not in str(contents(tmp_path / "run")["outcomes.jsonl"])


def test_a_second_session_asks_for_the_lost_samples_and_leaves_no_trace_of_them(tmp_path):
    run(tmp_path / "straight", LossyModel())
    run(tmp_path / "run", LossyModel(LOST))
    again = LossyModel()
    runner = FakeGrader()
    metrics = run(tmp_path / "run", again, runner)
    assert set(again.asked) == set(runner.graded) == set(LOST)
    assert contents(tmp_path / "run") == contents(tmp_path / "straight")
    names = [{path.name for path in (tmp_path / name).iterdir()} for name in ("run", "straight")]
    assert names[0] == names[1]
    assert "lost_samples" not in metrics


def test_samples_that_are_lost_again_stay_counted_once_and_those_given_since_do_not(tmp_path):
    run(tmp_path / "run", LossyModel(LOST))
    for _ in range(2):
        metrics = run(tmp_path / "run", LossyModel({("made/2", 1): Loss.FILTERED}))
        lost = metrics["lost_samples"]
        assert (lost["server"], lost["filtered"], lost["too_long"]) == (0, 1, 0)
        assert len((tmp_path / "run" / "lost.jsonl").read_text().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", range(9))
def test_a_run_that_loses_samples_and_ends_half_way_goes_on_to_the_same_files(tmp_path, stop_after):
    run(tmp_path / "straight", LossyModel())
    if stop_after < 8:
        with pytest.raises(InputError, match="went away"):
            run(tmp_path / "run", LossyModel(LOST, stop_after))
    else:
        run(tmp_path / "run", LossyModel(LOST, stop_after))
    run(tmp_path / "run", LossyModel())
    assert contents(tmp_path / "run") == contents(tmp_path / "straight")
    assert not list((tmp_path / "run").glob("lost*"))


def test_more_samples_may_be_asked_for_where_some_are_lost(tmp_path):
    run(tmp_path / "run", LossyModel(LOST), n=2)
    metrics = run(tmp_path / "run", LossyModel({("made/0", 3): Loss.SERVER}), n=4)
    assert metrics["lost_samples"]["server"] == 1
    run(tmp_path / "run", LossyModel(), n=4)
    run(tmp_path / "straight", LossyModel(), n=4)
    assert contents(tmp_path / "run") == contents(tmp_path / "straight")


def test_filtered_answers_are_left_out_and_as_failures_shown_beside(tmp_path):
    lost = {("made/0", 1): Loss.FILTERED, ("made/1", 0): Loss.FILTERED, ("made/1", 1): Loss.FILTERED}
    metrics = run(tmp_path / "run", LossyModel(lost))
    overall = metrics["profiles"]["strict"]["overall"]
    assert overall["pass@1"]["value"] == pytest.approx((1 + 0.5 + 0.5) / 3)
    failed = metrics["lost_samples"]["filtered_as_failed"]["strict"]["pass@1"]
    assert failed["value"] == pytest.approx((0.5 + 0 + 0.5 + 0.5) / 4)
    assert failed["problems"] == 4
    report = (tmp_path / "run" / "report.md").read_text()
    assert "3 answers were withheld by a content filter" in report
    assert "pass@1 37.50" in report
    assert "MISSING" not in report


def test_a_run_that_lost_every_sample_ends_with_undefined_scores(tmp_path):
    every = {(f"made/{task}", number): Loss.SERVER for task in range(4) for number in range(2)}
    metrics = run(tmp_path / "run", LossyModel(every))
    assert metrics["profiles"]["strict"]["overall"]["pass@1"] is None
    assert "8 ANSWERS ARE MISSING" in (tmp_path / "run" / "report.md").read_text()
    run(tmp_path / "run", LossyModel())
    run(tmp_path / "straight", LossyModel())
    assert contents(tmp_path / "run") == contents(tmp_path / "straight")


def test_a_folder_without_a_sample_takes_other_inputs_and_one_with_a_sample_does_not(tmp_path):
    every = {(f"made/{task}", number): Loss.SERVER for task in range(4) for number in range(2)}
    for name, model in (("refused", LossyModel(stop_after=0)), ("lost", LossyModel(every))):
        folder = tmp_path / name
        with pytest.raises(InputError) if name == "refused" else nullcontext():
            run(folder, model, temperature=0.5)
        run(folder, LossyModel(), temperature=1.0)
        assert (
            json.loads((folder / "manifest.json").read_text())["identity"]["generation"]["temperature"] == 1.0
        )
        assert not list(folder.glob("lost*"))
        with pytest.raises(InputError, match=r"temperature was 1\.0, now it is 0\.5"):
            run(folder, LossyModel(), temperature=0.5)


def test_a_folder_that_lost_its_samples_but_not_its_outcomes_is_not_begun_anew(tmp_path):
    run(tmp_path / "run", LossyModel())
    (tmp_path / "run" / "samples.jsonl").unlink()
    with pytest.raises(InputError, match="other inputs"):
        run(tmp_path / "run", LossyModel(), temperature=0.5)
    assert (tmp_path / "run" / "outcomes.jsonl").exists()


def test_losses_of_several_processes_come_together(tmp_path):
    """Two processes each lose some, then all is given."""
    first = plan(LossyModel(LOST))
    files = SampleFiles(tmp_path, 1)
    requests = first.programs.missing(first.benchmark, first.programs.wanted(first.benchmark), files)
    first.programs.sample(requests[1::2], files, lambda: None)
    files.close()
    leading = SampleFiles(tmp_path)
    first.programs.sample(requests[::2], leading, lambda: None)
    leading.scan()
    keys = first.programs.wanted(first.benchmark)
    assert set(keys) - set(leading.given(keys)) == set(LOST)
    leading.finish(keys)
    assert len((tmp_path / "lost.jsonl").read_text().splitlines()) == 3
    assert not list(tmp_path.glob("*journal*"))


def test_runs_are_compared_on_the_problems_that_both_have_answers_to(tmp_path):
    run(tmp_path / "a", LossyModel())
    run(tmp_path / "b", LossyModel(LOST))
    paired = compare_runs(read_run(tmp_path / "a"), read_run(tmp_path / "b"))
    assert paired.left_out == 1
    assert paired.scores[0].problems == 3
