"""`rltf critic`: from graded programs of a run to a critic's folder that training reads; on tiny models."""

import json
from functools import cache
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from trainers import WITHOUT_DROPOUT  # noqa: E402

from benchmarks.mini import load as load_mini  # noqa: E402
from harness.errors import InputError  # noqa: E402
from harness.models.hf.loading import load  # noqa: E402
from harness.prompts import find_format  # noqa: E402
from harness.run_store.records import outcome_row  # noqa: E402
from harness.types import ErrorInfo, Outcome, Status, TestOutcome  # noqa: E402
from rltf.build import make_trainer  # noqa: E402
from rltf.cli import main  # noqa: E402
from rltf.critic.files import load_critic  # noqa: E402
from rltf.critic_training.config import make_critic_config  # noqa: E402
from rltf.critic_training.labelled import Labelling  # noqa: E402
from rltf.data.batch import Tokens  # noqa: E402
from rltf.options.parse import make_config  # noqa: E402

STATUSES = (Status.SYNTAX_ERROR, Status.RUNTIME_ERROR, Status.WRONG_ANSWER, Status.PASSED)
TEXTS = ("def (", "raise x", "print(1)", "print(int(input()) + 7)")


@cache
def benchmark():
    """Made when a test needs it, since that takes half a second."""
    return load_mini(split="train")


def problems():
    return benchmark().problems[:10]


def ids():
    return [problem.task_id.rsplit("/", 1)[1] for problem in problems()]


@pytest.fixture
def graded(tmp_path):
    """A folder of graded programs, four classes for each of ten problems, and one that was not graded."""
    folder = tmp_path / "graded"
    folder.mkdir()
    rows, outcomes = [], []
    for problem in problems():
        for number, (status, code) in enumerate(zip(STATUSES, TEXTS, strict=True)):
            error = ErrorInfo("NameError", "x", 1) if number < 2 else None
            tests = (TestOutcome({"strict": status}, error),)
            outcomes.append(Outcome(problem.task_id, number, {"strict": status}, tests, error))
            rows.append({"task_id": problem.task_id, "sample_id": number, "code": code})
    lost = {"strict": Status.LOST}
    outcomes.append(
        Outcome(
            problems()[0].task_id, 9, lost, (TestOutcome(lost, None),), None, infrastructure_error="killed"
        )
    )
    rows.append({"task_id": problems()[0].task_id, "sample_id": 9, "code": "1", "finish": "length"})
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "outcomes.jsonl").write_text("".join(json.dumps(outcome_row(each)) + "\n" for each in outcomes))
    return folder


