"""Checkpoints that are odd in one way each: the right thing, or one line that says which and what to do."""

import json
import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers
from safetensors.torch import load_file, save_file

from harness.errors import InputError
from harness.models import Decoding, Request
from harness.models.hf.kv_kinds import start_batch
from harness.models.hf.loading import load
from harness.models.hf.sampler import LocalSampler
from harness.models.hf.unbatched import Unbatched
from harness.models.library_errors import asked, cause, explained
from harness.models.positions import ContextWindow
from harness.prompts import Prompt
from harness.types import Piece, PromptFormat

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
SEQ2SEQ = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 1,
    "decoder_attention_heads": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "decoder_start_token_id": 2,
}  # fmt: skip
SPECIAL = {"vocab_size": 512, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}


def put(text, task="t/0"):
    form = PromptFormat("plain", "1", lambda problem: (), "made here")
    return Request(Prompt(task, (Piece("Q: "), Piece(text, cut=True), Piece("\nA:")), form), (0,))


def _roberta(**more):
    return transformers.RobertaConfig(**SIZES, **SPECIAL, max_position_embeddings=66, is_decoder=True, **more)


def _encoder_decoder():
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.RobertaConfig(**SIZES, **SPECIAL, max_position_embeddings=66),
        _roberta(add_cross_attention=True),
    )
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 0, 1, 2
    return transformers.EncoderDecoderModel(config)


def _led():
    lengths = {"max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 32}
    config = transformers.LEDConfig(**SEQ2SEQ, **SPECIAL, **lengths, attention_window=16)
    return transformers.LEDForConditionalGeneration(config)


def _opt():
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "ffn_dim": 16}
    config = transformers.OPTConfig(**sizes, **SPECIAL, max_position_embeddings=64, word_embed_proj_dim=16)
    return transformers.OPTForCausalLM(config)


def _gemma3():
    text = {
        **SIZES,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "vocab_size": 512,
        "max_position_embeddings": 64,
    }
    patches = {**SIZES, "image_size": 28, "patch_size": 14}  # four of them, each with a position
    config = transformers.Gemma3Config(text_config=text, vision_config=patches, mm_tokens_per_image=4)
    return transformers.Gemma3ForConditionalGeneration(config)


MODELS = {
    # positions of a prompt and an answer; where they are shared there is one number
    "roberta": (lambda: transformers.RobertaForCausalLM(_roberta()), (64, None)),
    "opt": (_opt, (64, None)),
    "encoder-decoder": (_encoder_decoder, (64, 64)),
    "led": (_led, (64, 32)),
    "gemma3, which is shown images too": (_gemma3, (64, None)),
    "bart": (
        lambda: transformers.BartForConditionalGeneration(
            transformers.BartConfig(**SEQ2SEQ, **SPECIAL, max_position_embeddings=64)
        ),
        (64, 64),
    ),
    "gpt2": (
        lambda: transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=512, n_positions=64, n_embd=16, n_layer=1, n_head=1)
        ),
        (64, None),
    ),
    "mpt": (
        lambda: transformers.MptForCausalLM(
            transformers.MptConfig(vocab_size=512, d_model=16, n_layers=1, n_heads=1, max_seq_len=64)
        ),
        (64, None),
    ),
    "mistral": (
        lambda: transformers.MistralForCausalLM(
            transformers.MistralConfig(
                **SIZES,
                num_key_value_heads=1,
                vocab_size=512,
                sliding_window=4,
                max_position_embeddings=64,
            )
        ),
        (64, None),
    ),
    "t5": (
        lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(
                vocab_size=512,
                d_model=16,
                d_kv=16,
                d_ff=16,
                num_layers=1,
                num_heads=1,
                decoder_start_token_id=0,
            )
        ),
        (None, None),
    ),
}


@pytest.fixture
def made(tiny_checkpoint):
    def make(name):
        torch.manual_seed(0)
        model = MODELS[name][0]().eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint("gpt2"))
        assert len(tokenizer) <= 512
        return model, tokenizer

    return make


@pytest.mark.parametrize("name", MODELS)
def test_positions_are_counted_whatever_a_config_calls_them_and_however_many_are_kept_in_front(made, name):
    model, _ = made(name)
    prompt, answer = MODELS[name][1]
    found = ContextWindow.of(model)
    assert found.tokens == prompt
    if not found.shared:
        assert found.for_answer == answer


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_long_prompt_and_a_long_answer_stay_within_the_positions(made, name):
    sampler = LocalSampler(*made(name))
    sampler._ends = frozenset()
    wanted = [put("x = 1 # " * count, f"t/{count}") for count in (1, 40, 90)]
    answers = list(sampler.complete(wanted, Decoding(max_new_tokens=90)))
    assert len(answers) == 3
    assert max(each.tokens for each in answers) > 20
    whole, answer = MODELS[name][1]
    assert all(each.prompt.shortened for each in answers if whole and len(each.prompt.text) > 800)
    assert all(each.tokens <= (answer or whole or 90) for each in answers)


