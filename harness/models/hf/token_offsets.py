"""Which characters of an answer each of its sampled tokens wrote.

From the bytes that each token stands for, since what was sampled need not be what the tokenizer would make of
the text: a token that holds a part of a character has that character, one that writes nothing has none. What
the bytes spell is compared with what the decoder said. Where they differ (a decoder with rules of its own),
the answer is decoded token by token instead; a character in several tokens is then its last one's alone.
Covers: byte-level tokens (GPT-2's), tokens of one byte each (SentencePiece's byte fallback), plain ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby

Span = tuple[int, int]

_BROKEN = "\ufffd"
"""What a decoder writes for bytes that are no character, or not one yet."""
_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")


def _byte_letters() -> dict[str, int]:
    """Byte-level BPE's letters: printable Latin-1 stands for itself, other bytes for U+0100 on, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


_LETTERS = _byte_letters()


class TokenSpans:
    """Finds the characters of the tokens of one model."""

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        name: Callable[[int], str | None],
        anchor: Sequence[int],
    ) -> None:
        """
        Args:
            decode: Text of token ids, special ones left out.
            name: A token as the vocabulary spells it.
            anchor: Tokens of some ordinary text: what is read behind them is not at the beginning.
        """
        self._decode = decode
        self._name = name
        self._anchor = tuple(anchor)
        self._before = decode(self._anchor)
        self._bytes = lru_cache(maxsize=None)(self._stands_for)

    def find(self, prompt: Sequence[int], tokens: Sequence[int], text: str) -> list[Span]:
        """First character and the one behind the last, in `text`, of each token; the same twice for none.

        Args:
            prompt: What stands before, as far as it is read with the answer.
            tokens: Sampled, the end token left out.
            text: What they spell behind the prompt.
        """
        spelt, spans = _spelt([self._bytes(token) for token in tokens])
        # A decoder of an answer alone may drop the blank that it begins with.
        dropped = len(spelt) - len(text)
        if spelt == text or (dropped > 0 and spelt.endswith(text) and not spelt[:dropped].strip()):
            return [(max(0, first - dropped), max(0, last - dropped)) for first, last in spans]
        return self._one_by_one(prompt, tokens, len(text))

    def _stands_for(self, token: int) -> tuple[bytes, bool]:
        """A token's bytes, and whether it is a fallback for one."""
        both = self._decode([*self._anchor, token])
        piece = both[len(self._before) :] if both.startswith(self._before) else self._decode([token])
        name = self._name(token) or ""
        fallback = _FALLBACK.fullmatch(name)
        if fallback and piece:  # else it is left out, as special tokens are
            return bytes([int(fallback[1], 16)]), True
        if _BROKEN in piece and all(letter in _LETTERS for letter in name):
            return bytes(_LETTERS[letter] for letter in name), False
        return piece.encode(errors="surrogatepass"), False

    def _one_by_one(self, prompt: Sequence[int], tokens: Sequence[int], length: int) -> list[Span]:
        before = len(self._decode(prompt))
        spans: list[Span] = []
        first = 0
        for count in range(1, len(tokens) + 1):
            last = len(self._decode([*prompt, *tokens[:count]])) - before
            last = min(max(last, first), length)
            spans.append((first, last))
            first = last
        return spans


def _spelt(parts: Sequence[tuple[bytes, bool]]) -> tuple[str, list[Span]]:
    """The text of all parts, and the characters that hold a byte of each."""
    written = [part for part in parts if part[0]]
    text, owners = "", list[int]()
    for fallback, run in groupby(written, key=lambda part: part[1]):
        decoded = list(_characters(b"".join(part for part, _ in run), each_alone=fallback))
        for place, (_, count) in enumerate(decoded, len(text)):
            owners += [place] * count
        text += "".join(character for character, _ in decoded)
    owners.append(len(text))
    spans, at = [], 0
    for part, _ in parts:
        last = owners[at + len(part) - 1] + 1 if part else owners[at]
        spans.append((owners[at], last))
        at += len(part)
    return text, spans


def _characters(data: bytes, *, each_alone: bool) -> Iterator[tuple[str, int]]:
    """Characters with the number of their bytes.

    Args:
        data: Perhaps no UTF-8.
        each_alone: Byte fallback's way with a run that is no UTF-8: every byte is a broken character.
            Otherwise each longest beginning of a character is one.
    """
    start = 0
    while start < len(data):
        try:
            good, stop = data[start:].decode(), len(data)
            broken = 0
        except UnicodeDecodeError as error:
            if each_alone:
                yield from ((_BROKEN, 1) for _ in data)
                return
            good, stop = data[start : start + error.start].decode(), start + error.end
            broken = error.end - error.start
        yield from ((character, len(character.encode())) for character in good)
        if broken:
            yield _BROKEN, broken
        start = stop
