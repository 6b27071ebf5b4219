"""Whether a model is asked through its chat template: told by the token that closes an answer in it."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers

from harness.errors import InputError
from harness.models.chat_template import Template, choose_chat
from harness.models.end_tokens import chat_end_ids
from harness.models.hf.prompt_reader import load_reader
from harness.models.hf.sampler import LocalSampler
from harness.models.prompt_choice import format_for, format_of_model, named_format
from harness.prompts import find_format
from harness.prompts.chat import CHAT
from harness.prompts.trained import FILE, note_trained
from harness.registry import load_benchmark
from rltf.cli import main

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA2 = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
)
LATE = (  # closes a turn only when another follows
    "{% for m in messages %}{% if m.role == 'user' %}{% if not loop.first %}</s>{% endif %}U:{{ m.content }}"
    "{% else %}A:{{ m.content }}{% endif %}{% endfor %}"
)
OPEN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
TWO = CHATML.replace(
    "<|im_end|>\n{% endfor %}", "<|end|>\n{% endfor %}{% if not add_generation_prompt %}</s>{% endif %}"
)
PARTS = "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}</s>{% endfor %}"


@pytest.fixture
def tokenizer(tiny_checkpoint):
    def make(template, eos="</s>"):
        found = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint("gpt2"))
        words = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|end|>"]
        found.add_special_tokens({"bos_token": "<s>", "eos_token": eos, "additional_special_tokens": words})
        found.chat_template = template
        return found

    return make


@pytest.mark.parametrize(
    ("template", "ends", "chat", "ambiguous"),
    [
        (CHATML, ["<|im_end|>"], True, False),
        (CHATML, ["<|im_end|>", "</s>"], True, False),
        (CHATML, ["</s>"], False, False),  # a base model of the Qwen kind
        (CHATML, [], False, False),
        (LLAMA2, ["</s>"], True, True),
        (LLAMA2, ["</s>", "<|end|>"], True, False),
        (LATE, ["</s>"], True, True),
        (TWO, ["<|end|>"], True, False),
        (TWO, ["</s>"], False, False),  # the last token of all closes the text, not the turn
        (OPEN, ["</s>"], False, False),
        (PARTS, ["</s>"], True, True),
        (None, ["</s>"], False, False),
    ],
)
def test_a_model_is_a_chat_model_if_what_closes_its_answers_ends_them(
    tokenizer, template, ends, chat, ambiguous
):
    made = tokenizer(template)
    choice = choose_chat(made, made.convert_tokens_to_ids(ends))
    assert (choice.chat, choice.ambiguous) == (chat, ambiguous), choice.why
    assert choice.why


def test_the_generation_config_tells_before_the_tokenizer_and_that_before_the_config(tokenizer):
    made = tokenizer(CHATML, eos="<|im_end|>")
    im_end, other = made.convert_tokens_to_ids(["<|im_end|>", "</s>"])
    config = transformers.GPT2Config(eos_token_id=other)
    written = transformers.GenerationConfig(eos_token_id=[other])
    derived = transformers.GenerationConfig.from_model_config(config)
    assert chat_end_ids(written, config, made) == {other}
    assert chat_end_ids(transformers.GenerationConfig(), config, made) == {im_end}
    assert chat_end_ids(derived, config, made) == chat_end_ids(None, config, made) == {im_end}
    made.eos_token = None
    assert chat_end_ids(None, config, made) == {other}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('Only user and system roles') }}", "Only user and system roles"),
        ("{% for m in messages %}{{ m.content }", "unexpected"),
        ("{{ messages[0].content.missing.deeper }}", "missing"),
        ("{{ 1 // 0 }}", "ZeroDivisionError"),
        ("nothing of it", "leaves out what the user says"),
        ({"rag": "{{ messages[0].content }}"}, "no default"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_line_that_names_the_way_out(tokenizer, template, said):
    with pytest.raises(InputError, match="--chat off") as raised:
        choose_chat(tokenizer(template), [0])
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_template_that_wants_a_system_message_or_parts_is_put_what_it_takes(tokenizer):
    assert Template(tokenizer(PARTS)).of_user("print(1)") == "print(1)</s>"
    named = {"default": "{{ messages[0].content }}>>", "rag": "x"}
    assert Template(tokenizer(named)).of_user("a") == "a>>"


NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + OPEN
)
DROPS_SYSTEM = "{% for m in messages %}{% if m.role == 'user' %}U: {{ m.content }}{% endif %}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "written"),
    [
        (OPEN, "system: Be brief.\nuser: Add.\n"),
        (PARTS, "Be brief.</s>Add.</s>"),
        (NO_SYSTEM, "user: Be brief.\n\nAdd.\n"),
        (DROPS_SYSTEM, "U: Be brief.\n\nAdd."),
    ],
)
def test_a_system_message_is_told_whether_or_not_the_template_has_a_place_for_it(
    tokenizer, template, written
):
    assert Template(tokenizer(template)).of([("system", "Be brief."), ("user", "Add.")]) == written


@pytest.mark.slow
def test_what_was_named_wins_over_what_the_model_is():
    mini = load_benchmark("mini")
    first = next(iter(mini.prompts))
    assert named_format(mini, name="training", chat="on").form.name == "training"
    assert named_format(mini, name=None, chat="on").form is CHAT
    assert named_format(mini, name=None, preset="rltf-apps").form.name == first
    assert named_format(mini, name=None, chat="off").form.name == first
    assert named_format(mini, name=None) is None
    with pytest.raises(InputError, match="no prompt format"):
        named_format(mini, name="nothing")


def test_a_server_is_asked_at_the_completions_address_and_that_is_said():
    asked = format_for(load_benchmark("mini"), object())
    assert not asked.form.chat
    assert "completions address" in asked.line()
    assert "--chat on" in asked.line()


@pytest.fixture
def folder_of(tiny_checkpoint, tokenizer, tmp_path):
    def make(template, eos):
        made = tokenizer(template, eos=eos)
        model = transformers.AutoModelForCausalLM.from_pretrained(tiny_checkpoint("gpt2"))
        model.resize_token_embeddings(len(made))
        model.generation_config.eos_token_id = model.config.eos_token_id = made.eos_token_id
        model.save_pretrained(tmp_path / "model")
        made.save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        (CHATML, "<|im_end|>", True, False),
        (CHATML, "</s>", False, False),
        (LLAMA2, "</s>", True, True),
        (None, "</s>", False, False),
    ],
)
def test_rltf_eval_asks_a_model_as_what_it_is_and_says_and_records_it(folder_of, tmp_path, capsys, case):
    template, eos, chat, warned = case
    folder, run = folder_of(template, eos), tmp_path / "run"
    options = ["--benchmark", "mini", "--split", "test", "--ids", "0", "--no-cache", "--workers", "1"]
    assert main(["eval", str(folder), *options, "--max-new-tokens", "4", "--out", str(run)]) == 0
    shown = capsys.readouterr().err
    assert ("rltf: asked as a chat model" in shown) == chat
    assert ("rltf: asked as a base model" in shown) != chat
    assert ("rltf: warning: the files do not tell" in shown) == warned
    generation = json.loads((run / "manifest.json").read_text())["generation"]
    assert generation["prompt"].split("@")[0] == ("chat" if chat else "inference")
    assert generation["asked"]["as_chat_model"] == chat
    assert generation["asked"]["why"] in shown

    # The very text, in the run's file and from rltf prompt alike.
    [row] = map(json.loads, (run / "prompts.jsonl").read_text().splitlines())
    assert ("[INST]" in row["prompt"] or "<|im_start|>assistant" in row["prompt"]) == chat
    assert (
        main(["prompt", "--benchmark", "mini", "--split", "test", "--id", "0", "--model", str(folder)]) == 0
    )
    assert capsys.readouterr().out == row["prompt"]


def test_a_trained_model_is_asked_as_it_was_trained(folder_of):
    mini = load_benchmark("mini")
    folder = folder_of(CHATML, "<|im_end|>")
    reader = load_reader(str(folder))
    assert format_for(mini, reader, folder).form is CHAT
    note_trained(folder, find_format(mini, "training"))
    asked = format_for(mini, reader, folder)
    assert (asked.form.name, asked.warning) == ("training", None)
    noted = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps(noted | {"sha256": "0" * 64}))
    assert "version 1" in format_for(mini, reader, folder).warning
    (folder / FILE).write_text(json.dumps(noted | {"format": "of another benchmark"}))
    assert format_for(mini, reader, folder).form is CHAT
    for damaged in ("[", "[]", "{}"):
        (folder / FILE).write_text(damaged)
        with pytest.raises(InputError, match=r"--format"):
            format_for(mini, reader, folder)


def test_a_model_in_memory_is_trained_in_the_format_that_rltf_eval_would_take(folder_of):
    mini = load_benchmark("mini")
    folder = folder_of(CHATML, "<|im_end|>")
    sampler = LocalSampler.load(str(folder))
    assert format_of_model(mini, sampler._model, sampler._tokenizer) is CHAT
    assert format_of_model(mini, sampler._model, sampler._tokenizer, name="training").name == "training"
