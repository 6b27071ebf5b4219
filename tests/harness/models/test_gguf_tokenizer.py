"""Prompts of a GGUF file become the tokens that llama.cpp makes of them."""

import warnings

import pytest
from cases import cases

pytest.importorskip("transformers", reason="reads tokenizers")

from tokenizers import Tokenizer, models, pre_tokenizers

from harness.models.hf.gguf_tokenizer import split_as


class AsTransformersReadsIt:
    """Whatever the file says."""

    def __init__(self):
        self.backend_tokenizer = Tokenizer(models.BPE())
        self.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)

    def pieces(self, text):
        found = self.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)
        return [text[start:end] for _, (start, end) in found]


@cases(
    ("split", "pieces"),
    [
        ("smollm", ["x", "\n    ", "1", "2", ".", "5"]),  # as llama.cpp gives them for SmolLM2
        ("gpt-2", ["x", "\n   ", " 12", ".", "5"]),
    ],
)
def test_digits_stand_alone_where_the_file_says_so(split, pieces):
    tokenizer = AsTransformersReadsIt()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split_as(tokenizer, split, "model.gguf")
    assert tokenizer.pieces("x\n    12.5") == pieces


def test_a_split_that_the_library_does_not_make_is_said():
    with pytest.warns(UserWarning, match=r"model\.gguf has text split as 'tekken'"):
        split_as(AsTransformersReadsIt(), "tekken", "model.gguf")
