"""Rows and batches: what a model is trained to write, token by token, for both families of models."""

import json
from dataclasses import replace

import pytest
from cases import cases

pytest.importorskip("torch")
pytest.importorskip("transformers")

from benchmarks.mini import load
from harness.errors import InputError
from harness.models.base import Decoding, Request
from harness.models.hf.loading import load as load_model
from harness.models.hf.sampler import LocalSampler
from harness.models.hf.stopping import StopCriteria
from harness.prompts import find_format, make_prompt
from harness.types import Outcome, Status, TestOutcome
from rltf.data.batch import Row, Tokens, collate, rollout_row
from rltf.data.solutions import Solutions
from rltf.objectives.losses import IGNORE
from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rollout.records import Rollout, TokenCredit

BENCHMARK = load(split="train", size=5)
FORMAT = find_format(BENCHMARK)
KINDS = ["gpt2", "llama", "t5", "qwen2"]


@pytest.fixture(params=KINDS)
def loaded(request, tiny_checkpoint):
    return load_model(str(tiny_checkpoint(request.param)), device="cpu")


def tokens_of(loaded, **options) -> Tokens:
    sizes = {"max_prompt_tokens": 512, "max_target_tokens": 128} | options
    return Tokens(loaded.model, loaded.tokenizer, **sizes)


def test_a_row_is_what_the_sampler_reads_and_what_the_model_is_to_write(loaded):
    prompt = make_prompt(FORMAT, BENCHMARK.problems[0])
    row = tokens_of(loaded).solution_row(prompt, "x = 1\nprint(x)\n")
    sampler = LocalSampler(loaded.model, loaded.tokenizer, source_tokens=512)
    [read] = list(sampler._rows(Request(prompt, (0,)), Decoding(max_new_tokens=128)))
    assert tuple(row.prompt) == tuple(read.ids)
    assert loaded.tokenizer.decode(row.target, skip_special_tokens=True) == "x = 1\nprint(x)\n"
    assert row.target[-1] == loaded.tokenizer.eos_token_id
    assert loaded.tokenizer.eos_token_id not in row.target[:-1]


def test_a_row_of_a_rollout_is_its_tokens_with_what_they_earn():
    passed = {"strict": Status.PASSED}
    credit = {"coarse": TokenCredit(-0.6), "fine": TokenCredit(-0.3, (0.0, 1.0, 0.0))}
    made = Rollout(
        task_id="mini/train/0",
        group=0,
        sample_id=0,
        prompt_ids=(5, 6),
        token_ids=(7, 8, 9),
        log_probs=(-1.0, -2.0, -3.0),
        text="x",
        code="x",
        outcome=Outcome("mini/train/0", 0, passed, (TestOutcome(passed),)),
        feedback=Feedback(Category.ERROR, "name_error", Scope.LINE, 2, 0.5),
        lines_before=0,
        truncated=False,
        temperature=1.0,
        step=0,
        credit=credit,
    )
    assert rollout_row(made) == Row([5, 6], [7, 8, 9], credit, [-1.0, -2.0, -3.0])


def test_targets_longer_than_allowed_lose_their_end(loaded):
    prompt = make_prompt(FORMAT, BENCHMARK.problems[0])
    row = tokens_of(loaded, max_target_tokens=4).solution_row(prompt, "x = 1\n" * 9)
    assert len(row.target) == 4


def test_prompt_and_target_of_a_causal_model_fit_into_its_context(tiny_checkpoint):
    loaded = load_model(str(tiny_checkpoint("gpt2", n_positions=48)), device="cpu")
    tokens = tokens_of(loaded, max_prompt_tokens=None, max_target_tokens=30)
    row = tokens.solution_row(make_prompt(FORMAT, BENCHMARK.problems[0]), "print(1)\n" * 20)
    assert len(row.prompt) + len(row.target) <= 48


