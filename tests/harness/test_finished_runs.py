"""A run that is finished is found by what its model is: no weights are loaded, no prompt is made."""

import json
from pathlib import Path

import pytest

from harness.errors import InputError
from rltf.cli import main

pytest.importorskip("torch")
pytest.importorskip("transformers")

MINI = ("--benchmark", "mini", "--ids", "0", "--no-cache", "--workers", "1", "--max-new-tokens", "4")


def evaluate(model: Path, folder: Path, *options: object) -> int:
    return main(["eval", str(model), "--out", str(folder), *MINI, *map(str, options)])


@pytest.fixture
def without_weights(monkeypatch):
    """From here on no weights can be loaded."""

    def forbid():
        from transformers import PreTrainedModel

        def refuse(*args, **kwargs):
            raise AssertionError("weights were loaded")

        monkeypatch.setattr(PreTrainedModel, "from_pretrained", refuse)

    return forbid


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["t5", "qwen2"])
def test_a_finished_run_is_shown_without_its_weights(
    tiny_checkpoint, tmp_path, without_weights, capsys, kind
):
    folder = tmp_path / "run"
    assert evaluate(tiny_checkpoint(kind), folder) == 0
    first, shown = (folder / "metrics.json").read_bytes(), capsys.readouterr().out
    without_weights()
    assert evaluate(tiny_checkpoint(kind), folder) == 0
    assert (folder / "metrics.json").read_bytes() == first
    assert capsys.readouterr().out == shown


@pytest.mark.slow
def test_more_samples_or_other_settings_are_told_from_a_finished_run(
    tiny_checkpoint, tmp_path, without_weights, capsys
):
    model, folder = tiny_checkpoint("llama"), tmp_path / "run"
    assert evaluate(model, folder) == 0
    without_weights()
    assert evaluate(model, folder, "--stop", "x") == 2  # another run, which needs no weights to be told
    assert "stop" in capsys.readouterr().err
    assert evaluate(model, tmp_path / "other") == 2
    assert "weights were loaded" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_what_a_config_says_of_a_model_is_what_is_loaded(tiny_checkpoint):
    from harness.models.hf.deferred import DeferredSampler

    for kind in ("t5", "gpt2", "codegen", "gpt-neo", "llama", "qwen2"):
        for dtype in ("auto", "bfloat16"):
            sampler = DeferredSampler(str(tiny_checkpoint(kind)), dtype=dtype)
            told, choice = dict(sampler.describe()), sampler.chat_choice()
            loaded = dict(sampler.load().describe())
            loaded.pop("measured")
            assert (told, choice) == (loaded, sampler.chat_choice())
            assert json.dumps(told)


@pytest.mark.slow
def test_a_config_that_says_what_the_weights_are_not_is_refused(tiny_checkpoint, monkeypatch):
    from harness.models.hf import deferred

    sampler = deferred.DeferredSampler(str(tiny_checkpoint("gpt2")))
    monkeypatch.setitem(sampler._settled, "architecture", "Another")
    with pytest.raises(InputError, match=r"by its config its architecture is Another, .* GPT2LMHeadModel"):
        sampler.load()
