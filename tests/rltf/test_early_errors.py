"""What a command will need and cannot have is said before it loads a model, reads data or grades."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from harness.models.hf import deferred
from harness.models.presets import settings
from harness.prompts import find_format
from harness.types import Benchmark
from rltf import build
from rltf.cli import main
from rltf.evaluation import evaluations


@pytest.fixture(scope="module")
def broken(tiny_checkpoint, tmp_path_factory):
    """`broken(name)`: a checkpoint without its files of this beginning."""

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp("broken") / name
        without = shutil.ignore_patterns(f"{name}*")
        return Path(shutil.copytree(tiny_checkpoint("gpt2"), folder, ignore=without))

    return make


def errors(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("rltf: error")]


def train(out: Path, model: Path | str, *more: str) -> list[str]:
    return [
        "train", "--out", str(out), "--model", str(model), "--benchmark", "mini", "--steps", "1",
        "--set", "use_cpu=true", *more,
    ]  # fmt: skip


@pytest.fixture
def no_data(monkeypatch):
    """To read a benchmark's data fails the test."""
    monkeypatch.setattr("harness.registry.load_benchmark", lambda *_, **__: pytest.fail("read data"))


@pytest.mark.slow
@pytest.mark.usefixtures("no_data")
def test_a_training_looks_for_its_models_before_it_reads_data(tiny_checkpoint, broken, tmp_path, capsys):
    out, model = tmp_path / "run", tiny_checkpoint("gpt2")
    critic = ("--method", "coderl", "--set", "critic=frozen")
    for command, message in (
        (train(out, "/no/such"), "/no/such: no such folder"),
        (train(out, broken("model")), "holds no weights"),
        (train(out, broken("tokenizer")), "no tokenizer"),
        (train(out, broken("config")), "broken"),
        (train(out, "/no/such", "--method", "sft"), "/no/such: no such folder"),
        (train(out, "/no/such", "--warm", "max_steps=1"), "/no/such: no such folder"),
        (train(out, model, *critic, "critic_model=/no/critic"), "/no/critic: no such folder"),
        (train(out, model, "--eval", "mimi"), "unknown benchmark 'mimi'"),
    ):
        assert main(command) == 2
        (line,) = errors(capsys)
        assert message in line
        assert not out.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("no_data")
def test_a_training_looks_where_its_results_go_before_it_reads_data(
    tiny_checkpoint, tmp_path, capsys, monkeypatch
):
    model, file = tiny_checkpoint("gpt2"), tmp_path / "file"
    file.touch()
    monkeypatch.setattr("harness.cluster.connection.import_ray", lambda: NoRay)
    for command, message in (
        (train(file, model), f"{file} cannot be written: "),
        (train(file / "in", model), f"{file / 'in'} cannot be written: "),
        (train(tmp_path / "run", model, "--cache", str(file)), "not usable as a verdict cache"),
        (train(tmp_path / "run", model, "--ray", "127.0.0.1:9"), "nothing answers there"),
    ):
        assert main(command) == 2
        (line,) = errors(capsys)
        assert message in line
        assert not (tmp_path / "run").exists()


class NoRay:
    """In place of the package, which is not connected."""

    @staticmethod
    def is_initialized():
        return False


