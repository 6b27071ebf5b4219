"""The table of errors: every row, by the messages of the Python that runs this and of the others.

Programs here are only compiled, never run.
"""

import re
import warnings

from cases import cases

from harness.types import ErrorInfo, Outcome, Status, TestKind, TestOutcome
from rltf.rewards.error_types import RUNTIME, SYNTAX, SubType, runtime_subtype, syntax_subtype
from rltf.rewards.feedback import Feedback, feedback

# Sub-type, paper's scope, program, and what Python 3.9 says of it: message and line.
MISTAKES = [
    (
        "unterminated_triple_quote",
        "ignore",
        "x = '''a\nb\n",
        "EOF while scanning triple-quoted string literal",
        2,
    ),
    ("unterminated_string", "line", "y = 1\nx = 'a", "EOL while scanning string literal", 2),
    ("unterminated_string", "line", "x = f'a\ny = 1\n", "EOL while scanning string literal", 1),
    ("unclosed_bracket", "line", "x = 1\nprint((1 + 2", "unexpected EOF while parsing", 2),
    ("unexpected_eof", "line", "x = 1\ny = \\", "unexpected EOF while parsing", 2),
    (
        "inconsistent_tabs",
        "ignore",
        "if x:\n\ty = 1\n        z = 2\n",
        "inconsistent use of tabs and spaces in indentation",
        3,
    ),
    (
        "unindent",
        "ignore",
        "if x:\n    y = 1\n  z = 2\n",
        "unindent does not match any outer indentation level",
        3,
    ),
    ("unexpected_indent", "ignore", "x = 1\n  y = 2\n", "unexpected indent", 2),
    ("missing_block", "ignore", "for i in x:\ny = 1\n", "expected an indented block", 2),
    (
        "other_indentation",
        "ignore",
        "".join(" " * i + "if a:\n" for i in range(120)) + " " * 120 + "b\n",
        "too many levels of indentation",
        101,
    ),
    ("duplicate_argument", "line", "def f(a, a): pass\n", "duplicate argument 'a' in function definition", 1),
    ("import_star", "line", "def f():\n from os import *\n", "import * only allowed at module level", None),
    ("scope_declaration", "line", "def f():\n nonlocal x\n", "no binding for nonlocal 'x' found", 2),
    (
        "scope_declaration",
        "line",
        "def f():\n x = 1\n global x\n",
        "name 'x' is assigned to before global declaration",
        3,
    ),
    (
        "python_2_print",
        "line",
        "print 'a'\n",
        "Missing parentheses in call to 'print'. Did you mean print('a')?",
        1,
    ),
    ("mismatched_bracket", "line", "x = 1)\n", "unmatched ')'", 1),
    (
        "mismatched_bracket",
        "line",
        "x = (1,\n2]\n",
        "closing parenthesis ']' does not match opening parenthesis '(' on line 1",
        2,
    ),
    ("bad_f_string", "line", "f'}'\n", "f-string: single '}' is not allowed", 1),
    ("misplaced_statement", "line", "x = 1\nreturn x\n", "'return' outside function", 2),
    ("misplaced_statement", "line", "continue\n", "'continue' not properly in loop", 1),
    ("misplaced_statement", "line", "[(yield x) for x in y]\n", "'yield' inside list comprehension", 1),
    ("missing_comma", "line", "f(a b)\nx\n", "invalid syntax", 1),
    ("missing_comma", "line", "y\nx = [1 2]", "invalid syntax", 2),
    ("missing_colon", "line", "if n\n  pass\n", "invalid syntax", 1),
    ("missing_colon", "line", "x\ndef f()", "invalid syntax", 2),
    ("incomplete_try", "line", "try:\n x = 1\n", "unexpected EOF while parsing", 2),
    ("incomplete_try", "line", "try:\n x = 1\ny = 2\nz\n", "invalid syntax", 3),
    ("assignment_for_comparison", "line", "if n = 1:\n pass\n", "invalid syntax", 1),
    ("bad_target", "line", "f() = 1\n", "cannot assign to function call", 1),
    ("bad_target", "line", "del f()\n", "cannot delete function call", 1),
    (
        "bad_target",
        "line",
        "f() += 1\n",
        "'function call' is an illegal expression for augmented assignment",
        1,
    ),
    ("bad_target", "line", "(a, b): int = 1\n", "only single target (not tuple) can be annotated", 1),
    ("bad_target", "line", "*a = 1\n", "starred assignment target must be in a list or tuple", 1),
    ("bad_decimal", "line", "x = 1abc\ny\n", "invalid syntax", 1),
    ("bad_number", "line", "x = 0xg\n", "invalid hexadecimal literal", 1),
    ("bad_number", "line", "x = 0o9\n", "invalid digit '9' in octal literal", 1),
    (
        "bad_number",
        "line",
        "x = 012\n",
        "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers",
        1,
    ),
    ("bad_character", "line", "x = “a”\n", "invalid character '“' (U+201C)", 1),
    ("bad_character", "line", "x\u00a0= 1\n", "invalid non-printable character U+00A0", 1),
    ("bad_character", "line", "x = \\ 1\n", "unexpected character after line continuation character", 1),
    (
        "bad_escape",
        "line",
        "x = 'C:\\Users'\n",
        "(unicode error) 'unicodeescape' codec can't decode bytes in position 2-3: truncated escape",
        1,
    ),
    ("bad_arguments", "line", "f(a=1, b)\n", "positional argument follows keyword argument", 1),
    ("bad_arguments", "line", "def f(a=1, b): pass\n", "non-default argument follows default argument", 1),
    ("bad_arguments", "line", "f(a=1, a=2)\n", "keyword argument repeated: a", 1),
    ("bad_arguments", "line", "f(x for x in y, 1)\n", "Generator expression must be parenthesized", 1),
    ("expected_token", "line", "y\nx = 1 if y", "invalid syntax", 2),
    ("expected_token", "line", "x = {1: 2, 3}\ny\n", "invalid syntax", 1),
    ("expected_token", "line", "[x, y for x in z]\ny\n", "invalid syntax", 1),
    ("expected_token", "line", "def f:\n pass\n", "invalid syntax", 1),
    ("invalid_syntax", "line", "x\ny = a ? b", "invalid syntax", 2),
    ("invalid_syntax", "line", "Here is the solution:\nx\n", "invalid syntax", 1),
    ("other_syntax_error", "line", "b'é'\n", "bytes can only contain ASCII literal characters.", 1),
    ("other_syntax_error", "line", "from __future__ import foo\n", "future feature foo is not defined", 1),
]

