"""PEFT adapters of every kind: the tokens of PEFT's own `generate`, tokens and templates that they bring."""

import json
import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

import peft
import torch
import transformers

from harness.errors import InputError
from harness.models import Decoding, Request
from harness.models.hf.sampler import LocalSampler
from harness.models.hf.unbatched import Unbatched
from harness.models.positions import ContextWindow
from harness.prompts import Prompt
from harness.types import Piece, PromptFormat

GREEDY = Decoding(greedy=True, max_new_tokens=10)
CAUSAL = {
    "lora": lambda: peft.LoraConfig(
        task_type="CAUSAL_LM", target_modules=["c_attn"], init_lora_weights=False
    ),
    "dora": lambda: peft.LoraConfig(
        task_type="CAUSAL_LM", target_modules=["c_attn"], use_dora=True, init_lora_weights=False
    ),
    "ia3": lambda: peft.IA3Config(
        task_type="CAUSAL_LM",
        target_modules=["c_attn", "mlp.c_proj"],
        feedforward_modules=["mlp.c_proj"],
        init_ia3_weights=False,
    ),
    "adalora": lambda: peft.AdaLoraConfig(task_type="CAUSAL_LM", target_modules=["c_attn"], total_step=9),
    "ln": lambda: peft.LNTuningConfig(task_type="CAUSAL_LM", target_modules=["ln_1", "ln_f"]),
    "prompt": lambda: peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
    "prefix": lambda: peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
    "prefix projected": lambda: peft.PrefixTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=4, prefix_projection=True, encoder_hidden_size=8
    ),
    "p-tuning": lambda: peft.PromptEncoderConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=4, encoder_hidden_size=8
    ),
}
SEQ2SEQ = {
    "lora": lambda: peft.LoraConfig(
        task_type="SEQ_2_SEQ_LM", target_modules=["q", "v"], init_lora_weights=False
    ),
    "prompt": lambda: peft.PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=4),
    "prefix": lambda: peft.PrefixTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=4),
    "p-tuning": lambda: peft.PromptEncoderConfig(
        task_type="SEQ_2_SEQ_LM", num_virtual_tokens=4, encoder_hidden_size=8
    ),
}
KINDS = [("gpt2", name, make) for name, make in CAUSAL.items()] + [
    ("t5", name, make) for name, make in SEQ2SEQ.items()
]
TEXTS = ("x", "def add(a, b):", "assert add(1, 2) == 3 # longer than the others")


def requests():
    form = PromptFormat("plain", "1", lambda problem: (), "made here")
    return [Request(Prompt(f"t/{place}", (Piece(text),), form), (0,)) for place, text in enumerate(TEXTS)]


def greedy(sampler):
    found = {each.task_id: each.text for each in sampler.complete(requests(), GREEDY)}
    return [found[f"t/{place}"] for place in range(len(TEXTS))]


def theirs(model, tokenizer):
    """What PEFT's own `generate` writes, one text at a time."""
    written = []
    for text in TEXTS:
        inputs = tokenizer(text, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.no_grad():
            [out] = model.generate(**inputs, max_new_tokens=10, do_sample=False, pad_token_id=0)
        start = 0 if model.config.is_encoder_decoder else inputs.input_ids.shape[1]
        written.append(
            tokenizer.decode(out[start:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )
    return written


def family(kind):
    return transformers.AutoModelForSeq2SeqLM if kind == "t5" else transformers.AutoModelForCausalLM


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "make"), KINDS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_adapter_of_any_kind_gives_the_tokens_of_pefts_own_generate(
    tiny_checkpoint, tmp_path, kind, name, make
):
    base = tiny_checkpoint(kind)
    torch.manual_seed(0)
    adapted = peft.get_peft_model(family(kind).from_pretrained(base), make()).eval()
    for weight in (each for each in adapted.parameters() if each.requires_grad):
        torch.nn.init.normal_(weight, std=0.7)  # far enough from the base model to be told from it
    adapted.save_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    expected = theirs(
        peft.PeftModel.from_pretrained(family(kind).from_pretrained(base), tmp_path).eval(), tokenizer
    )
    assert greedy(LocalSampler.load(str(base), adapter=str(tmp_path))) == expected
    assert greedy(LocalSampler(adapted, tokenizer)) == expected, "as a trainer holds it"
    assert greedy(LocalSampler.load(str(base))) != expected, "the adapter changes too little to test anything"


def test_virtual_tokens_take_their_part_of_the_context(tiny_checkpoint):
    base = transformers.AutoModelForCausalLM.from_pretrained(tiny_checkpoint("gpt2", n_positions=64))
    adapted = peft.get_peft_model(base, CAUSAL["prompt"]())
    assert ContextWindow.of(adapted).tokens == 60


def test_an_adapter_that_wants_to_be_told_a_task_is_refused(tiny_checkpoint, tmp_path):
    base = tiny_checkpoint("gpt2")
    settings = peft.MultitaskPromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4, num_tasks=2)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    peft.get_peft_model(model, settings).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="MULTITASK_PROMPT_TUNING wants to be told which task"):
        LocalSampler.load(str(base), adapter=str(tmp_path))


