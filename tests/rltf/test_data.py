"""Rows and batches: what a model is trained to write, token by token, for both families of models."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from benchmarks.mini import load
from harness.errors import InputError
from harness.generate.loading import load as load_model
from harness.generate.local import LocalSampler
from harness.generate.types import Decoding, Request
from harness.prompts import find_format, make_prompt
from rltf.buffer import Experience
from rltf.data import Row, Solutions, Tokens, collate
from rltf.feedback import Category, Feedback, Scope
from rltf.losses import IGNORE
from rltf.rewards import Reward

BENCHMARK = load(split="train", size=5)
FORMAT = find_format(BENCHMARK)
KINDS = ["gpt2", "llama", "t5", "qwen2"]


@pytest.fixture(params=KINDS)
def loaded(request, tiny_checkpoint):
    return load_model(str(tiny_checkpoint(request.param)), device="cpu")


def tokens_of(loaded, **options) -> Tokens:
    sizes = {"max_prompt_tokens": 512, "max_target_tokens": 128} | options
    return Tokens(loaded.model, loaded.tokenizer, **sizes)


def experience(text: str, said: Feedback, *, ended: bool = True) -> Experience:
    return Experience(
        "mini/train/0", "\nQUESTION:\nAdd.\n", text, ended, said, Reward(-0.6, -0.3, 0.1), 1.0, 0
    )


LINE_2 = Feedback(Category.ERROR, "name_error", Scope.LINE, 2, 0.5)


def test_a_row_is_what_the_sampler_reads_and_what_the_model_wrote(loaded):
    prompt = make_prompt(FORMAT, BENCHMARK.problems[0])
    row = tokens_of(loaded).solution_row(prompt, "x = 1\nprint(x)\n")
    sampler = LocalSampler(loaded.model, loaded.tokenizer, source_tokens=512)
    [read] = list(sampler._rows(Request(prompt, (0,)), Decoding(max_new_tokens=128)))
    assert tuple(row.prompt) == tuple(read.ids)
    assert loaded.tokenizer.decode(row.target, skip_special_tokens=True) == "x = 1\nprint(x)\n"
    assert row.target[-1] == loaded.tokenizer.eos_token_id
    assert loaded.tokenizer.eos_token_id not in row.target[:-1]


def test_a_truncated_program_has_no_end_token(loaded):
    tokens = tokens_of(loaded)
    ended = tokens.experience_row(experience("x = 1", LINE_2), FORMAT).target
    cut = tokens.experience_row(experience("x = 1", LINE_2, ended=False), FORMAT).target
    assert ended == [*cut, loaded.tokenizer.eos_token_id]


def test_the_span_holds_the_tokens_of_the_blamed_line(loaded):
    row = tokens_of(loaded).experience_row(experience("a = 1\nb = c\nd = 2\n", LINE_2), FORMAT)
    blamed = [token for token, marked in zip(row.target, row.span, strict=True) if marked]
    assert loaded.tokenizer.decode(blamed).strip() == "b = c"


def test_targets_longer_than_allowed_lose_their_end(loaded):
    row = tokens_of(loaded, max_target_tokens=4).experience_row(experience("x = 1\n" * 9, LINE_2), FORMAT)
    assert len(row.target) == len(row.span) == 4


def test_prompt_and_target_of_a_causal_model_fit_into_its_context(tiny_checkpoint):
    loaded = load_model(str(tiny_checkpoint("gpt2", n_positions=48)), device="cpu")
    tokens = tokens_of(loaded, max_prompt_tokens=None, max_target_tokens=30)
    row = tokens.solution_row(make_prompt(FORMAT, BENCHMARK.problems[0]), "print(1)\n" * 20)
    assert len(row.prompt) + len(row.target) <= 48


@pytest.mark.parametrize("seq2seq", [False, True])
def test_a_batch_pads_on_the_right_and_hides_what_is_no_target(seq2seq):
    rows = [
        Row([5, 6, 7], [8, 9], [False, False], None),
        Row([5], [8, 9, 4], [False, True, False], Reward(1.0, -0.3, 0.5)),
    ]
    batch = collate(rows, pad_id=0, seq2seq=seq2seq)
    if seq2seq:
        assert batch["input_ids"].tolist() == [[5, 6, 7], [5, 0, 0]]
        assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
        assert batch["labels"].tolist() == [[8, 9, IGNORE], [8, 9, 4]]
        assert batch["spans"].tolist() == [[False, False, False], [False, True, False]]
    else:
        assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9], [5, 8, 9, 4, 0]]
        assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
        assert batch["labels"].tolist() == [[IGNORE, IGNORE, IGNORE, 8, 9], [IGNORE, 8, 9, 4, IGNORE]]
        assert batch["spans"].tolist()[1] == [False, False, True, False, False]
    assert batch["is_rl"].tolist() == [False, True]
    assert [batch[name].tolist() for name in ("coarse", "adaptive")] == [[0.0, 1.0], [0.0, 0.5]]


def test_solutions_come_once_a_pass_and_go_on_from_their_place(tiny_checkpoint):
    loaded = load_model(str(tiny_checkpoint("gpt2")), device="cpu")

    def solutions() -> Solutions:
        return Solutions(BENCHMARK.problems, FORMAT, tokens_of(loaded), seed=1)

    straight, resumed = solutions(), solutions()
    drawn = straight.draw(10)
    targets = [tuple(row.target) for row in drawn]
    assert sorted(targets[:5]) == sorted(targets[5:])
    resumed.drawn = 7
    assert resumed.draw(6) == drawn[7:] + straight.draw(3)


def test_processes_share_the_solutions_without_overlap(tiny_checkpoint):
    loaded = load_model(str(tiny_checkpoint("gpt2")), device="cpu")
    tokens = tokens_of(loaded)
    drawn = [
        {
            tuple(row.prompt)
            for row in Solutions(BENCHMARK.problems, FORMAT, tokens, seed=1, share=(rank, 2)).draw(n)
        }
        for rank, n in ((0, 3), (1, 2))
    ]
    assert not drawn[0] & drawn[1]
    assert len(drawn[0] | drawn[1]) == 5


def test_a_tokenizer_without_offsets_is_refused(tiny_checkpoint):
    loaded = load_model(str(tiny_checkpoint("gpt2")), device="cpu")

    class Slow:
        is_fast = False

    with pytest.raises(InputError, match="use a fast one"):
        Tokens(loaded.model, Slow(), max_prompt_tokens=8, max_target_tokens=8)
