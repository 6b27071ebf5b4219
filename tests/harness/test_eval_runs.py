"""The path of `rltf eval`, model and runner of twenty lines: what is sampled, kept, refused and resumed."""

import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from fakes import NO_TESTS, ONE_TEST, FakeGrader, made_benchmark

from harness.errors import InfrastructureError, InputError
from harness.evaluate.evaluation import Plan, evaluate
from harness.evaluate.generation import GenerationPlan
from harness.extraction import RULES
from harness.models import Completion, Decoding, Finish, Request
from harness.models.distributed import Processes
from harness.run_store.sample_files import SampleFiles
from harness.types import (
    Limits,
    Piece,
    PromptFormat,
)

RESULTS = ("samples.jsonl", "prompts.jsonl", "outcomes.jsonl", "metrics.json")
BENCHMARK = made_benchmark(ONE_TEST, ONE_TEST, NO_TESTS, ONE_TEST)
FORM = PromptFormat(
    "plain", "1", lambda problem: (Piece(problem.question, cut=True),), "here", extraction="answer"
)


class FakeModel:
    """Answers in another order each time; an answer depends on the problem and the sample's number alone."""

    def __init__(self, name: str = "org/fake", order: int = 0, fail_after: int | None = None) -> None:
        self.name, self.order, self.fail_after = name, order, fail_after
        self.asked: list[tuple[str, int]] = []
        self.closed = False

    def describe(self) -> dict[str, object]:
        return {"model": {"name": self.name}, "measured": {"answers": len(self.asked)}}

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion]:
        todo = [(request.prompt, number) for request in requests for number in request.sample_ids]
        random.Random(self.order).shuffle(todo)
        try:
            for prompt, number in todo:
                if self.fail_after is not None and len(self.asked) >= self.fail_after:
                    raise InputError("the model went away")
                self.asked.append((prompt.task_id, number))
                yield self._answer(replace(prompt, shortened=prompt.task_id == "made/1"), number)
        finally:
            self.closed = True

    def _answer(self, prompt, number: int) -> Completion:
        task = int(prompt.task_id.rpartition("/")[2])
        word = "pass" if (task + number) % 3 else "fail"
        text = f"```python\n{word} {task} {number}\n```" if number % 2 else f"{word} {task} {number}"
        finish = Finish.LENGTH if number == 2 else Finish.STOP
        return Completion(prompt, number, "" if number == 4 else text, finish, 3)


def _plan(model: FakeModel | None = None, n: int = 3, **changes: object) -> Plan:
    decoding = Decoding(**{name: changes.pop(name) for name in ("temperature", "seed") if name in changes})
    form = changes.pop("prompt", FORM)
    sampling = GenerationPlan("org/fake", model or FakeModel(), form, decoding, n)
    plan = Plan(
        BENCHMARK,
        sampling,
        Limits(),
        {"strict": "1", "apps": "1"},
        command="rltf eval x",
    )
    return replace(plan, **changes)


def _run(folder: Path, plan: Plan, runner: FakeGrader | None = None, **options):
    return evaluate(plan, folder, lambda: nullcontext(runner or FakeGrader()), **options)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_keeps_completions_programs_and_prompts_in_order(tmp_path):
    metrics = _run(tmp_path / "run", _plan(n=3))
    rows = _rows(tmp_path / "run" / "samples.jsonl")
    assert [(row["task_id"], row["sample_id"]) for row in rows] == [
        (f"made/{task}", number) for task in (0, 1, 3) for number in range(3)
    ]
    assert rows[1] == {
        "task_id": "made/0", "sample_id": 1, "code": "pass 0 1\n", "completion": "```python\npass 0 1\n```",
        "finish": "stop", "changed": True, "tokens": 3,
    }  # fmt: skip
    assert _rows(tmp_path / "run" / "prompts.jsonl")[1] == {
        "task_id": "made/1", "prompt": "Question 1?", "shortened": True,
    }  # fmt: skip
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == pytest.approx(2 / 3)
    assert metrics["counts"]["unscorable_problems"] == 1
    assert metrics["answers"]["changed"] == {"count": 3, "of": 9}
    assert metrics["answers"]["finish"]["counts"]["length"] == 3
    assert metrics["prompts"] == {"shortened": 1, "of": 3}
    assert not list((tmp_path / "run").glob("*journal*"))


