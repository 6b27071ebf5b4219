"""Prompts as records: what a hash sees, which formats a benchmark has, and how a prompt is made to fit."""

from dataclasses import replace

import pytest
from cases import cases

from harness.errors import InputError
from harness.extraction import RULES, extract_program
from harness.prompts import TRUNCATIONS, find_format, fit, format_hash, formats_of, make_prompt
from harness.prompts.chat import CHAT
from harness.prompts.examples import EXAMPLES
from harness.prompts.tokenizer import load_tokenizer
from harness.registry import load_benchmark
from harness.types import (
    AssertTest,
    Benchmark,
    ExtractionRule,
    Piece,
    Problem,
    PromptFormat,
    TestKind,
    TestSuite,
)

STDIN, ASSERTS = EXAMPLES[0], EXAMPLES[-1]
HEAD, TAIL = "Q :\n", "\nFormat line\nANSWER :\n"
WORDS = " ".join(f"word{i}" for i in range(100))


def framed(problem: Problem):
    return (Piece(HEAD), Piece(problem.question, cut=True), Piece(TAIL))


FRAMED = PromptFormat("framed", "1", framed, "made here", stop=("\nQ",))


def prompt_of(question: str, form: PromptFormat = FRAMED):
    suite = TestSuite.pack(TestKind.STDIN, [])
    return make_prompt(form, Problem("made/1", question, lambda: suite))


def words(text: str) -> list[int]:
    """A toy tokenizer: a token for each word, and an end token."""
    return [*range(len(text.split())), -1]


def first_words(ids) -> str:
    return " ".join(prompt_of(WORDS).text.split()[: len([each for each in ids if each >= 0])])


def benchmark(**prompts) -> Benchmark:
    return Benchmark("made", "test", "1", [STDIN], "hash", "made here", prompts=prompts)


# Hash and version


@cases(
    "change",
    [
        {"name": "other"},
        {"version": "2"},
        {"stop": ()},
        {"extraction": "chat"},
        {"extraction": ExtractionRule("mine", "1", ())},
        {"in_program": True},
        {"chat": True},
        {"kinds": (TestKind.STDIN,)},
        {"build": lambda problem: (Piece(HEAD), Piece(problem.question, cut=True), Piece(TAIL + " "))},
        {"build": lambda problem: tuple(replace(piece, cut=False) for piece in framed(problem))},
        {"build": lambda problem: (replace(framed(problem)[0], role="system"), *framed(problem)[1:])},
    ],
)
def test_a_hash_changes_with_all_that_a_format_decides(change):
    assert format_hash(replace(FRAMED, **change)) != format_hash(FRAMED)


def test_the_version_of_a_rule_of_ones_own_is_in_the_hash():
    one, two = (replace(FRAMED, extraction=ExtractionRule("mine", version, ())) for version in "12")
    assert format_hash(one) != format_hash(two)
    assert extract_program("answer", make_prompt(one, STDIN)).rule == "mine"


def test_pieces_of_one_role_in_a_row_are_one_message():
    pieces = (Piece("Be brief.", role="system"), Piece("Add "), Piece("1 and 2.", cut=True))
    prompt = make_prompt(replace(FRAMED, build=lambda problem: pieces), STDIN)
    assert prompt.messages == (("system", "Be brief."), ("user", "Add 1 and 2."))
    assert prompt.text == "Be brief.\n\nAdd 1 and 2."
    shorter = fit(prompt, 4, words, first_words)
    assert [role for role, _ in shorter.messages] == ["system", "user"]
    assert shorter.shortened


def test_a_hash_is_the_formats_and_not_the_problems_nor_the_sources():
    assert prompt_of("a").hash == prompt_of("b").hash == format_hash(replace(FRAMED, source="elsewhere"))
    assert (prompt_of("a").name, prompt_of("a").version) == ("framed", "1")


def test_the_hash_of_chat_is_pinned_so_that_a_change_of_its_words_raises_its_version():
    assert (CHAT.version, format_hash(CHAT)[:16]) == ("2", "45eda0b39a6e5b4f")


def test_a_prompt_is_its_pieces_in_order():
    assert prompt_of("the question").text == HEAD + "the question" + TAIL
    assert not prompt_of("the question").shortened


