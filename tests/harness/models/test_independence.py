"""A sample is a function of model, prompt, decoding, seed and number: nothing else decides."""

import random

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.base import Decoding, Request
from harness.models.hf.kv_batch import Batch
from harness.models.hf.sampler import LocalSampler
from harness.prompts import Prompt
from harness.types import Piece, PromptFormat

KINDS = ["t5", "gpt2", "codegen", "gpt-neo", "llama", "qwen2"]
NUCLEUS = Decoding(temperature=1.2, top_p=0.95, max_new_tokens=10, seed=3)
PLAIN = PromptFormat("plain", "1", lambda problem: (Piece(problem.question),), "made here")
QUESTION = "Write a function to find the sum of the list. assert add(1, 2) == 3"


def requests(samples=(0, 1, 2), tasks=range(5)):
    return [Request(Prompt(f"t/{i}", (Piece(QUESTION[: 12 + 7 * i]),), PLAIN), tuple(samples)) for i in tasks]


def programs(sampler, wanted, decoding=NUCLEUS):
    found = [(each.task_id, each.sample_id, each) for each in sampler.complete(wanted, decoding)]
    assert len(found) == sum(len(each.sample_ids) for each in wanted)
    return {(task, sample): (each.text, each.finish, each.tokens) for task, sample, each in found}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_batch_size_does_not_change_samples(tiny_checkpoint, kind):
    folder = str(tiny_checkpoint(kind))
    whole = programs(LocalSampler.load(folder), requests())
    assert len(set(whole.values())) > len(whole) // 2
    for size in (1, 8, 32):
        assert programs(LocalSampler.load(folder, batch_size=size), requests()) == whole


@pytest.mark.parametrize("kind", ["t5", "gpt2", "llama"])
def test_rows_join_others_as_these_end_and_are_the_same_samples(tiny_checkpoint, kind, monkeypatch):
    sampler = LocalSampler.load(str(tiny_checkpoint(kind)))
    whole = programs(sampler, requests())
    joined = []
    honest = Batch.join
    monkeypatch.setattr(
        Batch, "join", lambda batch, rows, slots: joined.append(batch) or honest(batch, rows, slots)
    )
    assert programs(LocalSampler(sampler._model, sampler._tokenizer, batch_size=4), requests()) == whole
    assert len(joined) > 3
    assert len(set(joined)) == 1, "one batch had all rows, in turn"


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_order_and_company_do_not_change_samples(tiny_checkpoint, kind):
    sampler = LocalSampler.load(str(tiny_checkpoint(kind)), batch_size=5)
    whole = programs(sampler, requests())
    shuffled = requests()
    random.Random(1).shuffle(shuffled)
    assert programs(sampler, shuffled) == whole
    part = programs(sampler, requests(samples=(2,), tasks=(1, 4)))
    assert part == {key: whole[key] for key in part}
    assert len(part) == 2
