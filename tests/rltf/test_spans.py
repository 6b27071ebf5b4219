"""Token masks against the text that the marked tokens cover, with tokenizers made on the spot."""

import ast

import pytest
from cases import cases
from hypothesis import given
from hypothesis import strategies as st

from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rewards.line_tokens import feedback_mask, line_mask, line_spans

tokenizers = pytest.importorskip("tokenizers")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

CORPUS = [
    "def f(x):\n    return x + 1\n\n\nprint(f(2))\n",
    "for i in range(3):\n\tif i:\n\t\tprint('é日😀', i)\n\n",
    "x = 1\r\ny  =  x\r\nprint(x)\r\n",
] * 3


def byte_level(regex: bool = True, trim: bool | None = None) -> Tokenizer:
    """As GPT-2's; with `trim` set as CodeT5's, whose post-processor trims offsets by default."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        initial_alphabet=alphabet,
        special_tokens=["<s>", "</s>", "<pad>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if trim is None:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    else:
        tokenizer.post_processor = processors.RobertaProcessing(
            ("</s>", 1), ("<s>", 0), trim_offsets=trim, add_prefix_space=False
        )
    return tokenizer


def sentencepiece(scheme: str = "always") -> Tokenizer:
    """As a converted SentencePiece model: blanks become ▁, and the text is normalised first."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    trainer = trainers.UnigramTrainer(
        vocab_size=120, unk_token="<unk>", special_tokens=["<unk>", "</s>", "<pad>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return tokenizer


def byte_fallback() -> Tokenizer:
    """As Llama's: what is not in the vocabulary, newlines with it, is spelt in tokens of one byte each."""
    vocab = {"<unk>": 0, "▁": 1, **{f"<0x{byte:02X}>": 2 + byte for byte in range(256)}}
    for character in "abcdefghijklmnopqrstuvwxyz0123456789=+()'#:":
        vocab[character] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer


TOKENIZERS = {
    "gpt2": byte_level(),
    "without a regex": byte_level(regex=False),
    "codet5": byte_level(trim=True),
    "codet5, offsets not trimmed": byte_level(trim=False),
    "sentencepiece": sentencepiece(),
    "sentencepiece, nothing prepended": sentencepiece("never"),
    "byte fallback": byte_fallback(),
}


@pytest.fixture(params=TOKENIZERS, ids=lambda name: name.replace(" ", "-"))
def tokenizer(request) -> Tokenizer:
    return TOKENIZERS[request.param]


def naive(text: str, offsets: list[tuple[int, int]], line: int) -> list[bool]:
    """The characters of a line one by one, and the tokens that hold one of them."""
    number, wanted = 1, []
    position = 0
    while position < len(text):
        if text[position] in "\r\n":
            position += 2 if text[position : position + 2] == "\r\n" else 1
            number += 1
            continue
        if number == line:
            wanted.append(position)
        position += 1
    while wanted and text[wanted[0]].isspace():
        wanted.pop(0)
    while wanted and text[wanted[-1]].isspace():
        wanted.pop()
    held = set(wanted)
    between = range(wanted[0] + 1, wanted[-1] + 1) if wanted else ()
    return [bool(held & set(range(a, b))) or (a == b and a in between) for a, b in offsets]


PROGRAMS = {
    "repeated lines": "x = 1\nprint(x)\nx = 1\nprint(x)\n",
    "tabs": "for i in range(3):\n\tif i:\n\t\tprint(i)\n",
    "spaces": "def f(x):\n    y  =  x\n    return y\n",
    "not ascii": "s = 'é日😀'\nprint('😀')\ns = 'é'",
    "carriage returns": "x = 1\r\ny = 2\r\nprint(x)\r\n",
    "lone carriage returns": "x = 1\ry = 2\rprint(x)",
    "blank lines": "\n\nx = 1\n\n\n\ny = 2\n\n",
    "trailing blanks": "x = 1   \n  \ny = 2\t\n",
    "no newline at the end": "x = 1\nprint(x",
    "not a newline to Python": "a = 'b\u2028c'\nd = 'e\x0bf'\ng = 1\n",
    "ligatures": "x = 'ﬁﬁ½'\ny = 'Å'\nz = 'ﬃ'\n",
    "one line": "x",
    "nothing": "",
}


@pytest.mark.parametrize("code", PROGRAMS.values(), ids=[name.replace(" ", "-") for name in PROGRAMS])
def test_a_lines_tokens_are_those_that_hold_its_characters(tokenizer, code):
    offsets = tokenizer.encode(code).offsets
    for line in range(1, len(line_spans(code)) + 1):
        mask = line_mask(code, offsets, line)
        assert mask == naive(code, offsets, line)
        marked = [index for index, each in enumerate(mask) if each]
        start, end = line_spans(code)[line - 1]
        assert bool(marked) == bool(code[start:end].strip())
        assert marked == list(range(marked[0], marked[-1] + 1)) if marked else True


@given(text=st.text(alphabet="ab =(\t\n\ré日😀½\u2028", max_size=40))
def test_any_line_of_any_text(text):
    for tokenizer in TOKENIZERS.values():
        offsets = tokenizer.encode(text).offsets
        for line in range(1, len(line_spans(text)) + 1):
            assert line_mask(text, offsets, line) == naive(text, offsets, line)


def test_by_hand_with_words_for_tokens():
    offsets = [(0, 0), (0, 3), (3, 4), (4, 9), (9, 15), (0, 0), (0, 0)]
    assert line_mask("a=1\nb=1/0\nprint", offsets, 1) == [False, True, False, False, False, False, False]
    assert line_mask("a=1\nb=1/0\nprint", offsets, 2) == [False, False, False, True, False, False, False]
    # A token that merges the newline with the next line's text counts to that line.
    assert line_mask("a=1\nb=1/0\nprint", offsets, 3) == [False, False, False, False, True, False, False]


def test_a_token_with_text_of_two_lines_counts_to_both():
    offsets = [(0, 2), (2, 5), (5, 7)]
    assert line_mask("a=1\nb=2", offsets, 1) == [True, True, False]
    assert line_mask("a=1\nb=2", offsets, 2) == [False, True, True]


def test_indentation_and_newline_of_their_own_are_not_the_lines():
    text, offsets = "if a:\n    b\nc", [(0, 5), (5, 6), (6, 10), (10, 11), (11, 12), (12, 13)]
    assert line_mask(text, offsets, 2) == [False, False, False, True, False, False]


def test_blanks_that_were_trimmed_to_nothing_count_within_the_line_only():
    text, offsets = "  a  b  \nc", [(2, 2), (2, 3), (4, 4), (5, 6), (8, 8), (8, 9), (9, 10)]
    assert line_mask(text, offsets, 1) == [False, True, True, True, False, False, False]


def test_of_repeated_lines_only_the_one_with_the_number_is_marked(tokenizer):
    code = "x = 1\n" * 3
    offsets = tokenizer.encode(code).offsets
    masks = [line_mask(code, offsets, line) for line in (1, 2, 3)]
    assert [sum(column) for column in zip(*masks, strict=True)].count(1) == sum(map(sum, masks))
    assert masks[0].index(True) < masks[1].index(True) < masks[2].index(True)


def test_special_tokens_and_padding_are_never_marked():
    tokenizer = byte_level(trim=True)
    tokenizer.enable_padding(length=40, pad_id=2, pad_token="<pad>")
    encoded = tokenizer.encode("x = 1\ny = 2")
    assert (encoded.tokens[0], encoded.tokens[-1], len(encoded)) == ("<s>", "<pad>", 40)
    for line in (1, 2):
        mask = line_mask("x = 1\ny = 2", encoded.offsets, line)
        special = {token for token, marked in zip(encoded.tokens, mask, strict=True) if marked}
        assert special.isdisjoint({"<s>", "</s>", "<pad>"})
        assert any(mask)


def test_padding_on_the_left_moves_the_mask():
    tokenizer = byte_level()
    plain = line_mask("x = 1\ny = 2", tokenizer.encode("x = 1\ny = 2").offsets, 2)
    tokenizer.enable_padding(length=len(plain) + 5, direction="left", pad_id=2, pad_token="<pad>")
    padded = tokenizer.encode("x = 1\ny = 2").offsets
    assert line_mask("x = 1\ny = 2", padded, 2) == [False] * 5 + plain


def test_what_truncation_cut_off_is_not_marked():
    code = "x = 1\ny = 2\nz = 3\n"
    tokenizer = byte_level()
    whole = tokenizer.encode(code)
    masks = {line: line_mask(code, whole.offsets, line) for line in (1, 2, 3)}
    cut = masks[2].index(True) + 1
    tokenizer.enable_truncation(cut)
    offsets = tokenizer.encode(code).offsets
    assert line_mask(code, offsets, 1) == masks[1][:cut]
    assert line_mask(code, offsets, 2) == masks[2][:cut]
    assert sum(masks[2][:cut]) == 1
    assert not any(line_mask(code, offsets, 3))


def test_every_token_of_a_split_character_is_marked():
    tokenizer = byte_level()
    code = "a\n😀\nb"
    encoded = tokenizer.encode(code)
    mask = line_mask(code, encoded.offsets, 2)
    covering = [offset == (2, 3) for offset in encoded.offsets]
    assert mask == covering
    assert sum(covering) > 1


@cases("line", [0, -1, 3, 10**9])
def test_a_line_that_is_not_there_marks_nothing(line):
    assert line_mask("a\nb\n", [(0, 1), (1, 2), (2, 3), (3, 4)], line) == [False] * 4


def said(scope: Scope, line: int | None = None) -> Feedback:
    return Feedback(Category.ERROR, "whatever", scope, line, 0.0)


def test_the_masks_of_the_three_scopes():
    text, offsets = "q\na\nb", [(0, 0), (0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 0)]
    assert feedback_mask(said(Scope.GLOBAL), text, offsets) == [True] * 7
    assert feedback_mask(said(Scope.IGNORE), text, offsets) == [False] * 7
    only_b = [False, False, False, False, False, True, False]
    assert feedback_mask(said(Scope.LINE, 3), text, offsets) == only_b


@cases("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_python_counts_them(newline):
    code = newline.join(["a = 1", "", "b = 'x\x0cy\u2028z\x1cw'", "\x0cc = 2", "d = (", " 3)", "e"])
    spans = line_spans(code)
    for node in ast.parse(code).body:
        start, end = spans[node.lineno - 1]
        name = node.targets[0].id if isinstance(node, ast.Assign) else node.value.id
        assert code[start:end].lstrip("\x0c").startswith(name)
    assert len(spans) == 7


@cases(
    ("code", "lines"), [("", 0), ("a", 1), ("a\n", 1), ("a\n\n", 2), ("\n", 1), ("a\r\n", 1), ("a\n\r", 2)]
)
def test_a_newline_ends_a_line_and_begins_none(code, lines):
    assert len(line_spans(code)) == lines


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["codet5-base", "gpt2"])
def test_real_tokenizers_mark_the_lines_of_real_solutions(data_dir, name):
    from harness.registry import load_benchmark

    tokenizer = real_tokenizer(data_dir / "tokenizers" / name)
    benchmark = load_benchmark("mbpp", split="train", data_dir=data_dir)
    codes = [problem.solutions[0] for problem in benchmark.problems[:40]]
    for code in [*codes, *(code.replace("\n", "\r\n") for code in codes)]:
        offsets = tokenizer.encode(code).offsets
        for line in range(1, len(line_spans(code)) + 1):
            assert line_mask(code, offsets, line) == naive(code, offsets, line)


def real_tokenizer(folder) -> Tokenizer:
    if (folder / "tokenizer.json").exists():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer = tokenizers.ByteLevelBPETokenizer.from_file(
        str(folder / "vocab.json"), str(folder / "merges.txt")
    )
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer._tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    return tokenizer
