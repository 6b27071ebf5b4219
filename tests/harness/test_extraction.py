"""From answers to programs: a table of answers, attacks on the parser, and what holds for any text.

Does not cover: time. The long answers here would take minutes if a search were quadratic.
"""

import subprocess
import sys
import warnings

import pytest
from cases import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.extraction import ANYTHING, RULES, Wanted, extract, extract_program
from harness.extraction.fences import fenced
from harness.extraction.longest import longest_part
from harness.extraction.parsing import MAX_CHARACTERS, MAX_TEXT, Failure, parse, parses
from harness.extraction.rules import MAX_ROUNDS
from harness.extraction.steps import MAX_NESTING
from harness.prompts import make_prompt
from harness.prompts.examples import EXAMPLES
from harness.types import Piece, PromptFormat

F = "```"
DOUBLE = "def double(x):\n    return 2 * x\n"
PROMPT = "\nQUESTION:\nDouble the number.\nUse Call-Based format\nANSWER:\n"

ANSWERS = [
    # name, rule, answer, program, steps that fired
    ("a bare program", "answer", DOUBLE, DOUBLE, ()),
    ("an empty answer", "chat", "", "", ()),
    ("end of text", "answer", DOUBLE + "<|endoftext|>def other", DOUBLE, ("special_tokens",)),
    ("T5 padding", "answer", "<pad><s> " + DOUBLE + "</s> </s><pad>", " " + DOUBLE, ("special_tokens",)),
    ("</s> as HTML", "answer", 'print("<s>x</s>")\n', 'print("<s>x</s>")\n', ()),
    ("CRLF", "answer", DOUBLE.replace("\n", "\r\n"), DOUBLE, ("line_ends",)),
    ("the prompt again", "answer", PROMPT + DOUBLE, DOUBLE, ("echo",)),
    ("the prompt twice", "answer", PROMPT + PROMPT + DOUBLE, DOUBLE, ("echo",)),
    ("the prompt re-spaced", "answer", " ".join(PROMPT.split()) + "\n\n" + DOUBLE, DOUBLE, ("echo",)),
    ("half the prompt", "answer", PROMPT[12:30] + DOUBLE, PROMPT[12:30] + DOUBLE, ()),
    ("ANSWER: again", "answer", "ANSWER:\n" + DOUBLE, DOUBLE, ("marker",)),
    ("next question", "answer", DOUBLE + "\nQUESTION:\nTriple", DOUBLE, ("stop_strings",)),
    ("the earliest stop", "answer", "a\nANSWER:\nb\nQUESTION:\n", "a", ("stop_strings",)),
    ("a fence, from a base model", "answer", f"{F}python\n{DOUBLE}{F}\n", DOUBLE, ("fence",)),
    ("broken code is not mended", "answer", "import sys\nprint (1,", "import sys\nprint (1,", ()),
    ("Python 2", "answer", "print 'a'\n", "print 'a'\n", ()),
    ("[DONE] and the next task", "done",
     DOUBLE + "[DONE]\n\nYou [BEGIN]\nx\n[DONE]", DOUBLE, ("begin_done",)),
    ("[BEGIN] again", "done", "[BEGIN]\n" + DOUBLE + "[DONE]", DOUBLE, ("begin_done",)),
    ("prose, then [BEGIN]", "done", "Here it is:\n[BEGIN]\n" + DOUBLE, DOUBLE, ("begin_done",)),
    ("a program, then [BEGIN]", "done", DOUBLE + "[BEGIN]\n", DOUBLE + "[BEGIN]\n", ()),
    ("one fence", "chat", f"Sure!\n\n{F}python\n{DOUBLE}{F}\n\nIt doubles.", DOUBLE, ("block",)),
    ("py", "chat", f"{F}py\n{DOUBLE}{F}", DOUBLE, ("block",)),
    ("no language", "chat", f"Here:\n{F}\n{DOUBLE}{F}", DOUBLE, ("block",)),
    ("tildes", "chat", f"~~~ python\n{DOUBLE}~~~", DOUBLE, ("block",)),
    ("CRLF fences", "chat", f"Hi!\r\n{F}python\r\npass\r\n{F}\r\n", "pass\n", ("line_ends", "block")),
    ("cut inside a fence", "chat", f"Sure:\n{F}python\n{DOUBLE}", DOUBLE, ("block",)),
    ("the closing fence glued on", "chat", f"{F}python\nprint(1){F}", "print(1)", ("block",)),
    ("the opening fence glued on", "chat", f"Here: {F}python\n{DOUBLE}{F}", DOUBLE, ("block",)),
    ("the opening fence in the prompt", "chat", f"{DOUBLE}{F}\nThis doubles.", DOUBLE, ("block",)),
    ("a fence in a list", "chat",
     f"1. So:\n   {F}python\n   x = 1\n     \n   {F}", "x = 1\n  \n", ("block",)),
    ("four ticks around three", "chat", f"{F}`\n{F}python\n{DOUBLE}{F}\n{F}`", DOUBLE, ("block",)),
    ("use after solution", "chat",
     f"{F}python\n{DOUBLE}{F}\nUse:\n{F}python\nprint(double(1))\n{F}", DOUBLE, ("block",)),
    ("draft, then better", "chat",
     f"{F}python\ndef f():\n    1\n{F}\nNo:\n{F}python\n{DOUBLE}{F}", DOUBLE, ("block",)),
    ("install first", "chat", f"{F}bash\npip install x\n{F}\n{F}python\n{DOUBLE}{F}", DOUBLE, ("block",)),
    ("output after", "chat", f"{F}python\n{DOUBLE}{F}\nPrints:\n{F}\n4\n{F}", DOUBLE, ("block",)),
    ("broken, then whole", "chat",
     f"{F}python\ndef f(:\n  1\n{F}\n{F}python\n{DOUBLE}{F}", DOUBLE, ("block",)),
    ("no block parses", "chat", f"See:\n{F}python\nprint 'a'\n{F}", "print 'a'\n", ("block",)),
    ("ticks in a string", "chat",
     f"s = '''\n{F}python\nx\n{F}\n'''\n", f"s = '''\n{F}python\nx\n{F}\n'''\n", ()),
    ("thoughts", "chat", f"<think>{F}python\nx = 1\n{F}</think>\n{DOUBLE}", f"\n{DOUBLE}", ("thinking",)),
    ("prose around", "chat",
     f"Here it is:\n\n{DOUBLE}\nIt's done (see above.\nOK", DOUBLE + "\n", ("longest",)),
    ("indented below prose", "chat",
     "So it is:\n\n    x = 1\n    print(x)\n\nDone now.", "\nx = 1\nprint(x)\n\n", ("longest",)),
    ("prose that parses", "chat", f"Sure\nIt is this:\nSure\n{DOUBLE}Done\nbye now", DOUBLE, ("longest",)),
    ("brackets at the margin", "chat",
     "So it is:\nx = [\n1,\n]\nprint(x)\n", "x = [\n1,\n]\nprint(x)\n", ("longest",)),
    ("quotes at the margin", "chat",
     'So it is:\nx = """\na b\n"""\nf(x)\n', 'x = """\na b\n"""\nf(x)\n', ("longest",)),
    ("decorators", "chat",
     f"So it is:\n@a\n@b(\n  1\n)\n# c\n{DOUBLE}", f"@a\n@b(\n  1\n)\n# c\n{DOUBLE}", ("longest",)),
    ("else at the margin", "chat",
     "So it is:\nif a:\n  b()\nelse:\n  c()\n", "if a:\n  b()\nelse:\n  c()\n", ("longest",)),
    ("a backslash", "chat", "So it is:\nx = \\\n1\n", "x = \\\n1\n", ("longest",)),
    ("cut in a function", "program",
     f"{DOUBLE}def f():\n    g()\n    return (1,", f"{DOUBLE}def f():\n    g()\n", ("first",)),
    ("the longer of two parts", "chat", f"x = 1\nand then comes\n{DOUBLE}", DOUBLE, ("longest",)),
    ("prose only", "chat", "I cannot do that, sorry.", "I cannot do that, sorry.", ()),
    ("a space before the first line", "program", " " + DOUBLE, DOUBLE, ("indentation",)),
    ("all indented", "program", "  x = 1\n  print(x)\n", "x = 1\nprint(x)\n", ("indentation",)),
    ("verbatim", "verbatim", f"{F}\r\n</s>", f"{F}\r\n</s>", ()),
]  # fmt: skip