@pytest.mark.parametrize("seq2seq", [False, True])
def test_a_batch_pads_on_the_right_and_hides_what_is_no_target(seq2seq):
    rows = [
        Row([5, 6, 7], [8, 9]),
        Row(
            [5],
            [8, 9, 4],
            {"coarse": TokenCredit(1.0), "fine": TokenCredit(-0.5, (0.0, 1.0, 0.0))},
            [-1.0, -2.0, -4.0],
        ),
    ]
    with pytest.raises(ValueError, match="supervised rows come first"):
        collate(rows[::-1], pad_id=0, seq2seq=seq2seq)
    batch = collate(rows, pad_id=0, seq2seq=seq2seq)
    if seq2seq:
        assert batch["input_ids"].tolist() == [[5, 6, 7], [5, 0, 0]]
        assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
        assert batch["labels"].tolist() == [[8, 9, IGNORE], [8, 9, 4]]
        assert batch["weights"]["fine"].tolist() == [[0, 0, 0], [0, 1, 0]]
        assert batch["old_log_probs"].tolist() == [[0, 0, 0], [-1, -2, -4]]
    else:
        assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9], [5, 8, 9, 4, 0]]
        assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
        assert batch["labels"].tolist() == [[IGNORE, IGNORE, IGNORE, 8, 9], [IGNORE, 8, 9, 4, IGNORE]]
        assert batch["weights"]["fine"].tolist()[1] == [0, 0, 1, 0, 0]
        assert batch["old_log_probs"].tolist()[1] == [0, -1, -2, -4, 0]
    assert (batch["supervised"], batch["targets"]) == (1, (2, 3))
    assert batch["first"] == (0 if seq2seq else 1)
    assert {name: each.tolist() for name, each in batch["values"].items()} == {
        "coarse": [0.0, 1.0],
        "fine": [0.0, -0.5],
    }
    assert list(batch["weights"]) == ["fine"]


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


# --- targets are read back -----------------------------------------------------------------------


def sentencepiece(front: bool):
    """As Llama 2's: with `front`, a blank is put before every text, and taken from what is decoded."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    first = [normalizers.Prepend("▁")] if front else []
    made.normalizer = normalizers.Sequence([*first, normalizers.Replace(" ", "▁")])
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n|▁+|\w|[^\w\s▁]"), "isolated")
    strip = [decoders.Strip(content=" ", left=1, right=0)] if front else []
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    texts = [solution for problem in BENCHMARK.problems for solution in problem.solutions]
    made.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    )
    # Bytes are ordinary tokens, which the trainer knows no way to ask for.
    plain = json.loads(made.to_str())
    plain["added_tokens"] = plain["added_tokens"][:4]
    made = Tokenizer.from_str(json.dumps(plain))
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )


def lossy():
    """As T5's: line ends and indentation become one blank."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    texts = [solution for problem in BENCHMARK.problems for solution in problem.solutions]
    made.train_from_iterator(
        texts,
        trainers.UnigramTrainer(
            vocab_size=90, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def tokens_with(tiny_checkpoint, kind: str, tokenizer) -> Tokens:
    model = load_model(str(tiny_checkpoint(kind)), device="cpu").model
    return Tokens(model, tokenizer, max_prompt_tokens=512, max_target_tokens=128)


@cases("front", [True, False])
@cases("text", ["def f(x):\n    return x\n", " x = 1", "\tprint('é日')", "\n\nx", "x"])
def test_a_target_is_read_as_the_text_that_it_is_of(tiny_checkpoint, front, text):
    tokenizer = sentencepiece(front)
    tokens = tokens_with(tiny_checkpoint, "gpt2", tokenizer)
    prompt = tokenizer("ANSWER:\n").input_ids
    target = tokens.target(text, prompt)
    assert target[-1] == tokenizer.eos_token_id
    endings = StopCriteria(tokenizer, frozenset({tokenizer.eos_token_id}), ())
    assert endings.read(prompt, target)[0] == text
    alone = tokenizer(text, add_special_tokens=False).input_ids
    if front:  # as they were learned before: with a blank in front
        assert endings.read(prompt, [*alone, target[-1]])[0] == " " + text
    else:
        assert target[:-1] == alone


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_a_tokenizer_that_loses_line_ends_is_refused_before_training(tiny_checkpoint, kind):
    tokens = tokens_with(tiny_checkpoint, kind, lossy())
    with pytest.raises(InputError, match=r"cannot write 5 of the first 5 solutions: the one of mini/train/"):
        Solutions(BENCHMARK.problems, FORMAT, tokens, seed=0)


def test_solutions_that_cannot_be_written_are_left_out_and_said(tiny_checkpoint):
    tokens = tokens_with(tiny_checkpoint, "gpt2", sentencepiece(True))
    special = replace(BENCHMARK.problems[2], load_solutions=lambda: ("print('</s>')",))
    problems = [special if problem.task_id == special.task_id else problem for problem in BENCHMARK.problems]
    with pytest.warns(UserWarning, match=r"cannot write 1 of the first 5 solutions: the one of mini/train/2"):
        solutions = Solutions(problems, FORMAT, tokens, seed=0)
    targets = [tuple(row.target) for row in solutions.draw(8)]
    assert len(set(targets)) == 4
    assert targets[:4] != targets[4:]
    assert solutions.drawn >= 9
