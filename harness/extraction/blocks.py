r"""Fenced blocks of Markdown, as CommonMark has them and as models write them.

CommonMark: backticks or tildes, three or more; what closes is of the same kind, at least as long, alone on
its line and indented by at most three more than what opens; backticks stand in no info string of backticks;
an unclosed block reaches to the end; the opening's indentation is taken off every line. Beyond it, since the
blocks are to be Python:
- any indentation opens, also behind `>`, `-` or `1.`, or at the end of a line of prose if it says `python`;
- a fence inside three quotes closes nothing if the quotes end later, and the block is Python then;
- an opening fence that says `python` ends a block that nobody closed;
- marks behind a line of code close, too, and marks around code within a line are a block;
- a list item or quote ends its block with the first line further left, unless it is closed later
  as far right as it was opened, and Python.
Does not cover: indented blocks without a fence, or code between single backticks. Time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from harness.extraction.lines import Quotes, less_indented, lines_of
from harness.extraction.parsing import parses

PYTHON = frozenset({"python", "python2", "python3", "py", "py3", "ipython", "ipython3"})

MAX_BLOCKS = 64
"""Looked at. An answer has one or a few; a model that repeats itself to the limit has thousands."""

REACH = 500
"""Lines that three quotes may span before a fence inside them counts after all."""

_OPEN = re.compile(
    r"(?P<indent>[ \t>]*+)(?P<bullet>(?:[-*+]|\d{1,9}[.)])[ \t]++)?+"
    r"(?P<marks>`{3,}+|~{3,}+)[ \t]*+(?P<info>.*+)",
    re.DOTALL,
)
# Not Markdown, but written: `Here it is: ```python` with the code from the next line on.
_OPEN_AFTER_PROSE = re.compile(
    r"[^`]*+(?P<marks>`{3,}+)[ \t]*+(?P<info>python[23]?|py3?)[ \t]*+", re.IGNORECASE
)
# A span of code to CommonMark: ```print(1)``` on one line.
_SPAN = re.compile(
    r"[^`]*+(?P<marks>`{3,}+)(?:(?:python[23]?|py3?)[ \t]++)?+(?P<code>[^`]++)(?P=marks)[^`]*+", re.IGNORECASE
)
_WORD = re.compile(r"[A-Za-z0-9+#]+")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of an answer that may be the program, or part of it."""

    code: str
    """Without fences and their indentation."""
    language: str = ""
    """First word after the opening fence, in lower case; empty where there is none."""

    @property
    def is_python(self) -> bool:
        """Said to be."""
        return self.language in PYTHON


@dataclass(frozen=True, slots=True)
class _Fence:
    """What opened a block."""

    indent: str
    marks: str
    language: str

    def closes(self, line: str) -> bool:
        """Whether `line` is a closing fence of this block."""
        if not line.rstrip().endswith(self.marks):
            return False
        text = line.lstrip(" \t>" if ">" in self.indent else " \t")
        deeper = _width(line[: len(line) - len(text)]) - _width(self.indent)
        text = text.rstrip()
        return deeper <= _NEARLY and len(text) >= len(self.marks) and not text.strip(self.marks[0])


_NEARLY = 3
"""Columns by which CommonMark lets a fence be indented."""


def blocks(text: str, *, inside: bool = False) -> list[Block]:
    """Fenced blocks in order, at most `MAX_BLOCKS` of them that are not blank.

    Args:
        text: with line ends `\\n`.
        inside: its beginning stands in a block that the prompt has opened.
    """
    found = []
    for block in _Reader(lines_of(text)).blocks(inside=inside):
        if block.code.strip():
            found.append(block)
        if len(found) == MAX_BLOCKS:
            break
    return found


@lru_cache(maxsize=64)
def leaves_open(text: str) -> bool:
    """Whether `text` ends inside a fenced block: then an answer to it starts there."""
    if "```" not in text and "~~~" not in text:
        return False
    reader = _Reader(lines_of(text))
    for _ in reader.blocks(inside=False):
        pass
    return reader.open_at_end


class _End(Enum):
    """How a block ends."""

    CLOSING = auto()
    """By a closing fence."""
    OPENING = auto()
    """By the fence that opens the next."""
    OUTDENTED = auto()
    """With the list or quote that it stands in: by a line further left."""
    GLUED = auto()
    """By marks behind its last line."""
    NONE = auto()
    """With the text."""