@pytest.mark.parametrize("name", MODELS)
def test_neither_padding_nor_a_place_in_the_batch_moves_a_position(made, name):
    sampler = LocalSampler(*made(name))
    rows = [sampler._prompting.encode(put(text).prompt, 4).ids for text in ("x", "x = 1", "x = 1 + 2")]
    with torch.no_grad():
        for weight in sampler._model.parameters():
            weight.mul_(6 if weight.dim() > 1 else 1)  # so that a prediction tells where a token stands
        batch = start_batch(sampler._forward, 3)
        _all_as_if_alone(sampler, batch.join(rows, range(3)), [(row, []) for row in rows])
        if not batch.open:
            return
        # One goes on, the longest leaves, and another takes its slot three tokens later.
        for token in (5, 6, 7):
            batch.after([token] * 3)
        batch.leave([2])
        joined = batch.join([rows[0]], [2])
        _all_as_if_alone(sampler, joined, [(rows[0], [])])
        written = [(rows[0], [5, 6, 7, 8]), (rows[1], [5, 6, 7, 9]), (rows[0], [10])]
        _all_as_if_alone(sampler, batch.after([8, 9, 10]), written)
        batch.keep([2, 1])
        written = [(rows[0], [10, 11]), (rows[1], [5, 6, 7, 9, 12])]
        _all_as_if_alone(sampler, batch.after([11, 12]), written)


def _all_as_if_alone(sampler, together, texts):
    unbatched = Unbatched(sampler._forward)
    for (prompt, tokens), logits in zip(texts, together, strict=True):
        assert torch.allclose(logits, unbatched.logits(prompt, tokens)[0], rtol=1e-4, atol=1e-4)


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    return shutil.copytree(tiny_checkpoint("llama"), tmp_path / "copy")


def _refused(folder, pattern, **options):
    with pytest.raises(InputError, match=pattern) as raised:
        LocalSampler.load(str(folder), **options)
    assert "\n" not in str(raised.value)
    return raised.value


def test_a_pointer_of_git_lfs_is_said_to_be_one(copy):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    (copy / "model.safetensors").write_text(pointer)
    _refused(copy, r"model\.safetensors is a pointer of git-lfs .* git lfs pull")
    (copy / "tokenizer.json").write_text(pointer)
    (copy / "model.safetensors").unlink()
    _refused(copy, r"tokenizer\.json is a pointer")


@pytest.mark.parametrize("left", [0, 5, 300, 0.5, 0.999])
def test_weights_that_were_cut_off_are_said_to_be_damaged(copy, left):
    data = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(data[: int(left * len(data)) if left < 1 else left])
    error = _refused(copy, r"model\.safetensors is empty|damaged or was cut off")
    assert left == 0 or error.__cause__ is not None


def test_a_missing_shard_is_named(tiny_checkpoint, tmp_path):
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_checkpoint("llama"))
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    transformers.AutoTokenizer.from_pretrained(tiny_checkpoint("llama")).save_pretrained(tmp_path)
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    load(str(tmp_path))
    shards[-1].unlink()
    _refused(tmp_path, f"1 of {len(shards)} files of weights are missing .*{shards[-1].name}")


def _config(copy, **changes):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | changes))


def test_weights_of_other_sizes_than_the_config_says_are_named(copy):
    _config(copy, vocab_size=50)
    _refused(copy, r"do not belong together: .* the config asks for 50 x")


def test_weights_with_a_prefix_are_refused_with_what_is_there_instead(copy):
    weights = load_file(copy / "model.safetensors")
    renamed = {f"_orig_mod.{name}": value for name, value in weights.items()}
    save_file(renamed, copy / "model.safetensors", metadata={"format": "pt"})
    _refused(copy, r"are not in the checkpoint .* it has _orig_mod\.")


def test_a_folder_without_a_tokenizer_is_refused_and_not_given_an_empty_one(copy):
    for file in copy.glob("*token*"):
        file.unlink()
    _refused(copy, "tokenizer|not a checkpoint")


def test_a_tokenizer_with_more_words_than_the_model_is_said_with_the_token(copy):
    tokenizer = transformers.AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens(["ANSWER"] + [f"<more{number}>" for number in range(9)])
    tokenizer.save_pretrained(copy)
    sampler = LocalSampler.load(str(copy))
    assert list(sampler.complete([put("fine")], Decoding(max_new_tokens=2)))
    with pytest.raises(InputError, match=r"t/0: .*'ANSWER'.* do not belong together"):
        list(sampler.complete([put("ANSWER")], Decoding(max_new_tokens=2)))