@pytest.mark.slow
@pytest.mark.usefixtures("no_data")
def test_lora_without_peft_is_said_before_data_is_read(tiny_checkpoint, tmp_path, capsys, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("harness.models.hf.adapters.import_module", missing)
    assert main(train(tmp_path / "run", tiny_checkpoint("gpt2"), "lora_rank=4")) == 2
    assert "lora_rank needs the package peft" in errors(capsys)[0]


@pytest.mark.slow
def test_a_buffer_that_all_problems_cannot_fill_is_said_before_a_grader_starts(
    tiny_checkpoint, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("rltf.train._runner", lambda _: pytest.fail("started a grader"))
    options = ("train_problems=5", "samples_per_problem=2", "buffer_fill=11", "buffer_size=20")
    assert main(train(tmp_path / "run", tiny_checkpoint("gpt2"), *options)) == 2
    assert "5 problems with 2 programs each give 10" in errors(capsys)[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_papers_format_that_a_benchmark_lacks_is_said_before_a_grader_starts(
    tiny_checkpoint, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("rltf.train._runner", lambda _: pytest.fail("started a grader"))
    few = ("train_problems=5", "samples_per_problem=2", "buffer_fill=4", "buffer_size=8")
    assert main(train(tmp_path / "run", tiny_checkpoint("gpt2"), *few, "--eval-preset", "austin-mbpp")) == 2
    assert "mini has no prompt format 'austin-3shot'" in errors(capsys)[0]


def test_a_benchmark_that_lacks_the_trainings_own_format_is_asked_as_suits_the_model(monkeypatch):
    asked = []
    monkeypatch.setattr(evaluations, "format_of_model", lambda *_, name: asked.append(name))
    for name in ("training", "inference"):  # mini has both, a file of rows neither
        given = settings(None, {"format": name})
        of_training = evaluations.Evaluations(
            Path(), (), given, runner=None, model_name="", progress=None, prompt_format=name
        )
        for benchmark in (BARE, replace(BARE, prompts={name: find_format(BARE)})):
            of_training._format(benchmark, None, None)
    assert asked == [None, "training", None, "inference"]


BARE = Benchmark("bare", "test", "1", [], dataset_hash="", source="")


@pytest.mark.slow
def test_weights_that_are_cut_apart_are_said_before_a_grader_starts(
    tiny_checkpoint, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("rltf.train._runner", lambda _: pytest.fail("started a grader"))
    monkeypatch.setattr("rltf.config.RLTFConfig.cuts_weights", True)
    few = ("train_problems=5", "samples_per_problem=2", "buffer_fill=4", "buffer_size=8")
    model = tiny_checkpoint("gpt2")
    assert main(train(tmp_path / "run", model, *few)) == 2
    assert "programs cannot be sampled from weights that are cut apart" in errors(capsys)[0]
    assert main(train(tmp_path / "run", model, "--method", "sft", "--eval-every", "1")) == 2
    assert "there is no evaluation in between" in errors(capsys)[0]


@pytest.mark.slow
def test_an_evaluation_looks_where_its_results_go_before_it_loads_weights(
    tiny_checkpoint, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(deferred.DeferredSampler, "load", lambda _: pytest.fail("loaded weights"))
    monkeypatch.setattr("harness.cluster.connection.import_ray", lambda: NoRay)
    file = tmp_path / "file"
    file.touch()
    command = ["eval", str(tiny_checkpoint("gpt2")), "--benchmark", "mini", "--ids", "0-1", "--out"]
    for more, message in (
        ([str(file)], f"{file} cannot be written: "),
        ([str(tmp_path / "run"), "--cache", str(file)], "not usable as a verdict cache"),
        ([str(tmp_path / "run"), "--ray", "127.0.0.1:9"], "nothing answers there"),
    ):
        assert main([*command, *more]) == 2
        (line,) = errors(capsys)
        assert message in line
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_critic_looks_for_its_programs_before_it_loads_its_model(tmp_path, capsys):
    command = ["critic", "--model", "/no/such", "--benchmark", "mini", "--samples", str(tmp_path / "none")]
    assert main([*command, "--out", str(tmp_path / "critic"), "--set", "use_cpu=true"]) == 2
    assert "holds no graded programs" in errors(capsys)[0]


def test_a_model_that_is_made_on_the_spot_is_not_looked_for(monkeypatch):
    from rltf.options.parse import make_config

    monkeypatch.setattr(build, "check", lambda *_, **__: pytest.fail("looked for a model"))
    build.check_models(None, make_config("mini-quick", output_dir="x", use_cpu=True))
