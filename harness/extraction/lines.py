"""Lines of an answer: where they end, what three quotes make of them, and what indentation they share.

Does not cover: fences (`harness.extraction.blocks`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.extraction.parsing import parses

_QUOTES = re.compile(r"\\.|'''|\"\"\"|['\"#\n]", re.DOTALL)


def lines_of(text: str) -> list[str]:
    r"""Lines with their ends, which are `\n` alone: `splitlines` also splits at form feeds and the like."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


class Quotes:
    """Whether three quotes are open, line by line, as Python's tokenizer would say."""

    def __init__(self) -> None:
        self.open = ""

    def read(self, line: str) -> None:
        """Go on by a line."""
        if '"' not in line and "'" not in line:
            return
        single = comment = ""
        for match in _QUOTES.finditer(line):
            mark = match[0]
            if mark == "\n":
                single = comment = ""
            elif comment or mark[0] == "\\":
                continue
            elif self.open:
                self.open = "" if mark == self.open else self.open
            elif single:
                single = "" if mark[0] == single else single
            elif mark == "#":
                comment = mark
            elif len(mark) == len("'''"):
                self.open = mark
            else:
                single = mark


def less_indented(lines: Sequence[str], indent: str) -> str:
    """`lines` without a fence's indentation: all lose what they share of it, else each what it has."""
    if not indent:
        return "".join(lines)
    shared = [_shared(line, indent) for line in lines]
    least = min((count for line, count in zip(lines, shared, strict=True) if line.strip(" \t>\n")), default=0)
    common = "".join(line[min(count, least) :] for line, count in zip(lines, shared, strict=True))
    if least == max(shared, default=0) or parses(common):
        return common
    return "".join(line[count:] for line, count in zip(lines, shared, strict=True))


def _shared(line: str, indent: str) -> int:
    count = 0
    while count < min(len(line), len(indent)) and line[count] == indent[count]:
        count += 1
    return count