@cases(
    ("rule", "answer", "program", "fired"),
    [row[1:] for row in ANSWERS],
)
def test_the_program_in_an_answer_is_found(rule, answer, program, fired):
    found = extract(answer, rule, prompt=PROMPT, stop=("\nQUESTION:", "\nANSWER:"))
    assert (found.code, found.fired) == (program, fired)
    assert found.changed == (program != answer)
    assert found.rule == rule


def test_an_answer_that_goes_on_from_its_prompt_ends_before_the_earliest_stop_string():
    prompt = '"""\nDouble the number.\nassert double(1) == 2\n"""\n'
    stop = ("\nclass", "\nassert", '\n"""', "\nprint", "\nif")
    answer = " " + DOUBLE + "\nprint(double(2))\nassert double(1) == 2\n"
    found = extract(answer, "continuation", prompt=prompt, stop=stop, in_program=True)
    assert found.code == prompt + DOUBLE
    assert found.fired == ("stop_strings", "indentation")
    unchanged = extract(DOUBLE, "continuation", prompt=prompt, stop=stop, in_program=True)
    assert (unchanged.code, unchanged.changed) == (prompt + DOUBLE, False)
    assert extract(prompt + DOUBLE, "continuation", prompt=prompt, in_program=True).code == prompt + DOUBLE