def test_the_manifest_says_how_programs_were_sampled(tmp_path):
    _run(tmp_path / "run", _plan(n=2, seed=5))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    generation = manifest["generation"]
    assert generation["model"] == {"name": "org/fake"}
    assert (generation["temperature"], generation["top_k"], generation["seed"], generation["n"]) == (
        1,
        0,
        5,
        2,
    )
    assert (generation["prompt"], generation["extraction"]) == ("plain@1", "answer@1")
    assert generation["measured"] == {"answers": 6}
    assert manifest["identity"]["generation"].keys() == generation.keys() - {"n", "measured"}


def test_nothing_is_sampled_or_graded_twice(tmp_path):
    first = _run(tmp_path / "run", _plan())
    model, runner = FakeModel(), FakeGrader()
    assert _run(tmp_path / "run", _plan(model), runner) == first
    assert (model.asked, runner.graded) == ([], [])


def test_more_samples_later_equal_as_many_at_once(tmp_path):
    _run(tmp_path / "once", _plan(n=20))
    _run(tmp_path / "run", _plan(FakeModel(order=1), n=5))
    model, runner = FakeModel(order=2), FakeGrader()
    _run(tmp_path / "run", _plan(model, n=20), runner)
    assert len(model.asked) == len(runner.graded) == 3 * 15
    assert min(number for _, number in model.asked) == 5
    assert _bytes(tmp_path / "run") == _bytes(tmp_path / "once")
    with pytest.raises(InputError, match="holds a run of 20 samples a problem, and 5 are asked for"):
        _run(tmp_path / "run", _plan(n=5))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"model": FakeModel("org/other")}, r"generation\.model\.name was org/fake, now it is org/other"),
        ({"temperature": 0.5}, r"generation\.temperature was 1\.0, now it is 0\.5"),
        ({"seed": 1}, r"generation\.seed"),
        ({"prompt": replace(FORM, version="2")}, r"generation\.prompt was plain@1, now it is plain@2"),
        ({"prompt": replace(FORM, stop=("#",))}, r"generation\.prompt_sha256"),
        ({"prompt": replace(FORM, extraction="program")}, r"generation\.(prompt_sha256|extraction)"),
        ({"limits": Limits(cpu_seconds=1.0)}, r"limits\.cpu_seconds was 4\.0, now it is 1\.0"),
    ],
)
def test_a_run_of_another_kind_is_refused_with_the_field_that_differs(tmp_path, changed, field):
    _run(tmp_path / "run", _plan())
    with pytest.raises(InputError, match=f"other inputs: {field}"):
        _run(tmp_path / "run", _plan(**changed))