# What no compiler here need say: messages of other versions (3.11 to 3.14), and those without a line.
MESSAGES = [
    ("null_byte", "SyntaxError", "source code string cannot contain null bytes"),
    ("null_byte", "ValueError", "source code string cannot contain null bytes"),  # 3.11.0 to 3.11.3
    (
        "not_unicode",
        "UnicodeEncodeError",
        "'utf-8' codec can't encode character '\\ud800': surrogates not allowed",
    ),
    ("too_deep", "MemoryError", ""),
    ("too_deep", "MemoryError", "Parser stack overflowed - Python source too complex to parse"),  # 3.12
    ("too_deep", "RecursionError", "maximum recursion depth exceeded during compilation"),
    ("too_deep", "SIGSEGV", "killed by a signal"),
    (
        "unterminated_triple_quote",
        "SyntaxError",
        "unterminated triple-quoted f-string literal (detected at line 1)",
    ),
    (
        "unterminated_string",
        "SyntaxError",
        "unterminated string literal (detected at line 1); perhaps you escaped the end quote",
    ),
    ("unterminated_string", "SyntaxError", "unterminated f-string literal (detected at line 1)"),  # 3.12
    ("unterminated_string", "SyntaxError", "unterminated t-string literal (detected at line 1)"),  # 3.14
    ("missing_block", "IndentationError", "expected an indented block after 'for' statement on line 1"),
    ("missing_block", "IndentationError", "expected an indented block after function definition on line 4"),
    ("duplicate_argument", "SyntaxError", "duplicate parameter 'a' in function definition"),  # 3.14
    ("python_2_except", "SyntaxError", "multiple exception types must be parenthesized"),  # to 3.13
    (
        "python_2_except",
        "SyntaxError",
        "multiple exception types must be parenthesized when using 'as'",
    ),  # 3.14
    ("bad_f_string", "SyntaxError", "f-string: empty expression not allowed"),  # 3.11
    ("bad_f_string", "SyntaxError", "f-string: valid expression required before '}'"),  # 3.12
    ("bad_f_string", "SyntaxError", "t-string: valid expression required before '}'"),  # 3.14
    ("bad_target", "SyntaxError", "cannot assign to literal here. Maybe you meant '==' instead of '='?"),
    ("bad_target", "SyntaxError", 'expression cannot contain assignment, perhaps you meant "=="?'),
    ("bad_arguments", "SyntaxError", "parameter without a default follows parameter with a default"),  # 3.12
    ("bad_arguments", "SyntaxError", "named parameters must follow bare *"),  # 3.14
    ("bad_arguments", "SyntaxError", "/ may appear only once"),
    ("expected_token", "SyntaxError", "Expected one or more names after 'import'"),  # 3.13
    ("expected_token", "SyntaxError", "expected expression after 'else', but statement is given"),  # 3.14
    ("expected_token", "SyntaxError", "'in' expected after for-loop variables"),
    ("invalid_syntax", "SyntaxError", "invalid syntax. Did you mean 'while'?"),  # 3.14
    ("invalid_syntax", "SyntaxError", "invalid syntax. Is this intended to be part of the string?"),  # 3.14
    ("other_syntax_error", "SyntaxError", "'elif' block follows an 'else' block"),  # 3.14
    ("other_syntax_error", "SyntaxError", "too many statically nested blocks"),
]

