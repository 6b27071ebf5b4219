"""The characters of sampled tokens, against the bytes that each token stands for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

tokenizers = pytest.importorskip("tokenizers")

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

from harness.models.hf.stopping import StopCriteria  # noqa: E402
from harness.models.hf.token_offsets import TokenSpans  # noqa: E402

TEXT = "def f(x):\n    s = 'é日😀½'\n    return words  # é日😀\n\nprint(f(2))\n"


def byte_level() -> Tokenizer:
    """As GPT-2's, with few merges: characters beyond ASCII fall into several tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=264,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["</s>"],
        show_progress=False,
    )
    made.train_from_iterator([TEXT] * 3, trainer)
    return made


def byte_fallback() -> Tokenizer:
    """As Llama 2's: a blank in front of every text, which decoding takes off again, and bytes as tokens."""
    vocab = {"<unk>": 0, "</s>": 1, "▁": 2, **{f"<0x{byte:02X}>": 3 + byte for byte in range(256)}}
    for piece in [*"abcdefinoprstuwx0123456789=+()'#:é", "▁▁", "▁s", "▁x", "re", "or"]:
        vocab[piece] = len(vocab)
    merges = [("▁", "▁"), ("▁", "s"), ("▁", "x"), ("r", "e"), ("o", "r")]
    made = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens(["</s>"])
    return made


def fast(made: Tokenizer):
    transformers = pytest.importorskip("transformers")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>")


MADE = {"byte level": byte_level(), "byte fallback": byte_fallback()}


def bytes_of(name: str, piece: str) -> bytes:
    """What a token stands for, without the decoder."""
    if piece == "</s>":
        return b""
    if name == "byte level":
        return bytes(_unmapped()[character] for character in piece)
    return bytes([int(piece[3:5], 16)]) if piece.startswith("<0x") else piece.replace("▁", " ").encode()


def finder(made: Tokenizer) -> TokenSpans:
    def decode(tokens: list[int]) -> str:
        return made.decode(list(tokens), skip_special_tokens=True)

    return TokenSpans(decode, made.id_to_token, made.encode("a").ids[-1:])


FINDERS = {name: finder(made) for name, made in MADE.items()}


def _unmapped() -> dict[str, int]:
    """Byte-level BPE's letters: printable bytes are themselves, the others follow from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def expected(name: str, made: Tokenizer, ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
    """The text of all bytes, and of each token the characters that hold one of its bytes."""
    parts = [bytes_of(name, made.id_to_token(each)) for each in ids]
    text = b"".join(parts).decode()
    owner = [place for place, character in enumerate(text) for _ in character.encode()]
    spans, at = [], 0
    for part in parts:
        held = owner[at : at + len(part)]
        at += len(part)
        nowhere = owner[at] if at < len(owner) else len(text)
        spans.append((held[0], held[-1] + 1) if held else (nowhere, nowhere))
    return text, spans


@pytest.mark.parametrize("name", MADE)
def test_the_tokenizers_own_tokens_of_a_text(name):
    made = MADE[name]
    ids = made.encode(TEXT).ids[1:] if name == "byte fallback" else made.encode(TEXT).ids
    text, spans = expected(name, made, ids)
    endings = StopCriteria(fast(made), frozenset({99_999}), ())
    prompt = made.encode("a").ids
    assert endings.added(prompt, ids) == text
    assert list(endings.spans(prompt, ids, text)) == spans
    assert any(b - a == 1 and spans.count((a, b)) > 1 for a, b in spans)  # a character of several tokens


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(MADE)))
def test_any_tokens_that_spell_characters_whatever_the_tokenizer_would_make_of_them(data, name):
    made = MADE[name]
    some = [made.token_to_id(made.id_to_token(each)) for each in range(made.get_vocab_size())]
    plain = [each for each in some if each > 1 and _decodes(bytes_of(name, made.id_to_token(each)))]
    cut = [_bytes_as_tokens(name, made, character) for character in "é日😀\ufffd\n"]
    pieces = st.one_of(st.sampled_from(plain).map(lambda each: [each]), st.sampled_from(cut))
    ids = [token for piece in data.draw(st.lists(pieces, min_size=1, max_size=90)) for token in piece]
    text, spans = expected(name, made, ids)
    prompt = made.encode("x = ").ids
    assert FINDERS[name].find(prompt, ids, text) == spans


def _decodes(part: bytes) -> bool:
    try:
        return bool(part.decode())
    except UnicodeDecodeError:
        return False


def _bytes_as_tokens(name: str, made: Tokenizer, character: str) -> list[int]:
    if name == "byte fallback":
        return [made.token_to_id(f"<0x{byte:02X}>") for byte in character.encode()]
    letters = {byte: letter for letter, byte in _unmapped().items()}
    return [made.token_to_id(letters[byte]) for byte in character.encode()]


@pytest.mark.parametrize("name", MADE)
def test_bytes_that_are_no_characters_shift_nothing_behind_them(name):
    made = MADE[name]
    broken = _bytes_as_tokens(name, made, "😀")[:3]
    letter = made.token_to_id("x")
    newline = _bytes_as_tokens(name, made, "\n")
    ids = [letter, *broken, letter, *newline, letter]
    endings = StopCriteria(fast(made), frozenset({99_999}), ())
    text = endings.added(made.encode("a").ids, ids)
    spans = endings.spans(made.encode("a").ids, ids, text)
    assert text.endswith("x\nx")
    assert spans[0] == (0, 1)
    assert [text[a:b] for a, b in spans[-3:]] == ["x", "\n", "x"]
    assert all("\ufffd" in text[a:b] for a, b in spans[1:4])


def test_special_tokens_an_end_token_and_a_stop_string_write_nothing_of_the_text():
    made = MADE["byte level"]
    end = made.token_to_id("</s>")
    endings = StopCriteria(fast(made), frozenset({end}), ("\nprint",))
    body, stop = made.encode("x = 1").ids, made.encode("\nprint").ids
    ids = [*body, *stop]
    text, _ = endings.read((), ids)
    assert text == "x = 1"
    spans = endings.spans((), ids, text)
    assert "".join(text[a:b] for a, b in spans[: len(body)]) == text
    assert set(spans[len(body) :]) == {(5, 5)}
    ended = [*body, end]
    text, _ = endings.read((), ended)
    assert endings.spans((), ended, text)[-1] == (5, 5)
    within = [body[0], end, *body[1:]]
    text, _ = endings.read((), within)
    spans = endings.spans((), within, text)
    assert spans[1] == (spans[0][1], spans[0][1])


def test_the_blank_that_a_model_begins_with_is_its_first_tokens():
    made = MADE["byte fallback"]
    blank, letter = made.token_to_id("▁"), made.token_to_id("x")
    endings = StopCriteria(fast(made), frozenset({99_999}), ())
    prompt = made.encode("a").ids
    ids = [blank, blank, letter]
    text = endings.added(prompt, ids)
    assert text == "  x"
    assert list(endings.spans(prompt, ids, text)) == [(0, 1), (1, 2), (2, 3)]
    # A decoder of its own reads the first blank away.
    alone = endings.added((), ids)
    assert alone == " x"
    assert [alone[a:b] for a, b in endings.spans((), ids, alone)] == ["", " ", "x"]


def test_a_decoder_with_rules_of_its_own_is_followed_token_by_token():
    words = ["", "ab", "c", "é", ""]

    def decode(tokens):
        return " ".join(words[token] for token in tokens if words[token])

    spans = TokenSpans(decode, lambda token: words[token], [2]).find([2], [1, 4, 3], " ab é")
    assert [" ab é"[a:b] for a, b in spans] == [" ab", "", " é"]