@pytest.fixture
def with_words(tiny_checkpoint, tmp_path):
    """`with_words(**settings)`: a base, and an adapter whose tokenizer has two more words and a template."""

    def make(**settings):
        base = tiny_checkpoint("gpt2")
        model = transformers.AutoModelForCausalLM.from_pretrained(base)
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        tokenizer.add_tokens(["<code>", "</code>"])
        tokenizer.chat_template = "<code>{{ messages[0].content }}</code>"
        model.resize_token_embeddings(len(tokenizer))
        lora = {"target_modules": ["c_attn"], "init_lora_weights": False, "task_type": "CAUSAL_LM"}
        adapted = peft.get_peft_model(model, peft.LoraConfig(**lora, **settings)).eval()
        adapted.save_pretrained(tmp_path / "adapter")
        tokenizer.save_pretrained(tmp_path / "adapter")
        return base, tmp_path / "adapter", adapted, tokenizer

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{}, {"modules_to_save": ["wte", "lm_head"]}, {"trainable_token_indices": True}]
)
def test_an_adapters_added_tokens_have_its_embeddings(with_words, settings):
    if settings.get("trainable_token_indices"):
        settings = {"trainable_token_indices": {"wte": [3, 7]}}
    base, folder, adapted, tokenizer = with_words(**settings)
    sampler = LocalSampler.load(str(base), adapter=str(folder))
    assert sampler._tokenizer.convert_tokens_to_ids("<code>") == tokenizer.convert_tokens_to_ids("<code>")
    assert sampler._tokenizer.chat_template == tokenizer.chat_template
    assert greedy(sampler) == theirs(adapted, tokenizer)
    ids = tokenizer("<code>x</code>").input_ids
    with torch.no_grad():
        expected = adapted(torch.tensor([ids])).logits[:, -1]
        assert torch.allclose(Unbatched(sampler._forward).logits(ids, []), expected, atol=1e-4)


def test_an_adapter_with_a_template_alone_gives_that_to_the_models_tokenizer(with_words):
    base, folder, *_ = with_words()
    for file in folder.glob("*token*"):
        file.unlink()
    found = LocalSampler.load(str(base), adapter=str(folder))._tokenizer
    assert found.chat_template == "<code>{{ messages[0].content }}</code>"
    assert found.convert_tokens_to_ids("<code>") == found.unk_token_id


def test_an_adapters_folder_may_be_named_as_the_model(with_words):
    base, folder, *_ = with_words()
    named = LocalSampler.load(str(folder))
    assert greedy(named) == greedy(LocalSampler.load(str(base), adapter=str(folder)))
    known = named.describe()["model"]
    assert (known["name"], known["adapter"]["name"]) == (str(base), str(folder))


@pytest.mark.parametrize(
    ("base", "said"),
    [
        (None, "names no base"),
        ("", "names no base"),
        ("/nowhere/at/all", "which is not there"),
        (7, "names no base"),
    ],
)
def test_an_adapter_whose_base_is_not_there_is_one_line(with_words, base, said):
    _, folder, *_ = with_words()
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": base}))
    with pytest.raises(InputError, match=f"{said}.*pass the base as MODEL and --adapter"):
        LocalSampler.load(str(folder))


def test_adapters_that_cannot_be_used_are_one_line_each(with_words, tmp_path, tiny_checkpoint):
    base, folder, *_ = with_words()
    with pytest.raises(InputError, match="is no PEFT adapter"):
        LocalSampler.load(str(base), adapter=str(base))
    with pytest.raises(InputError, match="is an adapter itself"):
        LocalSampler.load(str(folder), adapter=str(folder))
    for name, change in [("kind", {"peft_type": "NONE"}), ("target", {"target_modules": ["nothing"]})]:
        other = shutil.copytree(folder, tmp_path / name)
        config = json.loads((other / "adapter_config.json").read_text())
        (other / "adapter_config.json").write_text(json.dumps(config | change))
        with pytest.raises(InputError) as raised:
            LocalSampler.load(str(base), adapter=str(other))
        assert "\n" not in str(raised.value)
    with pytest.raises(InputError) as raised:  # of another architecture
        LocalSampler.load(str(tiny_checkpoint("llama")), adapter=str(folder))
    assert "\n" not in str(raised.value)