# Formats of a benchmark


def test_every_benchmark_has_chat_and_its_first_format_is_the_default():
    assert list(formats_of(benchmark())) == ["chat"]
    assert find_format(benchmark()) is CHAT
    assert list(formats_of(benchmark(framed=FRAMED))) == ["framed", "chat"]
    assert find_format(benchmark(framed=FRAMED)) is FRAMED
    own = replace(FRAMED, name="chat")
    assert find_format(benchmark(chat=own), "chat") is own


def test_an_unknown_format_is_refused_with_those_that_exist():
    with pytest.raises(InputError, match="made has no prompt format 'chta'; available: framed, chat"):
        find_format(benchmark(framed=FRAMED), "chta")


@cases("target", ["nowhere.at.all:X", "harness.types:NOTHING", "harness.types", "harness.types:Piece"])
def test_a_format_named_in_a_string_that_is_none_is_an_error_with_its_name(target):
    with pytest.raises(InputError, match=r"benchmark 'made': .*prompt format 'x'"):
        formats_of(benchmark(x=target))


def test_a_format_refuses_a_kind_of_problem_that_it_has_no_words_for():
    with pytest.raises(
        InputError, match=r"example/asserts: prompt format 'framed' is for .*stdin.*use the format 'chat'"
    ):
        make_prompt(replace(FRAMED, kinds=(TestKind.STDIN,)), ASSERTS)


def test_every_format_names_an_extraction_rule_that_exists():
    for form in formats_of(load_benchmark("mini")).values():
        assert form.extraction in RULES


# Chat


@cases("problem", EXAMPLES)
def test_chat_asks_for_one_fenced_block_whatever_the_kind_of_problem(problem):
    text = make_prompt(CHAT, problem).text
    assert problem.question in text
    assert text.endswith("```python and holds the complete program, and with nothing after it.\n")
    assert problem.starter_code.strip() in text
    kind = problem.suite.kind
    assert ("standard input" in text) == (kind is TestKind.STDIN)
    assert ("`f`" in text) == (kind in (TestKind.CALL, TestKind.ASSERTS))


@cases(
    "seen",
    [0, 1, 2],
)
def test_chat_shows_the_tests_that_a_benchmark_calls_public_and_no_others(seen):
    text = make_prompt(CHAT, replace(ASSERTS, public_tests=ASSERTS.suite.tests()[:seen])).text
    assert [test in text for test in ("assert f(1) == 2", "assert f(2) == 3")] == [seen > 0, seen > 1]
    assert ("must define `f`" in text) == (seen == 0)


@cases(
    ("asserts", "named"),
    [
        (["assert g(f(1)) == 2", "assert set(f(2)) == {3}"], "must define `f`"),
        (["assert f(1)", "assert g(1)"], None),
        (["assert len([]) == 0"], None),
        (["assert f(", "assert f(1)"], None),
    ],
)
def test_the_function_that_hidden_asserts_call_is_named_where_they_agree_on_one(asserts, named):
    suite = TestSuite.pack(TestKind.ASSERTS, [AssertTest(source) for source in asserts])
    text = make_prompt(CHAT, replace(ASSERTS, load_suite=lambda: suite)).text
    assert ("must define" in text) == (named is not None)
    assert (named or "Statement") in text
    assert not any(source in text for source in asserts)


# Fit


@cases("how", TRUNCATIONS)
def test_a_prompt_that_fits_is_left_alone(how):
    prompt = prompt_of(WORDS)
    assert fit(prompt, len(words(prompt.text)), words, first_words, truncation=how) is prompt


@cases("how", ["end", "middle"])
@cases("limit", [8, 9, 20, 105])
def test_a_long_prompt_keeps_its_frame_and_as_much_of_its_question_as_fits(how, limit):
    prompt = prompt_of(WORDS)
    fitted = fit(prompt, limit, words, first_words, truncation=how)
    assert fitted.shortened
    assert fitted.text.startswith(HEAD)
    assert fitted.text.endswith(TAIL)
    assert limit - 1 <= len(words(fitted.text)) <= limit
    assert (fitted.hash, fitted.task_id) == (prompt.hash, prompt.task_id)


