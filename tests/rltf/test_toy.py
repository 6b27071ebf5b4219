"""The model and tokenizer that `rltf train` makes on the spot: exact, loadable, reproducible."""

import pytest
from cases import cases

from benchmarks.mini import load, load_introductory
from harness.errors import InputError
from harness.prompts import find_format, make_prompt

pytest.importorskip("torch")
pytest.importorskip("transformers")

from rltf.tiny_model import build_tokenizer, make_toy

SOLVED = 40


@pytest.fixture(scope="module")
def benchmark():
    return load_introductory(split="train", size=80)


@pytest.fixture(scope="module")
def tokenizer(benchmark):
    return build_tokenizer(benchmark, solved=SOLVED)


def texts_of(benchmark):
    prompt_format = find_format(benchmark)
    for problem in benchmark.problems:
        yield make_prompt(prompt_format, problem).text
        yield problem.solutions[0]


# mini's longer chains, too: lines that the tokenizer has not learned from must come back as they were.
@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("variant", [load, load_introductory])
def test_every_statement_and_program_of_mini_survives_the_round_trip(tokenizer, variant, split):
    for text in texts_of(variant(split=split, size=100)):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@cases("text", ["é = '漢'\r\n\tprint(é)\n\n\n", "", "\n", "   x", "<s", "a\0b", "\u2028"])
def test_text_unlike_mini_survives_it_too_since_every_byte_is_a_token(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token_id not in ids


def test_offsets_cut_the_text_into_its_tokens(tokenizer, benchmark):
    for text in texts_of(benchmark):
        encoded = tokenizer(text, return_offsets_mapping=True)
        assert "".join(text[start:end] for start, end in encoded["offset_mapping"]) == text
        for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
            assert tokenizer.decode([token]) == text[start:end]


def test_no_token_reaches_over_a_line_end_into_another_lines_text(tokenizer):
    for token in range(tokenizer.vocab_size):
        if token in tokenizer.all_special_ids:
            continue
        text = tokenizer.decode([token])
        before, newline, after = text.partition("\n")
        assert not newline or (not before and not after.strip(" "))


def test_digits_are_tokens_of_their_own_so_that_constants_can_be_copied(tokenizer):
    pieces = [tokenizer.decode([token]) for token in tokenizer("n = n % 107\n")["input_ids"]]
    assert pieces[-4:] == ["1", "0", "7", "\n"]


def test_programs_beyond_the_solved_ones_leave_no_trace_in_the_tokenizer(benchmark, monkeypatch):
    read = []
    problem_class = type(benchmark.problems[0])
    solutions = problem_class.solutions.fget
    monkeypatch.setattr(
        problem_class, "solutions", property(lambda self: read.append(self.task_id) or solutions(self))
    )
    build_tokenizer(benchmark, solved=5)
    assert set(read) == {problem.task_id for problem in benchmark.problems[:5]}


def test_a_benchmark_without_solutions_is_refused(benchmark):
    with pytest.raises(InputError, match="no solutions"):
        build_tokenizer(benchmark, solved=0)


def test_an_unknown_kind_is_refused_and_the_known_ones_named(benchmark, tmp_path):
    with pytest.raises(InputError, match="available: causal, seq2seq"):
        make_toy(tmp_path / "model", benchmark, kind="gpt")
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_equal_arguments_give_equal_files_and_another_seed_other_weights(benchmark, kind, tmp_path):
    folders = [tmp_path / name for name in ("one", "two", "other")]
    for folder, seed in zip(folders, (3, 3, 4), strict=True):
        make_toy(folder, benchmark, kind=kind, solved=SOLVED, seed=seed, width=32, layers=2)
    one, two, other = ({p.name: p.read_bytes() for p in folder.iterdir()} for folder in folders)
    assert one == two
    assert {name for name in one if one[name] != other[name]} == {"model.safetensors"}


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_the_folder_loads_as_any_checkpoint_does_and_writes_only_its_own_tokens(benchmark, kind, tmp_path):
    from harness.models.hf.loading import load as load_checkpoint

    make_toy(tmp_path, benchmark, kind=kind, solved=SOLVED, width=32, layers=2)
    loaded = load_checkpoint(str(tmp_path))
    prompt = make_prompt(find_format(benchmark), benchmark.problems[0]).text
    inputs = loaded.tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    out = loaded.model.generate(**inputs, max_new_tokens=5, do_sample=False)
    assert loaded.model.config.is_encoder_decoder == (kind == "seq2seq")
    assert loaded.model.config.vocab_size == len(loaded.tokenizer)
    assert out.max() < len(loaded.tokenizer)


def test_making_a_model_leaves_the_callers_random_state_alone(benchmark, tmp_path):
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make_toy(tmp_path, benchmark, solved=SOLVED, width=32, layers=1)
    assert torch.equal(torch.rand(3), expected)
