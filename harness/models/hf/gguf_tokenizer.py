"""How text is split before byte-pair merges, as a GGUF file names it and transformers 5.23 does not read it.

Of files with a tokenizer of GPT-2's kind the library splits many as GPT-2 does, whatever `tokenizer.ggml.pre`
says; the model was then trained on other tokens than it is asked with. Covers: the splits that take digits
apart first. Of others there is a warning. Does not cover: architectures whose split the library knows.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers

_AS_GPT2 = frozenset({"default", "gpt-2", "mpt", "olmo", "jais", "trillion"})
_DIGITS_FIRST = frozenset(
    {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"}
)
"""As `llama_vocab` of llama.cpp groups them: each digit alone, then GPT-2's pattern."""


@cache
def named_split(name: str, gguf_file: str, revision: str | None) -> str:
    """What a GGUF file in a folder or repository says of it, in llama.cpp's words."""
    import gguf  # noqa: PLC0415 - an extra, which who reads such files has
    from transformers.utils.hub import cached_file  # noqa: PLC0415 - heavy

    folder = Path(name)
    if folder.is_dir():
        file = folder / gguf_file
    else:
        file = Path(str(cached_file(name, gguf_file, revision=revision)))
    field = gguf.GGUFReader(file).fields.get("tokenizer.ggml.pre")
    return "default" if field is None else str(field.contents())


def split_as(tokenizer: Any, split: str, file: str) -> None:
    """Have `tokenizer`, read from `file`, split as llama.cpp's word `split` says."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or split in _AS_GPT2:
        return
    now = backend.pre_tokenizer
    if not (isinstance(now, pre_tokenizers.ByteLevel) and now.use_regex):
        return
    if split not in _DIGITS_FIRST:
        warnings.warn(
            f"{file} has text split as {split!r} before it becomes tokens, and transformers splits it as"
            " GPT-2 does: prompts may become other tokens than the model was trained on; llama.cpp's server"
            " reads the file as it is meant (--base-url)",
            stacklevel=2,
        )
        return
    digits = pre_tokenizers.Digits(individual_digits=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([digits, now])
