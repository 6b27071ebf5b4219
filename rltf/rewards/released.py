"""Where the released code lays the blame for a program that does not compile, by what CPython says today.

The released code read the messages and line numbers of CPython 3.8. There, whatever was missing at a
program's end was one "unexpected EOF", blamed on the whole; today each has a message of its own, with the
line where it began. The rules here give the release's scope and line back, but for the differences that
`tests/rltf/test_released_classes.py` lists, which compares with the released code's results on programs.
Does not cover: a bracket left open before the end, of which 3.8 named the line that no longer fitted and
CPython now names the line of the bracket, the better place.
"""

from __future__ import annotations

import re

from harness.types import ErrorInfo, TestKind
from rltf.rewards.error_types import Scope, SubType
from rltf.rewards.line_tokens import line_spans

_HEADER_LINE = re.compile(r" on line (\d+)$")
"""At the end of "expected an indented block after 'for' statement on line 3"."""


def released_place(row: SubType, error: ErrorInfo, code: str, kind: TestKind) -> tuple[Scope, int | None]:
    """Whole program or line, for the rows of which the release decides it by the error's line.

    Args:
        row: With `subtypes.GLOBAL_AT_END`.
        error: Of the compiler, with a line that can be the program's or the one behind it.
        code: The program.
        kind: Of its tests. The release wraps scripts, and its wrapper puts a line behind one that ends in a
            newline: the last line of such a program is not the last of what it compiles.
    """
    lines = [code[start:end] for start, end in line_spans(code)]
    written = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    line = error.line or 0
    if line > written or _is_missing_at_end(row, error, lines[:written]):
        return Scope.GLOBAL, None
    cut_off = kind is not TestKind.STDIN or not code.endswith("\n")
    if line == len(lines) and cut_off and row.name != "missing_block":
        return Scope.GLOBAL, None
    return Scope.LINE, line


def _is_missing_at_end(row: SubType, error: ErrorInfo, written: list[str]) -> bool:
    """Whether what is missing would have had to follow the last line, the last of `written`."""
    if row.name == "missing_block":
        header = _HEADER_LINE.search(error.message)
        return header is not None and int(header[1]) == len(written)
    if error.line != len(written):
        return False
    return row.name == "unclosed_bracket" or (row.name == "incomplete_try" and _is_in_try(written))


def _is_in_try(lines: list[str]) -> bool:
    """Whether the last line stands in the body of a `try`."""
    depth = _indentation(lines[-1])
    outer = (line for line in reversed(lines) if line.strip() and _indentation(line) < depth)
    return next(outer, "").strip().startswith("try:")


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
