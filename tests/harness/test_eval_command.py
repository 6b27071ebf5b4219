"""`rltf eval` from a checkpoint to a run folder, with the real sampler and the real runner."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rltf.cli import main

pytest.importorskip("torch")
pytest.importorskip("transformers")

ROOT = Path(__file__).parents[2]
KINDS = ("t5", "gpt2", "codegen", "gpt-neo", "llama", "qwen2")
FILES = [
    "manifest.json", "metrics.json", "outcomes.jsonl", "prompts.jsonl", "report.html", "report.md",
    "samples.jsonl",
]  # fmt: skip
MINI = ("--benchmark", "mini", "--split", "test", "--no-cache", "--workers", "1")


REAL = (("mbpp", "11,12"), ("apps", "4000,4001"))


def _eval(model: Path, folder: Path, *options: object) -> int:
    return main(["eval", str(model), "--out", str(folder), *map(str, options)])


def _rows(folder: Path, name: str = "samples.jsonl") -> list[dict]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def _generation(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())["generation"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_gets_to_a_full_run_folder(tiny_checkpoint, tmp_path, kind):
    options = ["--ids", "0,1", "--n", 2, "--max-new-tokens", 8]
    assert _eval(tiny_checkpoint(kind), tmp_path / "run", *MINI, *options) == 0
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == FILES
    assert len(_rows(tmp_path / "run")) == len(_rows(tmp_path / "run", "outcomes.jsonl")) == 4
    assert all(1 <= row["tokens"] <= 8 for row in _rows(tmp_path / "run"))
    known = _generation(tmp_path / "run")
    assert (known["temperature"], known["top_p"], known["top_k"]) == (0.8, 0.95, 0)
    assert "From answers to programs" in (tmp_path / "run" / "report.md").read_text()


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_writes_programs_for_real_problems(tiny_checkpoint, data_dir, tmp_path, kind):
    _assert_full_runs_on_real_problems(tiny_checkpoint(kind), data_dir, tmp_path)


@pytest.mark.slow
@pytest.mark.data
def test_a_t5_with_codet5s_tokenizer_writes_programs_for_real_problems(data_dir, tmp_path):
    import shutil

    from transformers import T5Config, T5ForConditionalGeneration

    model = tmp_path / "model"
    shutil.copytree(data_dir / "tokenizers" / "codet5-base", model, copy_function=shutil.copyfile)
    tiny = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}
    config = T5Config(vocab_size=32100, bos_token_id=1, eos_token_id=2, pad_token_id=0, **tiny)
    config.decoder_start_token_id = 0
    T5ForConditionalGeneration(config).save_pretrained(model)
    _assert_full_runs_on_real_problems(model, data_dir, tmp_path)


@pytest.mark.slow
@pytest.mark.data
def test_an_adapter_writes_programs_for_real_problems(tiny_checkpoint, data_dir, tmp_path):
    adapter = _adapter(tiny_checkpoint("qwen2"), tmp_path / "adapter")
    _assert_full_runs_on_real_problems(tiny_checkpoint("qwen2"), data_dir, tmp_path, "--adapter", adapter)


def _assert_full_runs_on_real_problems(model: Path, data_dir: Path, out: Path, *options: object) -> None:
    for benchmark, ids in REAL:
        folder = out / benchmark
        selection = ("--benchmark", benchmark, "--split", "test", "--ids", ids, "--data", data_dir)
        running = ("--no-cache", "--workers", 1, "--max-new-tokens", 8)
        assert _eval(model, folder, *selection, *running, *options) == 0
        assert sorted(path.name for path in folder.iterdir()) == FILES
        assert len(_rows(folder, "outcomes.jsonl")) == 2


def _adapter(model: Path, folder: Path) -> Path:
    """A LoRA adapter of `model` that changes what it writes."""
    peft = pytest.importorskip("peft")
    import transformers

    base = transformers.AutoModelForCausalLM.from_pretrained(model)
    peft.get_peft_model(base, peft.LoraConfig(init_lora_weights=False)).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_chat_model_gets_its_template_and_an_adapter_is_named(tiny_checkpoint, tmp_path):
    model = tiny_checkpoint("qwen2")
    options = ["--ids", "0", "--max-new-tokens", 4]
    assert _eval(model, tmp_path / "chat", *MINI, *options, "--chat", "on") == 0
    assert _eval(model, tmp_path / "plain", *MINI, *options, "--chat", "off") == 0
    assert _eval(model, tmp_path / "auto", *MINI, *options) == 0
    assert _generation(tmp_path / "chat")["prompt"].startswith("chat@")
    assert _generation(tmp_path / "auto")["prompt"].startswith("chat@")
    assert _generation(tmp_path / "plain")["prompt"].startswith("inference@")
    adapter = ["--adapter", _adapter(model, tmp_path / "adapter")]
    assert _eval(model, tmp_path / "adapted", *MINI, *options, *adapter) == 0
    assert _generation(tmp_path / "adapted")["model"]["adapter"]["name"] == str(tmp_path / "adapter")


SAMPLED = ("--ids", "0-3", "--n", "5", "--max-new-tokens", "12", "--seed", "3")


@pytest.fixture(scope="module")
def straight(tiny_checkpoint, tmp_path_factory):
    """A run in one go, which every other way must equal."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    assert _eval(tiny_checkpoint("gpt2"), folder, *MINI, *SAMPLED) == 0
    return folder