class _Reader:
    """Reads lines from the first to the last."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self.open_at_end = False

    def blocks(self, *, inside: bool) -> Iterator[Block]:
        """Blocks in order, blank ones included."""
        place = 0
        fence = _Fence("", "```", "python") if inside else None
        while place < len(self._lines) or fence:
            if fence is None:
                line = self._lines[place]
                fence = _opened(line)
                place += 1
                if fence is None and "```" in line and (span := _SPAN.fullmatch(line)):
                    yield Block(span["code"])
                self.open_at_end = fence is not None
                continue
            code, place, fence_after = self._inside(place, fence)
            yield Block(code, fence.language)
            fence = fence_after

    def _inside(self, start: int, fence: _Fence) -> tuple[str, int, _Fence | None]:
        """The code of a block, where reading goes on, and the fence if that opens the next block."""
        end, kind = self._end(start, fence)
        self.open_at_end = kind is _End.NONE
        inside = self._lines[start:end]
        after = _opened(self._lines[end]) if kind is _End.OPENING else None
        if kind is _End.GLUED:
            inside = [*inside, self._lines[end].partition(fence.marks)[0]]
        on = end if kind is _End.OUTDENTED else min(end + 1, len(self._lines))
        return less_indented(inside, fence.indent), on, after

    def _end(self, start: int, fence: _Fence) -> tuple[int, _End]:
        """Line that ends the block, and how."""
        end, kind, outdented = self._end_by_marks(start, fence)
        if outdented is None:
            return end, kind
        # A closing fence as far right as the opening one says that the list has gone on.
        goes_on = kind is _End.CLOSING and self._lines[end].startswith(fence.indent)
        if goes_on and parses(less_indented(self._lines[start:end], fence.indent)):
            return end, kind
        return outdented, _End.OUTDENTED

    def _end_by_marks(self, start: int, fence: _Fence) -> tuple[int, _End, int | None]:
        """The same if only fences count; and the first line that stands further left than the block does."""
        quotes = Quotes()
        outdented: int | None = None
        begun = False
        may_be_python = fence.language in PYTHON or not fence.language
        for place in range(start, len(self._lines)):
            line = self._lines[place]
            if fence.marks[0] in line:
                if fence.closes(line):
                    behind = may_be_python and bool(quotes.open)
                    end = self._behind_quotes(start, place, fence, quotes) if behind else place
                    return end, _End.CLOSING, outdented
                if may_be_python and not quotes.open and (kind := _ends_unclosed(line, fence)):
                    return place, kind, outdented
            if outdented is None and not quotes.open and line.strip():
                left = not line.startswith(fence.indent)
                outdented = place if begun and left else None
                begun = begun or not left
            quotes.read(line)
        return len(self._lines), _End.NONE, outdented

    def _behind_quotes(self, start: int, end: int, fence: _Fence, quotes: Quotes) -> int:
        """The closing fence after the three quotes that are open at line `end`; else `end`."""
        for place in range(end, min(len(self._lines), end + REACH)):
            if not quotes.open and fence.closes(self._lines[place]):
                return place if parses(less_indented(self._lines[start:place], fence.indent)) else end
            quotes.read(self._lines[place])
        return end


def _opened(line: str) -> _Fence | None:
    line = line.rstrip("\n")
    if "```" not in line and "~~~" not in line:
        return None
    found = _OPEN.fullmatch(line)
    if found is not None and (found["marks"][0] == "~" or "`" not in found["info"]):
        indent = found["indent"] + " " * len(found["bullet"] or "")
    elif found := _OPEN_AFTER_PROSE.fullmatch(line):
        indent = ""
    else:
        return None
    word = _WORD.search(found["info"])
    return _Fence(indent, found["marks"], word[0].lower() if word else "")


def _ends_unclosed(line: str, fence: _Fence) -> _End | None:
    """Whether a line that is no closing fence, and no Python either, ends a block of Python all the same."""
    opened = _opened(line)
    if opened and opened.language in PYTHON and len(opened.marks) >= len(fence.marks):
        return _End.OPENING
    # `print(1)```` with nothing or prose behind it, and not in a comment or in a text.
    code, marks, behind = line.partition(fence.marks)
    if not code.strip() or "#" in code or "`" in code or behind.startswith("`"):
        return None
    return _End.GLUED if marks and not (behind.strip() and ("'" in code or '"' in code)) else None


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))