def test_a_run_whose_programs_were_read_by_an_older_rule_is_refused_by_its_name(tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setitem(RULES, FORM.extraction, replace(RULES[FORM.extraction], version="0"))
        _run(tmp_path / "run", _plan())
    with pytest.raises(InputError, match=r"generation\.extraction was answer@0, now it is answer@1"):
        _run(tmp_path / "run", _plan())


def test_a_k_beyond_the_samples_is_refused_before_the_model_is_asked(tmp_path):
    model = FakeModel()
    with pytest.raises(InputError, match="pass@5 needs 5 samples"):
        _run(tmp_path / "run", _plan(model, n=3, ks=[5]))
    assert model.asked == []


def test_a_model_that_goes_away_loses_nothing_of_what_it_gave(tmp_path):
    model, runner = FakeModel(fail_after=5), FakeGrader()
    with pytest.raises(InputError, match="went away"):
        _run(tmp_path / "run", _plan(model), runner)
    assert model.closed
    rest = FakeModel(order=3)
    _run(tmp_path / "run", _plan(rest))
    assert sorted(model.asked + rest.asked) == [(f"made/{task}", i) for task in (0, 1, 3) for i in range(3)]
    _run(tmp_path / "straight", _plan())
    assert _bytes(tmp_path / "run") == _bytes(tmp_path / "straight")


def test_a_runner_that_breaks_ends_sampling_and_loses_nothing(tmp_path):
    with pytest.raises(InfrastructureError, match="workers die"):
        _run(tmp_path / "run", _plan(n=50), FakeGrader(fail_after=2))
    runner = FakeGrader()
    _run(tmp_path / "run", _plan(n=50), runner)
    assert len(runner.graded) == 150 - 2
    _run(tmp_path / "straight", _plan(n=50))
    assert _bytes(tmp_path / "run") == _bytes(tmp_path / "straight")


def test_a_runner_that_does_not_start_lets_nothing_be_sampled(tmp_path):
    def refuse():
        raise InfrastructureError("no workers")

    model = FakeModel()
    with pytest.raises(InfrastructureError, match="no workers"):
        evaluate(_plan(model), tmp_path / "run", refuse)
    assert model.asked == []


def test_an_interrupt_ends_both_sides_and_loses_nothing(tmp_path):
    class Interrupted(FakeModel):
        def _answer(self, prompt, number):
            if len(self.asked) == 5:
                raise KeyboardInterrupt
            return super()._answer(prompt, number)

    class Stuck(FakeGrader):
        def _graded(self, job):
            assert self.cancelled.wait(60)  # a program that takes for ever
            return super()._graded(job)

    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path / "run", _plan(Interrupted()), Stuck())
    assert not [thread for thread in threading.enumerate() if thread.name == "grading"]
    model = FakeModel()
    _run(tmp_path / "run", _plan(model))
    assert len(model.asked) == 9 - 4


def test_ctrl_c_while_the_last_verdicts_are_awaited_waits_for_the_end_of_the_runner(tmp_path):
    ends = []

    class Endless(FakeGrader):
        def _graded(self, job):
            while not model.closed:
                time.sleep(0.01)
            time.sleep(0.2)  # until the main thread waits for this one
            os.kill(os.getpid(), signal.SIGINT)
            assert self.cancelled.wait(60)
            return super()._graded(job)

    @contextmanager
    def start():
        try:
            yield Endless()
        finally:
            time.sleep(0.2)  # ending processes takes its time
            ends.append("runner")

    model = FakeModel()
    with pytest.raises(KeyboardInterrupt):
        evaluate(_plan(model), tmp_path / "run", start)
    assert ends == ["runner"]


def test_a_program_is_graded_while_the_model_is_at_work(tmp_path):
    runner = FakeGrader()

    class Waits(FakeModel):
        def _answer(self, prompt, number):
            if len(self.asked) > 1:
                for _ in range(2000):
                    if runner.graded:
                        break
                    threading.Event().wait(0.005)
                assert runner.graded, "nothing was graded during sampling"
            return super()._answer(prompt, number)

    _run(tmp_path / "run", _plan(Waits()), runner)


def test_a_sampler_that_gives_too_few_is_an_error_that_names_one(tmp_path):
    class Lazy(FakeModel):
        def complete(self, requests, decoding):
            return iter(list(super().complete(requests, decoding))[1:])

    with pytest.raises(InfrastructureError, match=r"samples.jsonl lacks a row for [012] of made/[013]"):
        _run(tmp_path / "run", _plan(Lazy()))


def test_a_verdict_on_a_sample_that_was_lost_is_not_kept(tmp_path):
    """After a loss of power the outcome may be there and the sample not; another one may be made then."""
    _run(tmp_path / "run", _plan())
    samples = tmp_path / "run" / "samples.jsonl"
    samples.write_bytes(b"".join(samples.read_bytes().splitlines(keepends=True)[:-1]))
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"samples_sha256": None}))
    model, runner = FakeModel(), FakeGrader()
    _run(tmp_path / "run", _plan(model), runner)
    assert model.asked == runner.graded == [("made/3", 2)]


def test_samples_that_were_changed_by_hand_are_refused(tmp_path):
    _run(tmp_path / "run", _plan())
    samples = tmp_path / "run" / "samples.jsonl"
    samples.write_text(samples.read_text().replace("fail", "pass"))
    with pytest.raises(InputError, match=r"does not match the checksum in manifest\.json"):
        _run(tmp_path / "run", _plan())


