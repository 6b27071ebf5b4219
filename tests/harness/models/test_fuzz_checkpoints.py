"""Chat templates and configs put together at random: a result or one line, never a traceback."""

import json
import shutil
import warnings

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers
from fuzzing import REFUSED, RESULT, bounded, ended
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.models import Decoding, Finish, Request
from harness.models.chat_template import Template, choose_chat
from harness.models.hf.sampler import LocalSampler
from harness.models.prompt_encoder import ContextWindow, PromptEncoder
from harness.prompts import Prompt
from harness.types import Piece, PromptFormat

FRAGMENTS = (
    "{% for m in messages %}", "{% endfor %}", "{% if m.role == 'user' %}", "{% else %}", "{% endif %}",
    "{{ m.content }}", "{{ m['content'] | trim }}", "{{ messages[0].content }}", "{{ messages[-1]['role'] }}",
    "{{ bos_token }}", "{{ eos_token }}", "{{ nothing.at.all }}", "{{ raise_exception('no') }}",
    "<|im_end|>\n", "<|im_start|>", "</s>", "[INST] ", " [/INST]", "{% if add_generation_prompt %}",
    "{{ messages | tojson }}",
    "{% set x = messages[1:] %}", "{{ x[0].content }}", "{% for p in m.content %}{{ p.text }}{% endfor %}",
    "{{ strftime_now('%d') }}", "{{ date_string }}", "{{ 1 / 0 }}", "{{ m.content.split('</think>')[-1] }}",
    "{{", "}}", "{% ", "\n", "é", "\u2028", "{{ m.content[3:] }}", "{{ tools }}", "{{ [1] * 3 }}",
    "{% generation %}", "{% endgeneration %}", "{% break %}", "{{ messages[5].content }}", "\x00",
)  # fmt: skip
WORKING = (
    ("{% for m in messages %}", "<|im_start|>", "{{ m.role }}\n", "{{ m.content }}", "<|im_end|>\n",
     "{% endfor %}", "{% if add_generation_prompt %}", "<|im_start|>assistant\n", "{% endif %}"),
    ("{{ bos_token }}", "{% for m in messages %}", "{% if m.role == 'user' %}", "[INST] ", "{{ m.content }}",
     " [/INST]", "{% else %}", "{{ m.content }}", "{{ eos_token }}", "{% endif %}", "{% endfor %}"),
)  # fmt: skip


@st.composite
def templates(draw):
    """One that works, with some of its parts taken out and others put in; or parts alone."""
    parts = list(draw(st.sampled_from([*WORKING, *WORKING, ()])))
    for _ in range(draw(st.integers(0, 3)) if parts else 0):
        place = draw(st.integers(0, len(parts)))
        parts[place : place + draw(st.integers(0, 1))] = draw(
            st.lists(st.sampled_from(FRAGMENTS), max_size=1)
        )
    return "".join(parts or draw(st.lists(st.sampled_from(FRAGMENTS), max_size=12)))


TEXTS = st.one_of(
    st.sampled_from(["x", "", " \n", "print(1)\n", "{{ x }}", "\udcff", "\x00", "é" * 9]), st.text()
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 600),
    st.sampled_from([10**9, 2**40, 0.5, float("inf"), "x", ""]),
    st.lists(st.integers(-2, 500), max_size=3),
    st.dictionaries(st.sampled_from("ab"), st.integers(), max_size=2),
)
KEYS = (
    "eos_token_id", "bos_token_id", "pad_token_id", "max_position_embeddings", "vocab_size", "hidden_size",
    "num_attention_heads", "num_key_value_heads", "num_hidden_layers", "intermediate_size", "rms_norm_eps",
    "rope_theta", "rope_parameters", "rope_scaling", "hidden_act", "tie_word_embeddings", "model_type",
    "architectures", "torch_dtype", "dtype", "head_dim", "attention_bias", "use_cache", "is_encoder_decoder",
    "is_decoder", "decoder_start_token_id", "return_dict", "pretraining_tp", "seq_length", "n_positions",
    "auto_map", "quantization_config", "text_config",
)  # fmt: skip
FORM = PromptFormat("chat", "1", lambda problem: (), "made here", chat=True)


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint):
    found = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint("gpt2"))
    words = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    found.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": words})
    return found


def _assert_one_line(error):
    assert str(error)
    assert "\n" not in str(error)


@pytest.mark.slow
@bounded(300)
@given(templates(), TEXTS, st.integers(1, 80))
def test_any_template_and_text_give_a_prompt_or_one_line(tokenizer, template, text, room):
    tokenizer.chat_template = template
    ends = [tokenizer.eos_token_id]
    prompt = Prompt("t/0", (Piece("Q: "), Piece(text, cut=True)), FORM)
    try:
        choice = choose_chat(tokenizer, ends)
        encoded = PromptEncoder(tokenizer, ContextWindow(room, shared=True)).encode(prompt, 8)
    except InputError as error:
        _assert_one_line(error)
        ended("chat templates", REFUSED)
        return
    ended("chat templates", RESULT)
    assert choice.why
    assert encoded.ids
    assert len(encoded.ids) <= room
    if Template(tokenizer):
        assert encoded.prompt.text.strip() in encoded.prompt.sent
    else:
        assert encoded.prompt.sent is None


@pytest.mark.slow
@bounded(15)
@given(
    config=st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=2),
    generation=st.dictionaries(
        st.sampled_from(["eos_token_id", "temperature", "do_sample", "max_length", "decoder_start_token_id"]),
        VALUES,
        max_size=2,
    ),
)
def test_any_config_gives_an_answer_or_one_line(tiny_checkpoint, tmp_path_factory, config, generation):
    folder = tmp_path_factory.mktemp("odd") / "copy"
    shutil.copytree(tiny_checkpoint("llama"), folder)
    known = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(known | config))
    if generation:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    request = Request(Prompt("t/0", (Piece("x = ", cut=True),), FORM), (0,))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = LocalSampler.load(str(folder), device="cpu")
            sampler.chat_choice()
            [answer] = sampler.complete([request], Decoding(max_new_tokens=3))
    except InputError as error:
        _assert_one_line(error)
        ended("configs of checkpoints", REFUSED)
        return
    finally:
        shutil.rmtree(folder.parent)
    ended("configs of checkpoints", RESULT)
    assert 1 <= answer.tokens <= 3
    assert answer.finish in Finish
