"""Checkpoints from folders and the hub: what is loaded, what is refused, and in which words."""

import json
import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from harness.errors import InputError
from harness.models.base import Decoding, Request
from harness.models.hf.loading import load, load_tokenizer
from harness.models.hf.sampler import LocalSampler
from harness.prompts import Prompt
from harness.types import Piece, PromptFormat

PLAIN = PromptFormat("plain", "1", lambda problem: (), "made here")
REQUEST = Request(Prompt("t/0", (Piece("def add(a, b):"),), PLAIN), (0, 1))


def texts(sampler):
    return {each.sample_id: each.text for each in sampler.complete([REQUEST], Decoding(max_new_tokens=9))}


def test_a_description_names_the_content_and_not_only_the_folder(tiny_checkpoint, tmp_path):
    copy = shutil.copytree(tiny_checkpoint("gpt2"), tmp_path / "copy")
    (copy / "optimizer.pt").write_bytes(b"of a trainer")
    one, other = (load(str(folder)).description for folder in (tiny_checkpoint("gpt2"), copy))
    assert one["sha256"] == other["sha256"]
    assert load(str(tiny_checkpoint("gpt2", seed=1))).description["sha256"] != one["sha256"]


def test_a_description_names_the_hubs_commit(tiny_checkpoint, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "models--some--model"
    shutil.copytree(tiny_checkpoint("gpt2"), kept / "snapshots" / commit)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    for name, value in {"HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": True}.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    assert load("some/model").description == {"name": "some/model", "revision": None, "commit": commit}


def test_a_cpu_gets_float32_and_what_is_asked_for(tiny_checkpoint, tmp_path):
    half = load(str(tiny_checkpoint("llama")), dtype="bfloat16", device="cpu").model
    assert half.dtype is torch.bfloat16
    half.save_pretrained(tmp_path)
    load_tokenizer(str(tiny_checkpoint("llama"))).save_pretrained(tmp_path)
    found = load(str(tmp_path), device="cpu").model
    assert found.dtype is torch.float32
    assert not found.training
    with pytest.raises(InputError, match="unknown dtype 'int3'; available: auto, float32"):
        load(str(tmp_path), dtype="int3")


def test_an_encoder_is_refused(tmp_path, tiny_checkpoint):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.RobertaForMaskedLM(transformers.RobertaConfig(**sizes)).save_pretrained(tmp_path)
    load_tokenizer(str(tiny_checkpoint("t5"))).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"is an encoder \(roberta\)"):
        load(str(tmp_path))


def test_a_checkpoint_without_the_head_that_predicts_words_is_refused(tmp_path, tiny_checkpoint):
    folder = tiny_checkpoint("llama")
    transformers.LlamaModel.from_pretrained(folder).save_pretrained(tmp_path)
    load_tokenizer(str(folder)).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"not in the checkpoint \(lm_head.weight\): it has no head"):
        load(str(tmp_path))


def test_an_unknown_name_and_a_folder_without_a_model_are_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"^nobody/nothing: no such folder, and the hub .*HF_TOKEN") as found:
        load("nobody/nothing")
    assert "\n" not in str(found.value)
    with pytest.raises(InputError, match="not a checkpoint that can be loaded") as found:
        load(str(tmp_path))
    assert "\n" not in str(found.value)


def test_code_that_a_checkpoint_brings_along_is_not_run_unless_asked(tmp_path):
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(InputError, match=r"brings code of its own; .* --trust-remote-code"):
        load(str(tmp_path))


def test_a_tokenizer_whose_additional_tokens_are_unmarked_tables_is_read(tmp_path, tiny_checkpoint):
    """As in CodeT5's files, over which transformers 5 stops with a TypeError."""
    plain = load_tokenizer(str(tiny_checkpoint("gpt2")))
    model = json.loads(plain.backend_tokenizer.to_str())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}')
    extra = {"content": "<extra_id_0>", "single_word": False, "lstrip": True, "rstrip": False}
    table = {"eos_token": "<|endoftext|>", "additional_special_tokens": [extra | {"normalized": True}]}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(table))
    with pytest.raises(TypeError):
        transformers.AutoTokenizer.from_pretrained(tmp_path)
    found = load_tokenizer(str(tmp_path))
    assert found.decode(found("a <extra_id_0>b").input_ids, skip_special_tokens=True) == "ab"


@pytest.mark.data
def test_codet5s_tokenizer_is_read_and_knows_its_special_tokens(data_dir):
    found = load_tokenizer(str(data_dir / "tokenizers" / "codet5-base"))
    assert (found.pad_token_id, found.bos_token_id, found.eos_token_id) == (0, 1, 2)
    ids = found("def f(x):\n\treturn 1").input_ids
    assert (ids[0], ids[-1]) == (1, 2)
    assert found.decode(ids, skip_special_tokens=True) == "def f(x):\n\treturn 1"
    assert found.convert_tokens_to_ids("<extra_id_0>") == 32099


def test_an_adapter_changes_what_is_written(tiny_checkpoint, tmp_path):
    peft = pytest.importorskip("peft")
    base = str(tiny_checkpoint("gpt2"))
    settings = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["c_attn"], fan_in_fan_out=True)
    torch.manual_seed(0)
    adapted = peft.get_peft_model(load(base).model, settings)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    adapted.save_pretrained(tmp_path)
    with_adapter = LocalSampler.load(base, adapter=str(tmp_path))
    assert texts(with_adapter) != texts(LocalSampler.load(base))
    assert with_adapter.describe()["model"]["adapter"]["sha256"]
    # A trainer's model keeps its adapter apart, and samples go through both.
    assert texts(LocalSampler(adapted, load_tokenizer(base))) == texts(with_adapter)


@pytest.mark.slow
def test_a_missing_peft_is_said(tiny_checkpoint, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    # A folder: a name is looked for on the hub first, for most of a minute where there is none.
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(InputError, match="pip install peft"):
        load(str(tiny_checkpoint("gpt2")), adapter=str(tmp_path))


def test_a_checkpoint_that_asks_for_tuples_samples_as_one_that_does_not(tiny_checkpoint, tmp_path):
    # The config of CodeRL's CodeT5 says so.
    copy = shutil.copytree(tiny_checkpoint("t5"), tmp_path / "copy")
    config = json.loads((copy / "config.json").read_bytes())
    (copy / "config.json").write_text(json.dumps(config | {"return_dict": False}))
    one, other = (texts(LocalSampler.load(str(folder))) for folder in (tiny_checkpoint("t5"), copy))
    assert other == one
