"""Text that others wrote, made fit to be shown: nothing in it moves a cursor, rings, hides or reverses.

For whatever comes from a program, a server or a file and goes to a terminal or into a report.
"""

from __future__ import annotations

import re

# C0 and C1 controls but for the line feed and the tab, DEL, marks and overrides of direction, separators of
# lines that are none to a terminal, lone surrogates.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text with every unfit character written as an escape (`\\x1b`)."""
    return _UNFIT.sub(_escaped, text)


def one_line(text: str) -> str:
    """The same in one line: runs of white space are one blank."""
    return printable(" ".join(text.split()))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
