"""What a model reads: chat templates, contexts that are too short, tokenizers that lack something."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers

from harness.errors import InputError
from harness.models.base import Decoding, Finish, Request
from harness.models.hf.sampler import LocalSampler
from harness.models.prompt_encoder import ContextWindow, PromptEncoder
from harness.prompts import Prompt
from harness.types import Piece, PromptFormat


def prompt(text, *, chat=False, stop=()):
    made = PromptFormat("plain", "1", lambda problem: (), "made here", chat=chat, stop=stop)
    return Prompt("t/0", (Piece("Q: "), Piece(text, cut=True), Piece("\nANSWER:\n")), made)


@pytest.fixture
def tokenizer(tiny_checkpoint):
    return lambda kind: transformers.AutoTokenizer.from_pretrained(tiny_checkpoint(kind))


def test_a_chat_prompt_goes_through_the_models_template_unless_told_otherwise(tokenizer):
    qwen = tokenizer("qwen2")

    def read(chat, chat_format):
        prompting = PromptEncoder(qwen, ContextWindow(512, shared=True), chat=chat)
        return qwen.decode(prompting.encode(prompt("x", chat=chat_format), 9).ids)

    wrapped = "<|im_start|>user\nQ: x\nANSWER:\n<|im_end|>\n<|im_start|>assistant\n"
    assert read("auto", True) == wrapped
    assert read("on", False) == wrapped
    assert read("auto", False) == read("off", True) == "Q: x\nANSWER:\n"


def test_chat_on_without_a_template_is_refused(tokenizer):
    with pytest.raises(InputError, match="no chat template"):
        PromptEncoder(tokenizer("gpt2"), ContextWindow(512, shared=True), chat="on")
    with pytest.raises(InputError, match="available: auto, on, off"):
        PromptEncoder(tokenizer("gpt2"), ContextWindow(512, shared=True), chat="yes")


@pytest.mark.parametrize("kind", ["gpt2", "qwen2"])
@pytest.mark.parametrize("truncation", ["end", "middle"])
def test_a_long_prompt_leaves_room_for_the_answer_and_keeps_its_ending(tokenizer, kind, truncation):
    prompting = PromptEncoder(tokenizer(kind), ContextWindow(200, shared=True), truncation=truncation)
    encoded = prompting.encode(prompt("assert add(1, 2) == 3 " * 60, chat=True), 80)
    assert 110 <= len(encoded.ids) <= 120
    assert encoded.limit == 80
    assert encoded.prompt.shortened
    assert encoded.prompt.text.endswith("\nANSWER:\n")


def test_new_tokens_are_fewer_where_the_context_ends(tokenizer):
    prompting = PromptEncoder(tokenizer("gpt2"), ContextWindow(100, shared=True))
    encoded = prompting.encode(prompt("assert add(1, 2) == 3 " * 60), 90)
    assert len(encoded.ids) <= 50
    assert encoded.limit == 100 - len(encoded.ids)


def test_parts_that_may_not_be_cut_take_the_room_of_the_answer_and_then_are_refused(tokenizer):
    prompting = PromptEncoder(tokenizer("gpt2"), ContextWindow(100, shared=True))
    fixed = PromptFormat("fixed", "1", lambda problem: (), "made here")
    seventy = Prompt("t/0", (Piece("@" * 70),), fixed)
    assert prompting.encode(seventy, 60).limit == 30
    with pytest.raises(InputError, match=r"t/0: the prompt has 100 tokens .* 99 fit"):
        prompting.encode(Prompt("t/0", (Piece("@" * 100),), fixed), 60)


def test_source_tokens_limit_the_prompt_of_a_model_without_a_context(tokenizer):
    long = prompt("assert add(1, 2) == 3 " * 60)
    free = PromptEncoder(tokenizer("t5"), ContextWindow(None, shared=False)).encode(long, 40)
    assert len(free.ids) > 300
    assert not free.prompt.shortened
    bound = PromptEncoder(tokenizer("t5"), ContextWindow(None, shared=False), source_tokens=64).encode(
        long, 40
    )
    assert 55 <= len(bound.ids) <= 64
    assert bound.ids[-1] == tokenizer("t5").eos_token_id
    assert bound.limit == 40


def test_a_prompt_of_a_causal_model_does_not_end_with_its_end_token(tokenizer):
    t5 = tokenizer("t5")
    ids = PromptEncoder(t5, ContextWindow(100, shared=True)).encode(prompt("x"), 9).ids
    assert ids[-1] != t5.eos_token_id


def test_an_empty_prompt_starts_from_the_models_first_token(tokenizer):
    empty = Prompt("t/0", (Piece(""),), PromptFormat("e", "1", lambda problem: (), "made here"))
    gpt2 = tokenizer("gpt2")
    assert PromptEncoder(gpt2, ContextWindow(100, shared=True)).encode(empty, 9).ids == (gpt2.bos_token_id,)
    gpt2.bos_token = gpt2.eos_token = None
    with pytest.raises(InputError, match="t/0: the prompt has no tokens"):
        PromptEncoder(gpt2, ContextWindow(100, shared=True)).encode(empty, 9)


def test_a_model_that_ends_at_once_writes_an_empty_program(tiny_checkpoint):
    sampler = LocalSampler.load(str(tiny_checkpoint("gpt2")))
    first = _one(sampler, Decoding(greedy=True, max_new_tokens=4)).text
    sampler._ends = frozenset(range(400))
    ended = _one(sampler, Decoding(greedy=True, max_new_tokens=4, stop=("other",)))
    assert first
    assert (ended.text, ended.finish, ended.tokens) == ("", Finish.STOP, 1)


def test_a_model_without_an_end_token_writes_to_the_limit(tiny_checkpoint):
    sampler = LocalSampler.load(str(tiny_checkpoint("gpt2")))
    sampler._ends = frozenset()
    answer = _one(sampler, Decoding(max_new_tokens=120))
    assert (answer.finish, answer.tokens) == (Finish.LENGTH, 120)


def test_generation_stops_at_the_end_of_the_context(tiny_checkpoint):
    sampler = LocalSampler.load(str(tiny_checkpoint("gpt2", n_positions=64)))
    answer = _one(sampler, Decoding(greedy=True, max_new_tokens=500), "assert add(1, 2) == 3 " * 9)
    assert answer.prompt.shortened
    assert answer.finish is Finish.LENGTH or answer.tokens < 64


def _one(sampler, decoding, text="x"):
    [answer] = sampler.complete([Request(prompt(text), (0,))], decoding)
    return answer
