r"""Fenced blocks as the rules `answer` and `done` read them, which know nothing of the problem.

These rules read the formats that reproduce papers, so what they make of an answer does not change any more;
what `program` and `chat` do is in `harness.extraction.blocks` and `harness.extraction.choosing`. Taken is:
- one block: that;
- a solution, then a short example of its use or its output: the solution, since it defines something;
- a draft, then a better version of like size: the last;
- `pip install` and other languages beside Python: what is marked as Python, else what is not marked;
- an answer cut at the length limit: an unclosed block reaches to the end;
- an answer whose opening fence was part of the prompt: what stands before the closing one.
Does not cover: an answer spread over several blocks, of which one is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.extraction.parsing import Syntax, parse, parses

_PYTHON = {"python", "python3", "py", "py3"}
# Each part is possessive: a line takes time in proportion to its length.
_OPEN = re.compile(r"(?P<indent>[ \t]*+)(?P<marks>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^`\n]*+)")
# Not Markdown, but written: `Here it is: ```python` with the code from the next line on.
_OPEN_AFTER_PROSE = re.compile(
    r"(?P<indent>)[^\S\n]*+[^`\s][^`\n]*+(?P<marks>`{3,}+)(?P<info>python3?|py)[ \t]*+", re.I
)
_WORD = re.compile(r"[A-Za-z0-9+#]+")

MAX_BLOCKS = 64
"""Looked at. An answer has one or a few; a model that repeats itself to the limit has thousands."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, without its fences and their indentation."""

    code: str
    language: str
    """First word after the opening fence, in lower case; empty where there is none."""
    start: int
    """Line of the opening fence, from 0."""


def blocks(lines: Sequence[str]) -> Iterator[Block]:
    """Fenced blocks in order, as CommonMark has them except that any indentation goes; the last may be open.

    Args:
        lines: with their line ends.
    """
    place = 0
    while place < len(lines):
        line = lines[place].rstrip("\n")
        opened = _OPEN.fullmatch(line) or _OPEN_AFTER_PROSE.fullmatch(line)
        place += 1
        if opened is None:
            continue
        start = place
        marks = opened["marks"]
        while place < len(lines) and not _closes(lines[place], marks):
            place += 1
        inside = list(lines[start:place])
        if place == len(lines) and inside and (last := inside[-1].rstrip()).endswith(marks):
            inside[-1] = last[: -len(marks)]
        place += 1
        word = _WORD.search(opened["info"])
        code = "".join(_less_indented(each, opened["indent"]) for each in inside)
        yield Block(code, word[0].lower() if word else "", start - 1)


def _closes(line: str, marks: str) -> bool:
    line = line.strip()
    return len(line) >= len(marks) and not line.strip(marks[0])


def fenced(text: str) -> str | None:
    """The answer's block; `None` if there is no fence, or the whole is Python, fence and all."""
    if "```" not in text and "~~~" not in text:
        return None
    if parses(text):
        return None
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)  # splitlines also splits at form feeds and the like
    found: list[Block] = []
    for block in blocks(lines):
        if not found and not block.language and _is_program("".join(lines[: block.start])):
            return "".join(lines[: block.start])
        found.append(block)
        if len(found) == MAX_BLOCKS:
            break
    found = [block for block in found if block.code.strip()]
    return _choose(found).code if found else None


def _choose(found: Sequence[Block]) -> Block:
    """Narrow down by language, by being Python, by defining something; then the last of a size."""
    kept = [block for block in found if block.language in _PYTHON]
    kept = kept or [block for block in found if not block.language] or list(found)
    kept = [block for block in kept if parses(block.code)] or kept
    kept = [block for block in kept if _defines(block.code)] or kept
    longest = max(_size(block) for block in kept)
    return [block for block in kept if 2 * _size(block) >= longest][-1]


def _size(block: Block) -> int:
    """Lines that are not blank."""
    return sum(1 for line in block.code.split("\n") if line.strip())


def _is_program(text: str) -> bool:
    found = parse(text)
    return isinstance(found, Syntax) and found.acts


def _defines(text: str) -> bool:
    found = parse(text)
    return isinstance(found, Syntax) and found.defines


def _less_indented(line: str, indent: str) -> str:
    """`line` without the opening fence's indentation, or with as much of it gone as it has."""
    shared = 0
    while shared < min(len(line), len(indent)) and line[shared] == indent[shared]:
        shared += 1
    return line[shared:]