@pytest.mark.slow
@pytest.mark.parametrize("before", [0, 1])
def test_a_kill_at_any_file_operation_changes_no_result(tmp_path, before, killed_at):
    """Of a new run, and of one that adds samples to a finished one."""
    _run(tmp_path / "straight", _plan(n=2))
    if before:
        _run(tmp_path / "finished", _plan(n=before))
    step, killed = 0, True
    while killed:
        step += 1
        folder = tmp_path / f"run-{step}"
        if before:
            shutil.copytree(tmp_path / "finished", folder)
        plan = _plan(FakeModel(order=step), n=2)
        killed = killed_at(step, folder, partial(_run, folder, plan))
        there = _sampled(folder)
        model = FakeModel()
        _run(folder, _plan(model, n=2))
        assert len(set(model.asked)) == len(model.asked) == 6 - len(there), step
        assert there.isdisjoint(model.asked)
        assert _bytes(folder) == _bytes(tmp_path / "straight"), step
        names = [sorted(path.name for path in each.iterdir()) for each in (folder, tmp_path / "straight")]
        assert names[0] == names[1], step
    assert step > 20


def _sampled(folder: Path) -> set[tuple[str, int]]:
    if not folder.exists():
        return set()
    files = SampleFiles(folder)
    return {(f"made/{task}", i) for task in (0, 1, 3) for i in (0, 1) if (f"made/{task}", i) in files}


@pytest.mark.slow
def test_a_kill_inside_any_row_of_the_journal_changes_no_result(tmp_path):
    _run(tmp_path / "straight", _plan(n=2))
    rows = (tmp_path / "straight" / "samples.jsonl").read_bytes()
    for size in range(0, len(rows) + 1, 47):
        folder = tmp_path / f"run-{size}"
        with pytest.raises(InputError):
            _run(folder, _plan(FakeModel(fail_after=0), n=2))
        (folder / "samples.journal.jsonl").write_bytes(rows[:size])
        (folder / "prompts.journal.jsonl").write_bytes((tmp_path / "straight/prompts.jsonl").read_bytes())
        model = FakeModel()
        _run(folder, _plan(model, n=2))
        assert len(model.asked) == 6 - rows[:size].count(b"\n")
        assert _bytes(folder) == _bytes(tmp_path / "straight")


def test_what_other_processes_sampled_is_merged_and_graded(tmp_path):
    """Process 1 of an earlier launch has left half of its share behind, with a torn row."""
    folder = tmp_path / "run"
    with pytest.raises(InputError):
        _run(folder, _plan(FakeModel(fail_after=0)))
    other = SampleFiles(folder, shard=1)
    sampling = _plan().programs
    requests = sampling.missing(
        BENCHMARK,
        sampling.wanted(BENCHMARK),
        other,
    )
    sampling.sample(requests[1::2], other, lambda: None)
    other.close()
    with (folder / "samples.journal-1.jsonl").open("ab") as stream:
        stream.write(b'{"task_id": "made/3", "sam')
    model, runner = FakeModel(), FakeGrader()
    _run(folder, _plan(model), runner)
    assert len(model.asked) == 6
    assert len(runner.graded) == 9
    _run(tmp_path / "straight", _plan())
    assert _bytes(folder) == _bytes(tmp_path / "straight")
    assert not list(folder.glob("*journal*"))


def test_a_process_that_an_ended_launch_left_behind_is_named(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(InputError):
        _run(folder, _plan(FakeModel(fail_after=0)))
    left = SampleFiles(folder, shard=1)
    left.samples.append_row({"task_id": "made/0", "sample_id": 0, "code": ""})
    new = SampleFiles(folder, shard=1)
    with pytest.raises(InputError, match=r"journal-1\.jsonl is in use by another rltf process"):
        new.samples.append_row({"task_id": "made/0", "sample_id": 1, "code": ""})
    left.close()


def test_one_process_needs_nobody():
    alone = Processes()
    alone.barrier()
    with alone.main_process_first():
        pass
    assert alone.leads
