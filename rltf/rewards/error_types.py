"""One table from CPython's errors to RLTF's sub-types and to the part of a program that is to blame.

Covers: the messages of CPython 3.11 to 3.14 for programs that do not compile, and the types of exceptions,
signals and limits for programs that do. Read from top to bottom, first match wins; the last row of each table
matches everything, so the set of sub-types is finite whatever a program calls its errors.
Does not cover: telling a truncated program from a broken one by its message. The sampler knows which ones hit
the length limit, and `rltf.rewards.feedback` takes its word.

`scope` follows the paper (arXiv:2307.04349, known here by public summaries): U_global for time-outs and
recursion, U_ignore for indentation and triple quotes, U_line for the rest. A row that the paper does not name
says so where it departs from U_line. `released` follows `program_feedback.py` of the released code, as it
classed the same mistake on the Python that its requirements imply (3.8): newer messages stand in the class of
the old ones, and `rltf.rewards.released` tells whole from line. Two things of it are left out: of a bracket
left open in the middle, Python 3.8 named the line where that showed, now it is the line of the bracket; and
there a word in the traceback's text, such as RuntimeError in a line of the program, decided, here the
exception's type does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.types import ErrorInfo, Status


class Scope(StrEnum):
    """Which tokens the fine-grained reward goes to."""

    GLOBAL = "global"
    """All of the program's (the paper's U_global)."""
    LINE = "line"
    """Those of one line (U_line)."""
    IGNORE = "ignore"
    """None: nothing to blame, or the place is unreliable (U_ignore)."""


GLOBAL, LINE, IGNORE = Scope.GLOBAL, Scope.LINE, Scope.IGNORE
GLOBAL_AT_END = "global at the program's end, else line"
"""How the released code tells truncation: by the error's line being the last, see `rltf.rewards.released`."""
LINE_IF_IMPORTED = "line of an imported program, nothing of a script"
"""The released code looks for a script's line with its wrapper's indentation, and never finds it."""


@dataclass(frozen=True, slots=True)
class SubType:
    """One row: a kind of mistake, how to know it, and what it is blamed on."""

    name: str
    pattern: str
    """Regular expression, searched in `"ErrorType: message"`."""
    scope: Scope
    """In the paper."""
    released: Scope | str
    """In the released code, by what it comes to: a scope, `GLOBAL_AT_END` or `LINE_IF_IMPORTED`."""


LAST = GLOBAL_AT_END

SYNTAX = (
    SubType("null_byte", r"null bytes?$", IGNORE, IGNORE),
    SubType("not_unicode", r"^UnicodeEncodeError", IGNORE, IGNORE),
    # Ours: what the compiler's own stack can't hold has no one line, like a recursion at run time.
    SubType("too_deep", r"^(Memory|Recursion)Error|^SIG", GLOBAL, IGNORE),
    SubType("unterminated_triple_quote", r"unterminated triple-quoted", IGNORE, IGNORE),
    SubType("unterminated_string", r"unterminated (\w-)?string literal", LINE, LAST),
    SubType("unclosed_bracket", r"was never closed", LINE, LAST),
    SubType("unexpected_eof", r"unexpected EOF", LINE, LAST),
    SubType("inconsistent_tabs", r"^TabError", IGNORE, IGNORE),
    SubType("unindent", r"unindent does not match", IGNORE, IGNORE),
    SubType("unexpected_indent", r"unexpected indent", IGNORE, LINE_IF_IMPORTED),
    SubType("missing_block", r"expected an indented block", IGNORE, LAST),
    SubType("other_indentation", r"^IndentationError", IGNORE, LINE),
    SubType("duplicate_argument", r"duplicate (argument|parameter)", LINE, IGNORE),
    SubType("import_star", r"import \* only allowed", LINE, IGNORE),
    SubType("scope_declaration", r"\b(nonlocal|global)\b", LINE, LINE),
    SubType("python_2_print", r"Missing parentheses in call to", LINE, LINE),
    SubType("python_2_except", r"multiple exception types must", LINE, LAST),
    SubType("mismatched_bracket", r"unmatched '|does not match opening parenthesis", LINE, LINE),
    SubType("bad_f_string", r"[ft]-string: ", LINE, LINE),
    SubType("misplaced_statement", r"\boutside\b|not properly in|' inside |can't appear in", LINE, LINE),
    SubType("missing_comma", r"forgot a comma", LINE, LAST),
    SubType("missing_colon", r"expected ':'$", LINE, LAST),
    SubType("incomplete_try", r"expected 'except'", LINE, LAST),
    SubType("assignment_for_comparison", r"invalid syntax\. Maybe you meant '=='", LINE, LAST),
    SubType("bad_target", r"cannot (assign|delete)|assignment|illegal target|single target", LINE, LINE),
    # Before 3.10 this one was "invalid syntax"; those of the next row were what they are.
    SubType("bad_decimal", r"invalid decimal literal", LINE, LAST),
    SubType("bad_number", r" literal$|: leading zeros in|Exceeds the limit", LINE, LINE),
    SubType("bad_character", r"invalid (non-printable )?character|after line continuation", LINE, LINE),
    SubType("bad_escape", r"\((unicode|value) error\)", LINE, LINE),
    SubType("bad_arguments", r"\b(argument|parameter)s?\b|must be parenthesized|only once", LINE, LINE),
    # Since 3.10 the parser says what it would have liked; before, it said "invalid syntax".
    SubType("expected_token", r"\b[Ee]xpected\b|did you forget", LINE, LAST),
    SubType("invalid_syntax", r"invalid syntax", LINE, LAST),
    SubType("other_syntax_error", r"", LINE, LINE),
)
"""Why a program does not compile. `SyntaxError: {msg}`, where `msg` leaves out file and line."""