def _assert_same(folder: Path, straight: Path) -> None:
    for name in ("samples.jsonl", "prompts.jsonl", "metrics.json"):
        assert (folder / name).read_bytes() == (straight / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 8, 32])
def test_the_size_of_batches_changes_no_sample(tiny_checkpoint, tmp_path, straight, size):
    assert _eval(tiny_checkpoint("gpt2"), tmp_path / "run", *MINI, *SAMPLED, "--batch-size", size) == 0
    _assert_same(tmp_path / "run", straight)


@pytest.mark.slow
def test_samples_that_are_added_later_are_the_same(tiny_checkpoint, tmp_path, straight):
    model, folder = tiny_checkpoint("gpt2"), tmp_path / "run"
    # Written out: one sample without a word on sampling would be greedy, and refused to be mixed.
    drawn = ["--temperature", 0.8, "--top-p", 0.95]
    assert _eval(model, folder, *MINI, *SAMPLED, "--n", 1, *drawn) == 0
    assert _eval(tiny_checkpoint("gpt2"), tmp_path / "run", *MINI, *SAMPLED) == 0
    _assert_same(tmp_path / "run", straight)


def _command(model: Path, folder: Path) -> list[str]:
    return ["rltf", "eval", str(model), *MINI, *SAMPLED, "--out", str(folder)]


@pytest.mark.slow
def test_two_processes_make_the_same_run(tiny_checkpoint, tmp_path, straight):
    pytest.importorskip("accelerate")
    model, folder = tiny_checkpoint("gpt2"), tmp_path / "run"
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m"]
    done = subprocess.run(
        [sys.executable, "-m", *launch, *_command(model, folder)],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "sampled 10 of 10 (a share of 1/2)" in done.stderr
    assert "graded 20 of 20" in done.stderr
    assert done.stdout.count("Report: ") == 1
    assert sorted(path.name for path in folder.iterdir()) == FILES
    _assert_same(folder, straight)


@pytest.mark.slow
@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_goes_on_and_ends_the_same(tiny_checkpoint, tmp_path, straight, started, death):
    model, folder = tiny_checkpoint("gpt2"), tmp_path / "run"
    command = [sys.executable, "-m", *_command(model, folder), "--batch-size", "1"]
    process = started(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    journal = folder / "samples.journal.jsonl"
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 2):
        time.sleep(0.002)
    process.send_signal(death)
    _, said = process.communicate(timeout=120)
    assert journal.exists(), said  # still in the middle, or nothing was shown
    if death is signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted; what was sampled and graded is kept in" in said
        assert "Traceback" not in said
    assert _eval(model, folder, *MINI, *SAMPLED) == 0
    _assert_same(folder, straight)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "rltf"], "unknown preset 'rltf'; available: rltf-apps"),
        (["--greedy", "--temperature", "0.5"], "--greedy has no use for --temperature"),
        (["--greedy", "--n", "3"], "3 greedy samples of a problem are all the same"),
        (["--top-p", "1.5"], "top_p must be in (0, 1], got 1.5"),
        (["--n", "2", "--k", "5"], "pass@5 needs 5 samples of every problem; pass --n 5"),
        (["--format", "austin-3shot"], "mini has no prompt format 'austin-3shot'; available: inference"),
        (["--api-model", "x"], "--api-model is for a server: pass --base-url too"),
        (["--base-url", "http://127.0.0.1:9", "--dtype", "float32"], "--dtype is for a local checkpoint"),
    ],
)
def test_a_contradiction_is_one_line_before_a_model_is_loaded(tmp_path, capsys, options, message):
    assert _eval(tmp_path / "no-model", tmp_path / "run", *MINI, *options) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"rltf: error: {message}")
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_model_that_cannot_be_had_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    for model in (tmp_path / "empty", "nobody/no-such-model"):
        assert main(["eval", str(model), *MINI, "--out", str(tmp_path / "run")]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"rltf: error: {model}: ")
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_prompt_that_is_too_long_is_shortened_and_said_to_be(tiny_checkpoint, tmp_path):
    model = tiny_checkpoint("gpt2", n_positions=100)
    assert _eval(model, tmp_path / "run", *MINI, "--ids", "0", "--max-new-tokens", 8) == 0
    (row,) = _rows(tmp_path / "run", "prompts.jsonl")
    assert row["shortened"]
    assert row["prompt"].endswith("\nANSWER:\n")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["prompts"] == {"shortened": 1, "of": 1}


@pytest.mark.slow
def test_a_context_that_holds_no_prompt_is_one_line_that_names_the_problem(tiny_checkpoint, tmp_path, capsys):
    model = tiny_checkpoint("gpt2", n_positions=20)
    assert _eval(model, tmp_path / "run", *MINI, "--ids", "0") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("rltf: error: mini/test/0: ")


def test_a_server_that_is_away_is_one_line(tmp_path, capsys):
    pytest.importorskip("openai")
    away = ["--base-url", "http://127.0.0.1:9/v1", "--ids", "0"]
    assert _eval(Path("any"), tmp_path / "run", *MINI, *away) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "127.0.0.1:9" in error
    assert not (tmp_path / "run").exists()