# Status, exception, sub-type, scope in the paper, scope in the released code; all on line 2.
BREAKS = [
    ("timed_out", None, "timed_out", "global", "ignore"),
    ("output_limit", None, "output_limit", "global", "ignore"),
    ("output_limit", "OSError", "output_limit", "global", "ignore"),
    ("lost", "GraderLost", "lost", "ignore", "ignore"),
    ("out_of_memory", "MemoryError", "out_of_memory", "line", "line"),
    ("out_of_memory", "_ArrayMemoryError", "out_of_memory", "line", "line"),
    ("runtime_error", "RecursionError", "recursion", "global", "global"),
    ("runtime_error", "SystemExit", "exit_status", "line", "ignore"),
    ("runtime_error", "SIGSEGV", "signal", "ignore", "ignore"),
    ("runtime_error", "signal 77", "signal", "ignore", "ignore"),
    ("runtime_error", "RuntimeError", "runtime_error", "line", "ignore"),
    ("runtime_error", "NameError", "name_error", "line", "line"),
    ("runtime_error", "UnboundLocalError", "name_error", "line", "line"),
    ("runtime_error", "IndexError", "index_error", "line", "line"),
    ("runtime_error", "TypeError", "type_error", "line", "line"),
    ("runtime_error", "ValueError", "value_error", "line", "line"),
    ("runtime_error", "UnicodeDecodeError", "value_error", "line", "line"),
    ("runtime_error", "EOFError", "eof_error", "line", "line"),
    ("runtime_error", "KeyError", "key_error", "line", "line"),
    ("runtime_error", "AttributeError", "attribute_error", "line", "line"),
    ("runtime_error", "ImportError", "import_error", "line", "line"),
    ("runtime_error", "ModuleNotFoundError", "import_error", "line", "line"),
    ("runtime_error", "ZeroDivisionError", "zero_division", "line", "line"),
    ("runtime_error", "OverflowError", "overflow", "line", "line"),
    ("runtime_error", "AssertionError", "assertion", "line", "line"),
    ("runtime_error", "StopIteration", "stop_iteration", "line", "line"),
    ("runtime_error", "FileNotFoundError", "os_error", "line", "line"),
    ("runtime_error", "SomethingOfTheProgramsOwn", "other_error", "line", "line"),
    ("runtime_error", "KeyErrorOfTheProgramsOwn", "other_error", "line", "line"),
]


def say(code: str, status: str, error: ErrorInfo | None, compat: str, kind: str = "stdin") -> Feedback:
    status = Status(status)
    test = TestOutcome({"strict": status}, error)
    outcome = Outcome("t", 0, {"strict": status}, (test,), error)
    return feedback(outcome, code, compat=compat, kind=TestKind(kind))


def compiler_says(code: str) -> ErrorInfo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(code, "solution.py", "exec", dont_inherit=True)
        except SyntaxError as error:
            return ErrorInfo(type(error).__name__, error.msg, error.lineno)
    raise AssertionError(f"this Python compiles {code!r}")


@cases(("subtype", "scope", "code", "old", "line"), MISTAKES)
def test_the_installed_pythons_message_gives_sub_type_and_scope(subtype, scope, code, old, line):
    error = compiler_says(code)
    result = say(code, "syntax_error", error, "paper")
    assert (result.category, result.subtype, result.scope) == ("syntax_error", subtype, scope)
    assert result.line == (error.line if scope == "line" else None)


@cases(("subtype", "type_", "message"), MESSAGES)
def test_messages_of_every_version_give_the_sub_type(subtype, type_, message):
    assert syntax_subtype(ErrorInfo(type_, message, 1)).name == subtype


@cases(("status", "type_", "subtype", "paper", "released"), BREAKS)
def test_exceptions_and_limits_give_sub_type_and_scopes(status, type_, subtype, paper, released):
    error = ErrorInfo(type_, "a message", 2) if type_ else None
    for compat, scope in (("paper", paper), ("released", released)):
        result = say("a\nb\nc\n", status, error, compat)
        line = 2 if scope == "line" else None
        assert (result.category, result.subtype, result.scope, result.line) == ("error", subtype, scope, line)


