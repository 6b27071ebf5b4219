"""`rltf train` from the command line: the whole path, a kill in the middle, and bad input."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from checkpoints import make_gguf

from harness.extraction import RULES
from harness.models.hf.loading import load
from harness.run_store.finished_run import read_run
from rltf.cli import main
from rltf.run import checkpoints

SETTINGS = (
    "train_problems=12", "buffer_size=24", "buffer_fill=12", "refresh_every=2", "samples_per_problem=4",
    "max_new_tokens=8", "max_prompt_tokens=48", "per_device_train_batch_size=4", "logging_steps=1",
    "save_steps=2", "use_cpu=true", "cpu_seconds=0.5", "learning_rate=1e-3", "warmup_steps=0",
)  # fmt: skip


def arguments(out: Path, model: Path, *more: str) -> list[str]:
    return [
        "train", "--out", str(out), "--model", str(model), "--benchmark", "mini", "--steps", "5",
        "--no-cache", "--workers", "1", "--eval-size", "3", "--seed", "1", "--set", *SETTINGS, *more,
    ]  # fmt: skip


def weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def straight(tiny_checkpoint, tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    import torch

    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("train") / "straight"
    assert main(arguments(out, tiny_checkpoint("gpt2"), "--eval-every", "2", "--eval-every-on", "2")) == 0
    return out


@pytest.mark.slow
def test_training_ends_with_a_comparison_of_ordinary_run_folders(straight):
    comparison = json.loads((straight / "comparison.json").read_bytes())
    found = comparison["mini"]
    for when in ("before", "after"):
        run = read_run(straight / "eval" / when / "mini")
        assert found[when]["pass@1"] == run.score("strict", "all", "pass@1")
    assert {"value", "low", "high"} <= found["difference"]["pass@1"].keys()
    assert sum(share["after"] for share in found["outcomes"].values()) == pytest.approx(1)
    page = (straight / "report.html").read_text()
    assert "Paired difference" in page
    assert "Training" in page
    assert all(f"{term} loss" in page for term in ("supervised", "coarse", "fine", "adaptive"))


@pytest.mark.slow
def test_evaluations_in_between_are_run_folders_and_lines_of_the_log(straight):
    rows = [json.loads(line) for line in (straight / "metrics.jsonl").read_text().splitlines()]
    evaluated = [row["step"] for row in rows if "eval/mini/pass@1" in row]
    assert evaluated == [2, 4]
    assert read_run(straight / "eval" / "step-000004" / "mini").metrics["counts"]["problems"] == 2
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4, 5]
    pages = {path.parts[-3] for path in straight.glob("eval/*/mini/report.html")}
    assert pages == {"before", "after"}  # a page has up to 16 MiB
    assert (straight / "eval" / "step-000004" / "mini" / "report.md").exists()


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_weights(straight, tiny_checkpoint, tmp_path):
    command = arguments(tmp_path / "run", tiny_checkpoint("gpt2"))
    process = subprocess.Popen(
        [sys.executable, "-m", "rltf", *command],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("step 3/5"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    newest = checkpoints.newest(tmp_path / "run")
    assert newest is not None, "".join(said)
    assert newest.name == "checkpoint-2"
    assert main([*command, "--resume"]) == 0
    assert weights(tmp_path / "run") == weights(straight)
    assert (tmp_path / "run" / "comparison.json").exists()


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again(straight, tiny_checkpoint, capsys):
    before = weights(straight), (straight / "comparison.json").read_bytes()
    again = arguments(
        straight, tiny_checkpoint("gpt2"), "--eval-every", "2", "--eval-every-on", "2", "--resume"
    )
    assert main(again) == 0
    assert "step 5/5" not in capsys.readouterr().err
    assert (weights(straight), (straight / "comparison.json").read_bytes()) == before


@pytest.mark.slow
def test_a_gguf_file_is_trained_and_becomes_a_checkpoint_of_floats(tmp_path):
    pytest.importorskip("gguf")
    import torch

    start, out = make_gguf(tmp_path / "start.gguf"), tmp_path / "run"
    assert main([*arguments(out, start, "max_prompt_tokens=512"), "--method", "sft", "--steps", "1"]) == 0
    before, after = (load(str(each)).model.state_dict() for each in (start, out / "model"))
    assert (out / "model" / "model.safetensors").exists()
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--method", "pgo"], "unknown method 'pgo'; available: rltf, sft"),
        (["--preset", "papier"], "unknown preset 'papier'; available: paper, released, "),
        (["--split", "test"], "the test split of mini is for evaluation"),
        (["--benchmark", "mbbp"], "unknown benchmark 'mbbp'"),
        (["--ids", "9999999"], "mini has no '9999999'"),
        (["--model", "/no/such/model"], "/no/such/model"),
        (["--set", "buffer_size=400", "buffer_fill=400"], "12 problems with 4 programs each give 48"),
        (["--set", "train_problems=0"], "train_problems must be at least 1, got 0"),
        (["--set", "bf16=maybe"], "bf16 must be true or false"),
        (["--set", "cpu_seconds=-1"], "cpu_seconds must be above 0"),
        (["--set", "profile=foo"], "unknown profile 'foo'; available: strict, apps"),
        (["--set", "rl_share=1.5"], "rl_share must be at least 0 and at most 1"),
        (["--set", "prompt_format=foo"], "'foo'"),
        (["--set", "sl_prompt_format=foo"], "'foo'"),
        (["--set", "optim=adamm"], "optim must be one of"),
        (["--warm", "lora_rank=-3"], "lora_rank must be at least 0"),
        (["--set", "fsdp=full_shard"], "start with accelerate launch"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--report-to", "nobody"], "report_to=nobody: not known or not installed"),
        (["--set", "baseline=best"], "baseline must be one of historical_best"),
        (["--set", "nonsense"], "write name=value"),
        (["--eval", "mini", "mini"], "names a benchmark twice"),
        (["--eval-preset", "papier"], "unknown preset 'papier'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_room_for_the_right_one(
    more, message, tiny_checkpoint, tmp_path, capsys
):
    assert main(arguments(tmp_path / "run", tiny_checkpoint("gpt2"), *more)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rltf: error")]
    assert len(lines) == 1
    assert message in lines[0]
    left = [path.name for path in (tmp_path / "run").iterdir()] if (tmp_path / "run").exists() else []
    assert left in ([], ["training.json"])  # which the next command may overwrite


@pytest.mark.slow
def test_an_encoder_is_refused(tmp_path, capsys):
    from transformers import BertConfig

    BertConfig().save_pretrained(tmp_path / "bert")
    assert main(arguments(tmp_path / "run", tmp_path / "bert")) == 2
    assert "is an encoder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_folder_with_another_run_is_refused_with_what_differs(straight, tiny_checkpoint, capsys):
    command = arguments(straight, tiny_checkpoint("gpt2"))
    assert main(command) == 2
    assert "pass --resume to go on" in capsys.readouterr().err
    assert main([*command, "--resume", "--seed", "2"]) == 2
    assert "options.seed was 1, now it is 2" in capsys.readouterr().err


@pytest.mark.slow
def test_a_training_whose_programs_were_read_by_another_rule_is_refused_by_its_name(
    straight, tiny_checkpoint, capsys, monkeypatch
):
    monkeypatch.setitem(RULES, "answer", replace(RULES["answer"], version="0"))
    assert main([*arguments(straight, tiny_checkpoint("gpt2")), "--resume"]) == 2
    assert "extraction was answer@1, now it is answer@0" in capsys.readouterr().err


def test_a_model_is_needed_unless_the_preset_makes_one(tmp_path, capsys):
    assert (
        main(["train", "--out", str(tmp_path), "--preset", "paper", "--benchmark", "mini", "--steps", "1"])
        == 2
    )
    assert "or a preset that makes one: mini, mini-quick" in capsys.readouterr().err
