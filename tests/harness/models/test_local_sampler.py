"""Sampling from a model in memory: beside the library's own decoding, out of memory, in training."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from harness.errors import InputError
from harness.models import Decoding, Finish, Request
from harness.models.hf.kv_batch import Batch
from harness.models.hf.sampler import LocalSampler
from harness.prompts import Prompt
from harness.types import Piece, PromptFormat

QUESTION = "Write a function to find the sum of the list. assert add(1, 2) == 3"
GREEDY = Decoding(greedy=True, max_new_tokens=12)
SAMPLED = Decoding(temperature=1.1, top_p=0.95, max_new_tokens=12)


def put(text, *, task="t/0", samples=(0,), stop=(), chat=False):
    put_format = PromptFormat("plain", "1", lambda problem: (), "made here", stop=stop, chat=chat)
    pieces = (Piece("Q: "), Piece(text, cut=True), Piece("\nANSWER:\n"))
    return Request(Prompt(task, pieces, put_format), tuple(samples))


def loaded(folder):
    kind = transformers.AutoConfig.from_pretrained(folder).is_encoder_decoder
    family = transformers.AutoModelForSeq2SeqLM if kind else transformers.AutoModelForCausalLM
    return family.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)


def texts(sampler, requests, decoding=SAMPLED):
    return {(each.task_id, each.sample_id): each.text for each in sampler.complete(requests, decoding)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["t5", "gpt2", "codegen", "gpt-neo", "llama", "qwen2"])
def test_greedy_decoding_equals_the_librarys(tiny_checkpoint, kind):
    model, tokenizer = loaded(tiny_checkpoint(kind))
    wanted = [put(QUESTION[:length], task=f"t/{length}") for length in (9, 30, 60)]
    ours = texts(LocalSampler(model, tokenizer), wanted, GREEDY)
    for request in wanted:
        inputs = tokenizer(request.prompt.text, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        written = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0]
        start = 0 if model.config.is_encoder_decoder else inputs.input_ids.shape[1]
        assert ours[request.task_id, 0] == tokenizer.decode(written[start:], skip_special_tokens=True)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "shift"), [("t5", 2e-3), ("gpt2", 2e-2)])
def test_a_batch_that_shifts_every_prediction_changes_no_sample(tiny_checkpoint, kind, shift, monkeypatch):
    model, tokenizer = loaded(tiny_checkpoint(kind))
    wanted = [put(QUESTION[:length], task=f"t/{length}", samples=range(6)) for length in (9, 30)]
    quiet = texts(LocalSampler(model, tokenizer), wanted)
    generator = torch.Generator().manual_seed(0)

    def shaken(logits):
        noise = torch.rand(logits.shape, generator=generator) * 2 - 1
        return logits + noise * shift * logits.abs().amax(-1, keepdim=True)

    for name in ("join", "after"):
        honest = getattr(Batch, name)
        monkeypatch.setattr(Batch, name, lambda *a, honest=honest: shaken(honest(*a)))
    careless = LocalSampler(model, tokenizer)
    careless._precision.exact = False
    assert texts(careless, wanted) != quiet, "the shifts were too small to test anything"
    careful = LocalSampler(model, tokenizer)
    careful._precision.tolerance = 1.5 * shift
    assert texts(careful, wanted) == quiet
    assert 0 < careful.describe()["measured"]["made_again"] < careful.describe()["measured"]["steps"]


def test_a_difference_that_is_seen_raises_the_tolerance(tiny_checkpoint):
    sampler = LocalSampler(*loaded(tiny_checkpoint("gpt2")))
    sampler._precision.saw(1e-3)
    assert sampler._precision.tolerance == pytest.approx(4e-3)
    sampler._precision.saw(1e-9)
    assert sampler.describe()["measured"]["tolerance"] == pytest.approx(4e-3)


class Scarce:
    """Memory for a number of rows; more of them fail as a device does, at the fifth token."""

    def __init__(self, monkeypatch, rows, error):
        self.sizes = []
        honest = Batch.after

        def after(batch, tokens):
            self.sizes.append(len(tokens))
            batch.steps = getattr(batch, "steps", 0) + 1
            if len(tokens) > rows and batch.steps == 5:
                raise error
            return honest(batch, tokens)

        monkeypatch.setattr(Batch, "after", after)


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    MemoryError(),
]


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS)
def test_the_batch_halves_when_memory_runs_out_and_nothing_is_lost(tiny_checkpoint, monkeypatch, error):
    model, tokenizer = loaded(tiny_checkpoint("gpt2"))
    wanted = [put(QUESTION, task=f"t/{task}", samples=range(4)) for task in range(5)]
    whole = texts(LocalSampler(model, tokenizer), wanted)
    scarce = Scarce(monkeypatch, 6, error)
    sampler = LocalSampler(model, tokenizer)
    answers = list(sampler.complete(wanted, SAMPLED))
    assert {(each.task_id, each.sample_id): each.text for each in answers} == whole
    assert len(answers) == 20
    assert scarce.sizes[0] == 20
    assert scarce.sizes[-1] <= 6
    sizes_before = len(scarce.sizes)
    list(sampler.complete(wanted, SAMPLED))
    assert max(scarce.sizes[sizes_before:]) <= 6, "it forgot what it had learnt"


@pytest.mark.slow
def test_one_sample_that_does_not_fit_is_said_with_what_to_do(tiny_checkpoint, monkeypatch):
    Scarce(monkeypatch, 0, MemoryError())
    sampler = LocalSampler(*loaded(tiny_checkpoint("gpt2")))
    with pytest.raises(InputError, match=r"t/0: memory does not suffice for one sample .* fewer new tokens"):
        list(sampler.complete([put(QUESTION, samples=(0, 1, 2))], SAMPLED))


def test_other_errors_of_the_model_are_not_taken_for_lack_of_memory(tiny_checkpoint, monkeypatch):
    Scarce(monkeypatch, 0, RuntimeError("shapes do not match"))
    sampler = LocalSampler(*loaded(tiny_checkpoint("gpt2")))
    with pytest.raises(RuntimeError, match="shapes"):
        list(sampler.complete([put(QUESTION)], SAMPLED))


def test_a_model_in_training_is_sampled_in_eval_mode_and_handed_back_as_it_was(tiny_checkpoint):
    model, tokenizer = loaded(tiny_checkpoint("gpt2"))
    expected = texts(LocalSampler(model.eval(), tokenizer), [put(QUESTION, samples=range(3))])
    model.train()
    model.transformer.h[0].eval()
    modes = [module.training for module in model.modules()]
    answers = LocalSampler(model, tokenizer).complete([put(QUESTION, samples=range(3))], SAMPLED)
    got = {}
    for each in answers:
        got[each.task_id, each.sample_id] = each.text
        assert [module.training for module in model.modules()] == modes
        assert torch.is_grad_enabled()
    assert got == expected
    loss = model(torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss
    loss.backward()


def test_changed_weights_change_the_next_samples(tiny_checkpoint):
    model, tokenizer = loaded(tiny_checkpoint("llama"))
    sampler = LocalSampler(model, tokenizer)
    before = texts(sampler, [put(QUESTION, samples=range(3))])
    with torch.no_grad():
        model.lm_head.weight.mul_(-1)
    assert texts(sampler, [put(QUESTION, samples=range(3))]) != before


@pytest.mark.slow
def test_completions_come_as_their_rows_end(tiny_checkpoint, monkeypatch):
    model, tokenizer = loaded(tiny_checkpoint("gpt2"))
    scarce = Scarce(monkeypatch, 99, MemoryError())
    long = Decoding(temperature=1.0, max_new_tokens=200, seed=1)
    finishes = {}
    for each in LocalSampler(model, tokenizer).complete([put(QUESTION, samples=range(12))], long):
        finishes[each.sample_id] = (each.finish, each.tokens, len(scarce.sizes), min(scarce.sizes or [12]))
    stopped = [value for value in finishes.values() if value[0] is Finish.STOP]
    assert 0 < len(stopped) < 12
    for _, tokens, steps, _ in stopped:
        assert steps == tokens - 1, "it was held back"
    assert min(scarce.sizes) < 12, "ended rows were computed to the end"


def test_the_checkpoints_own_generation_settings_do_not_count(tiny_checkpoint):
    model, tokenizer = loaded(tiny_checkpoint("gpt2"))
    expected = texts(LocalSampler(model, tokenizer), [put(QUESTION)], GREEDY)
    model.generation_config.update(repetition_penalty=9.0, forced_eos_token_id=3, top_k=1, min_length=50)
    assert texts(LocalSampler(model, tokenizer), [put(QUESTION)], GREEDY) == expected


def test_predictions_that_are_not_numbers_are_refused(tiny_checkpoint):
    model, tokenizer = loaded(tiny_checkpoint("gpt2"))
    model.transformer.ln_f.weight.data[0] = torch.nan
    with pytest.raises(InputError, match=r"not numbers .* float32"):
        list(LocalSampler(model, tokenizer).complete([put(QUESTION)], SAMPLED))


def test_half_precision_is_said_not_to_be_independent_of_the_batch(tiny_checkpoint):
    model, tokenizer = loaded(tiny_checkpoint("llama"))
    assert LocalSampler(model, tokenizer).describe()["independent_of_batch"] is True
    half = LocalSampler(model.to(torch.bfloat16), tokenizer)
    assert half.describe()["independent_of_batch"] is False
    assert len(texts(half, [put(QUESTION, samples=range(3))])) == 3


def test_float32_whose_products_are_rounded_is_said_not_to_be_independent_either(
    tiny_checkpoint, monkeypatch
):
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "high")
    sampler = LocalSampler(*loaded(tiny_checkpoint("llama")))
    assert sampler.describe()["independent_of_batch"] is False