def test_every_row_of_the_table_has_a_test_above():
    """A row that no text reaches would otherwise look tested."""
    matched: set[SubType] = {syntax_subtype(compiler_says(row[2])) for row in MISTAKES}
    matched |= {syntax_subtype(ErrorInfo(type_, message, 1)) for _, type_, message in MESSAGES}
    for status, type_, *_ in BREAKS:
        matched.add(runtime_subtype(Status(status), ErrorInfo(type_, "", 2) if type_ else None))
    assert [row.name for row in (*SYNTAX, *RUNTIME) if row not in matched] == []


def test_the_names_of_the_rows_are_unique():
    names = [row.name for row in (*SYNTAX, *RUNTIME)]
    assert len(names) == len(set(names))


def released_class(message: str, line: int | None, code: str) -> str:
    """The rules of the released code for a program that does not compile, word for word (§4.1)."""
    ignored = (
        "inconsistent use of tabs and spaces in indentation",
        "unindent does not match any outer indentation level",
        "EOF while scanning triple-quoted string literal",
        "duplicate argument",
        "import * only allowed at module level",
    )
    if any(text in message for text in ignored):
        return "ignore"
    cut_off = ("unexpected EOF while parsing", "invalid syntax", "EOL while scanning string literal")
    if any(text in message for text in cut_off):
        return "global" if line == len(code.removesuffix("\n").split("\n")) else "line"
    return "line"


@cases(("subtype", "scope", "code", "old", "line"), MISTAKES)
def test_released_classes_are_those_of_its_rules_on_its_pythons_messages(subtype, scope, code, old, line):
    result = say(code, "syntax_error", compiler_says(code), "released", "call")
    assert result.scope == released_class(old, line, code)


# Program, and whether the release blames all of it as a script and as an imported program: its wrapper puts a
# line behind a script that ends in a newline.
ENDS = [
    ("n = 1\nprint(n + )\n", False, True),
    ("n = 1\nprint(n + )", True, True),
    ("n = 1\nprint(n + )\n\n\n", False, False),
    ("n = 1\nprint('a\n", False, True),
    ("n = 1\nif n\n", False, True),
    ("n = 1\nprint(n\n", True, True),
    ("n = 1\nprint(n\n\n\n", True, True),
    ("n = (1\nprint(n)\n", False, False),
    ("n = 1\nfor i in range(n):\n", True, True),
    ("n = 1\nfor i in range(n):\n\t\n\n", True, True),
    ("for i in range(2):\nprint(i)\n", False, False),
    ("for i in range(2):\nprint(i)", False, False),
    ("def f():\n\tif 1:\n", True, True),
    ("try:\n\tn = 1\n\tn = 2\n", True, True),
    ("try:\n\tif 1:\n\t\tn = 2\n", False, True),
    ("try:\n\tn = 1\nn = 2\n", False, True),
    ("try:\n\tn = 1\nn = 2\nn = 3\n", False, False),
]


@cases(("code", "script", "imported"), ENDS)
def test_what_is_missing_at_the_end_is_blamed_on_all_of_the_program(code, script, imported):
    for kind, whole in (("stdin", script), ("call", imported), ("asserts", imported)):
        result = say(code, "syntax_error", compiler_says(code), "released", kind)
        assert (result.scope == "global") is whole, kind
        assert result.scope in ("global", "line")


def test_an_indent_too_many_is_blamed_on_nothing_of_a_script():
    code = "x = 1\n  y = 2\n"
    for kind, place in (("stdin", ("ignore", None)), ("call", ("line", 2))):
        result = say(code, "syntax_error", compiler_says(code), "released", kind)
        assert (result.scope, result.line) == place


@cases("line", [None, -1, 0, 4, 10**9])
def test_a_line_that_was_made_up_blames_nothing(line):
    error = ErrorInfo("SyntaxError", "invalid syntax", line)
    assert say("a\nb b\n", "syntax_error", error, "released").scope == "ignore"


def test_an_unclosed_bracket_before_the_last_line_is_the_line_that_opened_it():
    """Where Python 3.9 blamed the line that no longer fitted, or the end."""
    code = "foo(\nx = 1\ny = 2\n"
    for compat in ("paper", "released"):
        result = say(code, "syntax_error", compiler_says(code), compat)
        assert (result.subtype, result.scope, result.line) == ("unclosed_bracket", "line", 1)


def test_sub_types_are_words_for_a_log():
    assert all(re.fullmatch(r"[a-z0-9_]+", row.name) for row in (*SYNTAX, *RUNTIME))