RUNTIME = (
    # The released runner raises its time-out as an exception without text, which its finder ignores.
    SubType("timed_out", r"^timed_out: ", GLOBAL, IGNORE),
    SubType("recursion", r"^RecursionError: ", GLOBAL, GLOBAL),
    # Ours: endless output is, like an endless loop, nobody's line.
    SubType("output_limit", r"^output_limit: ", GLOBAL, IGNORE),
    # Ours: the grader's processes were lost over it, which no line of it explains.
    SubType("lost", r"^lost: ", IGNORE, IGNORE),
    SubType("out_of_memory", r"^out_of_memory: ", LINE, LINE),
    SubType("exit_status", r"^SystemExit: ", LINE, IGNORE),
    SubType("signal", r"^SIG[A-Z]+: |^signal \d+: ", IGNORE, IGNORE),
    SubType("runtime_error", r"^RuntimeError: ", LINE, IGNORE),
    SubType("name_error", r"^(NameError|UnboundLocalError): ", LINE, LINE),
    SubType("index_error", r"^IndexError: ", LINE, LINE),
    SubType("type_error", r"^TypeError: ", LINE, LINE),
    SubType("value_error", r"^ValueError: |^Unicode(En|De)codeError: ", LINE, LINE),
    SubType("eof_error", r"^EOFError: ", LINE, LINE),
    SubType("key_error", r"^KeyError: ", LINE, LINE),
    SubType("attribute_error", r"^AttributeError: ", LINE, LINE),
    SubType("import_error", r"^(ImportError|ModuleNotFoundError): ", LINE, LINE),
    SubType("zero_division", r"^ZeroDivisionError: ", LINE, LINE),
    SubType("overflow", r"^OverflowError: ", LINE, LINE),
    SubType("assertion", r"^AssertionError: ", LINE, LINE),
    SubType("stop_iteration", r"^StopIteration: ", LINE, LINE),
    SubType("os_error", r"^(OSError|FileNotFoundError|PermissionError|BlockingIOError): ", LINE, LINE),
    SubType("other_error", r"", LINE, LINE),
)
"""How a program that compiles broke off. `{type}: {message}`, or `{status}: ` where a limit ended it."""


def syntax_subtype(error: ErrorInfo | None) -> SubType:
    """The row of a program that does not compile; without an error, the compiler itself crashed."""
    return _first(SYNTAX, f"{error.type}: {error.message}" if error else "MemoryError: ")


def runtime_subtype(status: Status, error: ErrorInfo | None) -> SubType:
    """The row of a test that ended in an error or at a limit."""
    if status is not Status.RUNTIME_ERROR:
        return _first(RUNTIME, f"{status}: ")
    return _first(RUNTIME, f"{error.type}: {error.message}" if error else "")


def _first(table: tuple[SubType, ...], text: str) -> SubType:
    return next(row for row in table if re.search(row.pattern, text))