def test_an_end_token_that_is_an_ordinary_word_ends_nothing_and_is_said(copy):
    tokenizer = transformers.AutoTokenizer.from_pretrained(copy)
    word = tokenizer.convert_tokens_to_ids("a")
    assert word is not None
    (copy / "generation_config.json").write_text(json.dumps({"eos_token_id": [word, tokenizer.eos_token_id]}))
    with pytest.warns(UserWarning, match="'a' with, an ordinary one"):
        sampler = LocalSampler.load(str(copy))
    assert sampler._ends == {tokenizer.eos_token_id}


def test_several_end_tokens_all_end_an_answer_and_none_is_in_its_text(copy):
    tokenizer = transformers.AutoTokenizer.from_pretrained(copy)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
    turn = tokenizer.convert_tokens_to_ids("<turn>")
    model = transformers.AutoModelForCausalLM.from_pretrained(copy)
    model.resize_token_embeddings(len(tokenizer))
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, turn]
    sampler = LocalSampler(model, tokenizer)
    assert sampler._ends == {tokenizer.eos_token_id, turn}
    endings = sampler._endings((), chat=False)
    for end in sampler._ends:
        assert endings.ended([5, end])
        assert "<" not in endings.read((), [5, end])[0]


def test_an_unknown_device_and_a_device_that_is_not_there_are_one_line(copy):
    _refused(copy, "unknown device 'cudda'", device="cudda")
    if not torch.cuda.is_available():
        _refused(copy, "the device failed while the model was loaded: .*CUDA", device="cuda")


def test_a_failing_device_is_not_called_a_bad_checkpoint_and_the_cause_is_kept():
    def fails():
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore lines")

    with pytest.raises(InputError, match=r"device failed .* illegal memory access") as raised:
        asked("some/model", fails)
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert "checkpoint" not in explained("/", RuntimeError("CUDA error: x")).partition("failed")[0]
    assert cause(RuntimeError("Error(s) in loading X:\n\n  size mismatch for w")) == (
        "Error(s) in loading X: size mismatch for w"
    )
    assert cause(KeyError("jelu")) == "KeyError: 'jelu'"


def test_a_model_that_fails_while_it_is_asked_is_one_line_with_its_cause(copy, monkeypatch):
    sampler = LocalSampler.load(str(copy))

    def broken(*_, **__):
        raise ZeroDivisionError("in the model")

    monkeypatch.setattr(sampler._model, "forward", broken)
    with pytest.raises(InputError, match=r"the model failed .*ZeroDivisionError: in the model") as raised:
        list(sampler.complete([put("x")], Decoding(max_new_tokens=2)))
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_a_cache_that_cannot_be_taken_apart_is_said_and_changes_no_sample(copy, monkeypatch):
    fast = LocalSampler.load(str(copy))
    wanted = [put("x" * count, f"t/{count}") for count in (1, 9)]
    settings = Decoding(max_new_tokens=12, seed=1)
    expected = {each.task_id: each.text for each in fast.complete(wanted, settings)}
    assert "uncached" not in fast.describe()["measured"]
    monkeypatch.setattr("harness.models.hf.kv_kinds._divisible", lambda outputs: None)
    slow = LocalSampler.load(str(copy))
    with pytest.warns(UserWarning, match="cannot be kept row by row"):
        got = {each.task_id: each.text for each in slow.complete(wanted, settings)}
    assert got == expected
    assert "slower, the same samples" in slow.describe()["measured"]["uncached"]


def test_what_is_handed_to_a_model_at_each_step_does_not_grow_with_the_answer(copy, monkeypatch):
    sampler = LocalSampler.load(str(copy))
    sampler._ends = frozenset()
    handed = []
    honest = sampler._forward.tensor
    monkeypatch.setattr(sampler._forward, "tensor", lambda rows: handed.append(len(rows[0])) or honest(rows))
    sampler._precision.exact = False
    list(sampler.complete([put("x")], Decoding(max_new_tokens=30)))
    assert handed[1:] == [1] * 29


def test_several_gguf_files_and_a_missing_one_are_said(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.gguf").write_bytes(b"GGUF")
    _refused(tmp_path, r"2 GGUF files; choose with --gguf-file: a\.gguf, b\.gguf")
    _refused(tmp_path, r"c\.gguf is not there; a\.gguf, b\.gguf", gguf_file="c.gguf")
    _refused(tmp_path / "a.gguf", "gguf")
    (tmp_path / "notes.txt").write_text("x")
    _refused(tmp_path / "notes.txt", "is a file")
