"""A GGUF file as a model: unpacked, it is one like any other, to be trained and saved."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("gguf")

import torch
from checkpoints import make_gguf

from harness.models.hf.checkpoint_files import source_of
from harness.models.hf.loading import load

TEXT = "x\n    12.5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One with two GGUF files in it."""
    folder = tmp_path_factory.mktemp("gguf")
    shutil.copy(make_gguf(folder / "one.gguf"), folder / "other.gguf")
    return folder


@pytest.mark.slow
def test_the_model_of_a_gguf_file_is_saved_as_a_plain_checkpoint_that_reads_prompts_as_before(
    folder, tmp_path
):
    found = load(str(folder / "one.gguf"))
    found.model.save_pretrained(tmp_path)
    found.tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    again = load(str(tmp_path))
    weights, loaded = found.model.state_dict(), again.model.state_dict()
    assert weights.keys() == loaded.keys()
    assert all(torch.equal(weights[name], loaded[name]) for name in weights)
    assert again.tokenizer.chat_template == found.tokenizer.chat_template
    assert again.tokenizer(TEXT).input_ids == found.tokenizer(TEXT).input_ids
    assert again.tokenizer.tokenize(TEXT)[-4:] == ["1", "2", ".", "5"]


@pytest.mark.slow
def test_an_adapter_of_a_gguf_file_names_the_file_that_it_was_trained_on(folder, tmp_path):
    peft = pytest.importorskip("peft")
    settings = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"])
    peft.get_peft_model(load(str(folder / "one.gguf")).model, settings).save_pretrained(tmp_path)
    found = source_of(str(tmp_path))
    assert (Path(found.model), found.gguf_file) == (folder, "one.gguf")