def run(checkpoint, samples, out, *settings, steps=60):
    torch.set_num_threads(1)
    given = ["learning_rate=3e-3", "max_new_tokens=16", "max_prompt_tokens=64", "use_cpu=true", *settings]
    return main(
        ["critic", "--model", str(checkpoint), "--benchmark", "mini", "--ids", *ids(), "--samples",
         str(samples), "--out", str(out), "--steps", str(steps), "--seed", "0", "--set", *given]
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_a_critic_learns_the_classes_of_programs_and_is_held_to_a_constant_guess(
    tiny_checkpoint, graded, tmp_path, capsys, kind
):
    checkpoint, out = tiny_checkpoint(kind, **WITHOUT_DROPOUT[kind]), tmp_path / "critic"
    assert run(checkpoint, graded, out, "validation_share=0.2", "critic_pooling=last", steps=120) == 0
    shown = capsys.readouterr()
    record = json.loads((out / "critic.json").read_text())
    found = record["validation"]
    assert (found["programs"], found["constant_guess"]) == (8, 0.25)
    assert found["accuracy"] >= 0.75  # four texts, one for each class
    assert set(found["per_class"]) == {"syntax_error", "error", "failure", "passed"}
    assert record["references"] == record["programs"] - 32 > 0
    assert "always the commonest class: 25.0 %" in shown.out
    assert "1 left out" in shown.err
    tokenizer = load(str(checkpoint), device="cpu").tokenizer
    assert load_critic(str(out), tokenizer, pad_id=0, device="cpu").reading.pooling == "last"
    assert not out.with_name("critic.tmp").exists()


def labelling(checkpoint, *settings):
    loaded = load(str(checkpoint), device="cpu")
    tokens = Tokens(loaded.model, loaded.tokenizer, max_prompt_tokens=64, max_target_tokens=64)
    config = make_critic_config(["use_cpu=true", *settings], output_dir="unused")
    return Labelling(benchmark(), find_format(benchmark()), tokens, config)


def test_no_problem_is_both_learned_and_validated_and_references_pass(tiny_checkpoint, graded):
    data = labelling(tiny_checkpoint("gpt2"), "validation_share=0.3").data([graded])
    prompts = {tuple(each.prompt) for each in data.training}, {tuple(each.prompt) for each in data.validation}
    assert not prompts[0] & prompts[1]
    assert (data.sampled, len(data.validation), data.left_out) == (28, 12, 1)
    assert {each.label for each in data.training[data.sampled :]} == {3}


@pytest.mark.parametrize(("share", "count"), [("0", 0), ("0.25", 7), ("none", None)])
def test_there_are_as_many_references_as_asked_for(tiny_checkpoint, graded, share, count):
    data = labelling(tiny_checkpoint("gpt2"), "validation_share=0.3", f"references={share}").data([graded])
    known = {tuple(each.prompt) for each in data.training[: data.sampled]}
    everything = sum(len(problem.solutions) for problem in problems()) * len(known) // len(problems())
    assert len(data.training) - data.sampled == (everything if count is None else min(count, everything))


def test_two_classes_are_pass_or_not(tiny_checkpoint, graded):
    data = labelling(tiny_checkpoint("gpt2"), "critic_classes=2", "validation_share=0").data([graded])
    assert [each.label for each in data.training[:4]] == [0, 0, 0, 1]
    assert not data.validation


@pytest.mark.slow
def test_programs_of_a_training_run_are_read_as_they_were_sampled(
    tiny_checkpoint, tmp_path, length_grader, small_settings
):
    torch.set_num_threads(1)
    checkpoint = tiny_checkpoint("gpt2", **WITHOUT_DROPOUT["gpt2"])
    loaded = load(str(checkpoint), device="cpu")
    fixed = {"output_dir": str(tmp_path / "run"), "use_cpu": True, "max_steps": 3, "disable_tqdm": True}
    config = make_config(None, small_settings, **fixed)
    trainer = make_trainer(
        loaded.model, loaded.tokenizer, config, benchmark(), rewarding=problems(), grader=length_grader
    )
    trainer.train()
    data = labelling(checkpoint, "validation_share=0", "references=0").data([Path(config.output_dir)])
    held = trainer._stream.buffer._view()
    assert [tuple(each.program) for each in data.training] == [each.token_ids for each in held]
    order = ("syntax_error", "error", "failure", "passed")
    assert [order[each.label] for each in data.training] == [each.feedback.category for each in held]


@pytest.mark.slow
def test_what_cannot_be_trained_is_refused_in_a_line(tiny_checkpoint, graded, tmp_path, capsys):
    checkpoint = tiny_checkpoint("gpt2")
    assert run(checkpoint, tmp_path / "nothing", tmp_path / "a") == 2
    assert "holds no graded programs" in capsys.readouterr().err
    assert run(checkpoint, graded, tmp_path / "a", "references=-1") == 2
    assert "references must be at least 0" in capsys.readouterr().err
    assert run(checkpoint, graded, tmp_path / "a", "poling=last") == 2
    assert "unknown option 'poling'" in capsys.readouterr().err
    assert run(checkpoint, graded, graded) == 2
    assert "is not empty; choose another --out" in capsys.readouterr().err
    with pytest.raises(InputError, match="critic_classes must be one of 4, 2"):
        make_critic_config(["critic_classes=3"], output_dir="unused")
