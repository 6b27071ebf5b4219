"""Text from elsewhere made safe to show: no control character reaches a terminal or a report.

Covers: what a program, a server or a file wrote, on its way to a console, an error or a report. ESC could
repaint a terminal, and a bidirectional override could make a line read as another; both are shown as escapes
instead (`\\x1b`, `\\u202e`), so that the reader sees that they were there.
Does not cover: mark-up, which each format escapes for itself; programs in `samples.jsonl`, which stay as they
are.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from unicodedata import category

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Categories of Unicode: control, format (the bidirectional ones among them), surrogate, private, unassigned,
and the separators of lines and paragraphs."""
_JOINER = "\u200d"
"""Of emoji; it moves nothing."""


def printable(text: str, keep: str = "") -> str:
    """`text` with every control and format character as an escape; those in `keep` stay."""
    if text.isprintable():
        return text
    return _questionable(keep).sub(lambda found: _escape(found[0]) if _hidden(found[0]) else found[0], text)


@cache
def _questionable(keep: str) -> re.Pattern[str]:
    """A character that needs a look: most of a program's text does not, and a page is 16 million of them."""
    return re.compile(f"[^ -~{re.escape(keep)}]")


def one_line(text: str) -> str:
    """`text` on one line: white space of any kind becomes one blank, the other controls escapes."""
    return printable(" ".join(text.split()))


def shown(text: str) -> str:
    """A text of several lines, such as a program, as a page may show it: line ends and tabs stay."""
    return printable(text.replace("\r\n", "\n"), keep="\n\t")


def printable_values(value: Any) -> Any:
    """`value`, of plain JSON, with every string in it as `shown` gives it."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list | tuple):
        return [printable_values(each) for each in value]
    if isinstance(value, dict):
        return {printable_values(name): printable_values(each) for name, each in value.items()}
    return value


def _hidden(character: str) -> bool:
    return not character.isprintable() and character != _JOINER and category(character) in _HIDDEN


def _escape(character: str) -> str:
    if ord(character) < 0x80:
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()
