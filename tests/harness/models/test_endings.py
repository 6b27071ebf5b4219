"""Where completions end and what text they have."""

import pytest

pytest.importorskip("transformers")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from harness.models.base import Finish
from harness.models.hf.stopping import StopCriteria


@pytest.fixture
def tokenizer(tiny_checkpoint):
    return AutoTokenizer.from_pretrained(tiny_checkpoint("gpt2"))


def written(tokenizer, text, stop=(), ends=frozenset()):
    """What is read of a model that would write `text`: token by token until the first end."""
    endings = StopCriteria(tokenizer, frozenset(ends), stop)
    tokens = []
    for token in tokenizer(text).input_ids:
        tokens.append(token)
        if endings.ended(tokens):
            break
    return (*endings.read((), tokens), len(tokens))


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("x = 1\nclass A:", ("\nclass",), "x = 1"),
        ("return 1\n\n\nprint(2)", ("\nprint", "\n\n\n"), "return 1"),
        ("a = 'é€😀' # end here", ("😀",), "a = 'é€"),
        ("x  y", (" ",), "x"),
        ("abc", ("",), "abc"),
    ],
)
def test_a_completion_ends_before_the_first_stop_string(tokenizer, text, stop, expected):
    found, finish, _ = written(tokenizer, text, stop)
    assert found == expected
    assert finish is (Finish.LENGTH if expected == text else Finish.STOP)


def test_it_stops_at_the_token_that_completes_the_stop_string(tokenizer):
    text = "def f():\n    return 1\ndef g():\n    return 2\n"
    _, _, count = written(tokenizer, text, ("\ndef",))
    ids = tokenizer(text).input_ids
    assert "\ndef" in tokenizer.decode(ids[:count])
    assert "\ndef" not in tokenizer.decode(ids[: count - 1])


def test_special_tokens_between_the_parts_of_a_stop_string_do_not_hide_it(tokenizer):
    special = tokenizer.eos_token
    text = "x" + "".join(special * 9 + letter for letter in "STOP") + " more"
    assert written(tokenizer, text, ("STOP",))[:2] == ("x", Finish.STOP)


def test_an_end_token_ends_it_and_is_counted_but_not_written(tokenizer):
    end = tokenizer.eos_token_id
    assert written(tokenizer, "ab<|endoftext|>cd", ends={end}) == ("ab", Finish.STOP, 3)


def test_a_leading_blank_survives_a_tokenizer_that_drops_it():
    vocabulary = {token: place for place, token in enumerate(["<unk>", "▁def", ":", "▁▁▁▁return", "▁x"])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)
    assert tokenizer.decode([3, 4]) == "   return x"
    endings = StopCriteria(tokenizer, frozenset(), ())
    assert endings.read([1, 2], [3, 4])[0] == "    return x"


def test_a_prompt_that_ends_within_a_character_costs_no_text(tokenizer):
    ids = tokenizer("é = 1").input_ids
    assert StopCriteria(tokenizer, frozenset(), ()).read(ids[:1], ids[1:])[0].endswith(" = 1")