def test_the_end_or_the_middle_of_the_question_is_lost():
    prompt = prompt_of(WORDS)
    end = fit(prompt, 20, words, first_words).pieces[1].text
    assert WORDS.startswith(end)
    middle = fit(prompt, 20, words, first_words, truncation="middle").pieces[1].text
    assert middle.startswith("word0 word1")
    assert middle.endswith("word98 word99")


def test_the_references_way_loses_the_frames_end():
    prompt = prompt_of(WORDS)
    fitted = fit(prompt, 20, words, first_words, truncation="reference")
    assert fitted.text == " ".join(prompt.text.split()[:19])  # and the end token
    assert "ANSWER" not in fitted.text
    assert fitted.shortened


def test_the_longest_piece_is_cut_first_and_the_next_only_if_that_is_not_enough():
    pieces = (Piece("keep "), Piece("a b c", cut=True), Piece(" " + WORDS, cut=True), Piece(" end"))
    prompt = replace(prompt_of(""), pieces=pieces)
    assert fit(prompt, 10, words, first_words).pieces[1].text == "a b c"
    assert fit(prompt, 5, words, first_words).text.split() == ["keep", "a", "b", "end"]


def test_a_prompt_with_nothing_left_to_cut_is_refused_with_numbers():
    with pytest.raises(
        InputError, match=r"made/1: the prompt has 7 tokens in the parts that may not be cut.*6 fit"
    ):
        fit(prompt_of(WORDS), 6, words, first_words)


@pytest.mark.parametrize(
    ("limit", "how", "error"), [(0, "end", "cut to 0 tokens"), (5, "ned", "available: end, middle")]
)
def test_a_limit_or_a_way_that_makes_no_sense_is_refused(limit, how, error):
    with pytest.raises(InputError, match=error):
        fit(prompt_of(WORDS), limit, words, first_words, truncation=how)


def test_a_tokenizer_with_special_tokens_larger_than_the_limit_is_refused():
    with pytest.raises(InputError, match="even an empty prompt has more than 2 tokens"):
        fit(prompt_of(WORDS), 2, lambda text: [0, 1, 2, *words(text)], first_words, truncation="reference")


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["gpt2", "codet5-base"])
def test_real_tokenizers_cut_real_questions_to_the_limit_and_keep_the_answer_line(name, data_dir):
    pytest.importorskip("tokenizers")
    encode, decode = load_tokenizer(data_dir / "tokenizers" / name)
    mini = load_benchmark("mini")
    question = "".join(each.question for each in mini.problems[:20]) + "naïve – 漢字 🙂 " * 50
    form = find_format(mini, "inference")
    problem = replace(mini.problems[0], question=question)
    prompt = make_prompt(form, problem)
    for limit in (64, 600, 800):
        for how in ("end", "middle"):
            fitted = fit(prompt, limit, encode, decode, truncation=how)
            assert limit - 3 <= len(encode(fitted.text)) <= limit
            assert fitted.text.endswith("\nUse Standard Input format\nANSWER:\n")
            assert "\ufffd" not in fitted.text
        cut = fit(prompt, limit, encode, decode, truncation="reference")
        assert len(encode(cut.text)) <= limit
        assert "ANSWER:" not in cut.text
        assert prompt.text.startswith(cut.text.rstrip("\ufffd"))
        # T5's ids as the reference has them at generation: cut in front of the end token.
        assert encode(cut.text)[:-1] == encode(prompt.text)[: len(encode(cut.text)) - 1]


@pytest.mark.data
def test_the_codet5_tokenizer_adds_its_start_and_end(data_dir):
    pytest.importorskip("tokenizers")
    encode, decode = load_tokenizer(data_dir / "tokenizers" / "codet5-base")
    ids = encode("def f(x):\n    return x\n")
    assert (ids[0], ids[-1]) == (1, 2)
    assert decode(ids) == "def f(x):\n    return x\n"
    assert ids.count(1) == ids.count(2) == 1


def test_files_that_are_no_tokenizer_are_refused_with_a_fix(tmp_path):
    pytest.importorskip("tokenizers")
    with pytest.raises(InputError, match=r"holds neither tokenizer.json nor vocab.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"not a tokenizer .*name a tokenizer.json"):
        load_tokenizer(tmp_path)
