"""From a line of a program to the tokens that wrote it.

Works on offsets, pairs of characters `(start, end)` of the answer per token, as
`harness.models.hf.token_offsets` gives them for the tokens that were sampled; never by searching for the
line's content, so repeated lines are told apart. Pure Python, and no tokenizer in sight.

A line's span is what stands between its indentation and its end, trailing blanks left out; a token belongs to
it if it holds a character of that span. So a token that merges the end of the line with the newline, or the
newline with the next line's beginning, counts to the line whose text it holds, and to both if it holds text
of both. Does not cover: where a program's lines stand in the answer (`rltf.rewards.alignment`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rltf.rewards.error_types import Scope

if TYPE_CHECKING:
    from rltf.rewards.feedback import Feedback

Offsets = Sequence[tuple[int, int]]

# Python's own idea of a line: `str.splitlines` would also break at form feeds and U+2028.
_NEWLINE = re.compile(r"\r\n|\r|\n")


def line_spans(code: str) -> list[tuple[int, int]]:
    """Start and end of each line in characters, newline left out, as Python's tokenizer counts lines.

    Text after the last newline is a line; nothing after it is none: `"a\\n"` has one line.
    """
    spans = []
    start = 0
    for newline in _NEWLINE.finditer(code):
        spans.append((start, newline.start()))
        start = newline.end()
    if start < len(code):
        spans.append((start, len(code)))
    return spans


def line_mask(text: str, offsets: Offsets, line: int) -> list[bool]:
    """Which tokens wrote a line of an answer.

    Args:
        text: The answer.
        offsets: Per token, its characters in `text`; special tokens have none: the same place twice. May be
            cut short.
        line: 1-based, within the answer.

    Returns:
        As long as `offsets`; all False for a line that is blank, cut off, or not there.
    """
    spans = line_spans(text)
    if not 1 <= line <= len(spans):
        return [False] * len(offsets)
    first, last = spans[line - 1]
    content = text[first:last]
    if not content.strip():
        # Else a token of two newlines would hold the point between them.
        return [False] * len(offsets)
    first += len(content) - len(content.lstrip())
    last = first + len(content.strip())
    return span_mask(offsets, [(first, last)])


def span_mask(offsets: Offsets, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Which tokens hold a character of one of `spans`, which are characters of the same text."""
    # Some tokenizers trim a token of blanks to nothing: within the line, `x = 1`, it is still the line's.
    return [
        any(a < last and b > first if a < b else first < a < last for first, last in spans)
        for a, b in offsets
    ]


def feedback_mask(feedback: Feedback, text: str, offsets: Offsets) -> list[bool]:
    """Which tokens the fine-grained reward of a program goes to.

    Args:
        feedback: What is said of the program; its line is one of the answer.
        text: The answer.
        offsets: As in `line_mask`.

    Returns:
        As long as `offsets`. For a global scope all True, special tokens too, so that the span's length is T
        and α is 1.
    """
    if feedback.scope is Scope.LINE and feedback.line is not None:
        return line_mask(text, offsets, feedback.line)
    return [feedback.scope is Scope.GLOBAL] * len(offsets)