def test_a_stop_string_needs_its_newline_inside_the_answer():
    assert (
        extract("class A:\n    pass\nclass B", "continuation", stop=("\nclass",)).code == "class A:\n    pass"
    )


def test_that_an_answer_was_cut_at_the_length_limit_is_handed_on():
    assert extract(DOUBLE, "answer", truncated=True).truncated
    assert not extract(DOUBLE, "answer").truncated


def test_a_prompt_brings_its_rule_its_stops_and_its_text():
    form = PromptFormat(
        "f", "1", lambda _: [Piece("# begin of it\n")], "here", ("STOP",), "answer", in_program=True
    )
    prompt = make_prompt(form, EXAMPLES[0])
    found = extract_program("x = 1STOP", prompt, truncated=True)
    assert (found.code, found.rule, found.fired) == ("# begin of it\nx = 1", "answer", ("stop_strings",))
    assert found.truncated


def test_an_unknown_rule_is_refused_with_those_that_exist():
    with pytest.raises(InputError, match=r"unknown extraction rule 'anwser'.*answer, done"):
        extract("", "anwser")


HOSTILE = {
    "brackets": "(" * 100_000,
    "closed brackets": "(" * 5000 + ")" * 5000,
    "braces in f-strings": 'f"' + "{" * 5000,
    "signs": "-" * 100_000 + "1",
    "spaced signs": "- " * 100_000 + "1",
    "not": "not " * 60_000 + "1",
    "lambda": "lambda:" * 30_000 + "1",
    "attributes": "a" + ".a" * 100_000,
    "sums": "1" + "+1" * 100_000,
    "powers": "1" + "**1" * 60_000,
    "calls": "f" + "()" * 100_000,
    "choices": "1 if 1 else " * 20_000 + "1",
    "elif": "if 1:\n pass\n" + "elif 1:\n pass\n" * 15_000,
    "indents": "".join(" " * depth + "if 1:\n" for depth in range(600)),
    "digits": "x = " + "9" * 5000,
    "NUL": "x = 1\0",
    "lone surrogate": "x = '\ud800'",
    "fences": "```\n" * 50_000,
    "fence marks": "`" * 200_000,
    "prose": "this is a line of prose\n" * 100_000,
    "open brackets": "see (this\n" * 100_000,
    "three quotes": 'a """ b\n' * 50_000,
    "space": " \n" * 100_000 + " " * 100_000,
    "padding": "<pad>" * 50_000,
    "words": "a " * 100_000,
    "definitions": "def f(:\n  x\n" * 20_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_brings_the_extraction_down(name):
    for rule in RULES:
        found = extract(HOSTILE[name], rule, prompt="a prompt of some length", stop=("\nSTOP",))
        assert len(found.code) <= len(HOSTILE[name])


LONG = {
    "a line, then a fence": "a" * MAX_TEXT + "\n```python\nprint(1)\n```\n",
    "words, then marks": "a " * (MAX_TEXT // 2) + "```",
    "tildes": "~" * MAX_TEXT + "`",
    "marks and blanks": "```" + " " * MAX_TEXT + "`",
    "carriage returns": "x = (\n" + "\r" * MAX_TEXT + "x",
    "decorators": "@a\n" * (MAX_TEXT // 3) + "x y z\n",
    "unclosed fences": "```a\n" * (MAX_TEXT // 5) + "x",
    "fences of growing length": "".join("`" * n + "a\n" for n in range(3, 1400)) + "x",
    "fences in quotes": "```python\n'''\n```\n" * (MAX_TEXT // 18),
    "thoughts in one line": "</think>" * (MAX_TEXT // 8),
    "channels": "<|channel|>final<|message|>" * (MAX_TEXT // 27) + "x y",
    "one function again and again": DOUBLE * (MAX_TEXT // len(DOUBLE)) + "and so on",
    "stars of a list": "- " * (MAX_TEXT // 2) + "```python\nx",
    "quotes": "> " * (MAX_TEXT // 2) + "```python\n" + "> x\n" * 1000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_an_answer_of_a_mebibyte_is_read(name):
    # Each would take minutes, some hours, if a step were quadratic in the length of the text or of a line.
    for rule in ("answer", "program", "chat"):
        assert len(extract(LONG[name], rule, wanted="double").code) <= MAX_TEXT


def test_what_stands_beyond_the_cap_is_cut_off_and_that_is_recorded():
    answer = DOUBLE + "#" * MAX_TEXT
    for rule in set(RULES) - {"verbatim"}:
        found = extract(answer, rule)
        assert (found.code[: len(DOUBLE)], len(found.code), found.fired) == (DOUBLE, MAX_TEXT, ("cut",))
    assert extract(answer, "verbatim").code == answer


def test_the_rules_of_papers_do_not_change():
    # Published numbers are compared with what these rules make of an answer.
    assert {name: rule.version for name, rule in RULES.items()} == {
        "verbatim": "1", "answer": "1", "done": "1", "continuation": "1", "program": "3", "chat": "3",
    }  # fmt: skip


def test_the_parser_survives_hostile_text_on_a_small_stack():
    # A crash of the parser in C would end the process, and this test with it, if it ran here.
    code = (
        "import sys, threading\nfrom harness.extraction.parsing import parse\n"
        "def all_of_them():\n"
        "    for text in ('-' * 10**5 + '1', 'not ' * 10**4 + '1', '(' * 10**5, '~ ' * 10**5):\n"
        "        parse(text)\n"
        "threading.stack_size(256 * 1024)\n"
        "thread = threading.Thread(target=all_of_them)\nthread.start()\nthread.join()\nprint('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_parsing_says_why_and_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parses("x = '\\d' is 1\n")
    assert parse("x = (\n") == Failure("'(' was never closed", 1)
    assert parse("(" * 201) == Failure("nested too deeply", None)
    assert not isinstance(parse("(" * 100 + ")" * 100 + "-" * 150 + "1"), Failure)
    assert parse("#" * (MAX_CHARACTERS + 1)) == Failure("too long", None)


def test_extraction_runs_nothing(tmp_path):
    trap = tmp_path / "ran"
    answer = f"Sure it is:\n\nopen({str(trap)!r}, 'w')\n"
    for rule in RULES:
        extract(answer, rule)
    assert not trap.exists()


def test_a_part_is_found_behind_many_lines_of_prose_and_is_whole_lines_of_the_text():
    assert longest_part("it is so\n" * 5000 + DOUBLE) == DOUBLE
    assert longest_part("it is so\n" * 50_000 + DOUBLE) is None  # beyond the cap, and quickly
    assert longest_part("Sure\nyes\n") is None


def test_text_without_a_fence_has_no_fenced_block():
    assert fenced(DOUBLE) is None
    assert fenced(f"Nothing in it:\n{F}\n{F}\n") is None


FRAGMENTS = [
    F, f"{F}python\n", f"{F}py\n",
    "~~~", "\n", "\r\n", "\r", " ", "    ", "\t", DOUBLE, "x = 1\n", "if x:\n", "(", ")", "]",
    '"""', "'''", "'", "\\", "@a\n", "else:\n", "#", "Sure", "Here it is:\n", "[BEGIN]", "[DONE]", "ANSWER:",
    "\nQUESTION:", "</s>", "<s>", "<pad>", "<|endoftext|>", "</think>", "<think>", PROMPT, "QUESTION:",
    "def f(x):\n    pass\n", "print(double(1))\n", "x = input()\n", "assert double(1) == 2\n",
    "import math\n",     "class Solution:\n    def f(self):\n        return x\n", "[/THINK]",
    "<|channel|>final<|message|>", "<|end|>",     "python\n", "> ", "- ",
    "\0", "\f", "\u2028", "\ud800", "\ufeff", "é",
]  # fmt: skip
WANTED = st.sampled_from(
    [ANYTHING, Wanted(("double",)), Wanted(("f", "double"), in_solution=True), Wanted(script=True)]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))


def _is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(character in rest for character in part)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    TEXTS,
    st.sampled_from(sorted(RULES)),
    st.sampled_from(["", PROMPT, "# begin of the file\n"]),
    st.booleans(),
    WANTED,
)
def test_every_character_of_a_program_stands_in_its_answer_or_prompt(
    answer, rule, prompt, in_program, wanted
):
    stop = ("\nQUESTION:", "\nclass")
    found = extract(answer, rule, prompt=prompt, stop=stop, in_program=in_program, wanted=wanted)
    assert _is_subsequence(found.code, (prompt if in_program else "") + answer)
    assert found.changed == (found.code != (prompt if in_program else "") + answer)
    assert bool(found.fired) >= found.changed


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(TEXTS, st.sampled_from(sorted(RULES)), st.sampled_from(["", PROMPT]), WANTED)
def test_a_rule_leaves_its_own_output_alone(answer, rule, prompt, wanted):
    once = extract(answer, rule, prompt=prompt, stop=("\nQUESTION:",), wanted=wanted)
    again = extract(once.code, rule, prompt=prompt, stop=("\nQUESTION:",), wanted=wanted)
    assert (again.code, again.changed, again.fired) == (once.code, False, ())


def test_what_is_nested_beyond_the_rounds_is_given_as_it_stands_then():
    depth = MAX_ROUNDS * MAX_NESTING + 5
    answer = "".join("`" * ticks + "\n" for ticks in range(depth + 2, 2, -1)) + "a b\n"
    assert extract(answer, "answer").code.endswith("```\na b\n")
