"""A program's place in an answer, for each thing that extraction takes away."""

import pytest
from cases import cases

from harness.extraction import extract
from rltf.rewards.alignment import Place, place


def line_of(answer: str, code: str, line: int, prompt: str = "") -> str:
    found = place(answer, code, prompt)
    assert found is not None
    return answer.splitlines()[found.lines_before + line - 1]


def test_an_answer_that_is_the_program_is_its_place():
    assert place("a\nb\n", "a\nb\n") == Place(0, 4)


@cases(
    ("answer", "rule"),
    [
        ("x = 1\ny = x / 0\n\nQUESTION:\nmore", "answer"),
        ("Here it is:\n```python\nx = 1\ny = x / 0\n```\nDone.", "chat"),
        ("x = 1\r\ny = x / 0\r\n", "answer"),
        ("ANSWER:\nx = 1\ny = x / 0\n", "answer"),
        ("    x = 1\n    y = x / 0\n", "continuation"),
    ],
)
def test_the_second_line_of_the_program_is_found_in_the_answer(answer, rule):
    code = extract(answer, rule, stop=("\nQUESTION:",)).code
    assert "y = x / 0" in line_of(answer, code, 2)
    found = place(answer, code)
    assert found is not None
    assert "QUESTION" not in answer[: found.end]
    assert "Done" not in answer[: found.end]


def test_repeated_lines_are_told_apart():
    answer = "Try:\n```\nx += 1\nx += 1\nx += 1\n```\n"
    found = place(answer, "x += 1\nx += 1\nx += 1\n")
    assert found is not None
    assert found.lines_before == 2


def test_lines_that_the_prompt_holds_are_before_the_answer():
    prompt, answer = "def f(x):\n", "    return y\n"
    assert line_of(answer, prompt + answer, 2, prompt) == "    return y"
    found = place(answer, prompt + answer, prompt)
    assert found is not None
    assert found.lines_before + 1 == 0  # the blamed line is the prompt's


def test_an_answer_that_goes_on_the_prompts_last_line_shares_it():
    prompt, answer = "def f(x):\n    return", " y\nf(1)\n"
    assert line_of(answer, prompt + answer, 2, prompt) == " y"
    assert line_of(answer, prompt + answer, 3, prompt) == "f(1)"


def test_a_program_that_does_not_stand_there_has_no_place():
    assert place("a\nx\nb\n", "a\nb\n") is None


def test_an_empty_program_ends_with_the_answer():
    assert place("nothing", "") == Place(0, 7)


def test_a_program_is_found_where_its_first_line_stands_more_than_once():
    found = place("a\na\na\nb\nc\n", "a\na\nb\n")
    assert found == Place(1, 8)


def test_lines_between_the_first_and_the_last_stand_alone_on_theirs():
    assert place("xx\nyy\nzz\n", "x\nyy\nz\n") == Place(0, 7)
    assert place("xx\nyy\nzz\n", "x\ny\nz\n") is None


@pytest.mark.slow
@pytest.mark.parametrize("size", [1 << 20])
def test_answers_of_a_mebibyte_are_looked_through(size):
    # They would take hours if each of their lines were held against each of the program's.
    blank = "\n" * size + "x"
    assert place(blank, "\n" * (size // 2) + "y") is None
    assert place(blank, "\n" * (size // 2) + "x") == Place(size // 2, size + 1)
    assert place("a\n" * (size // 2), "a\n" * (size // 4) + "b\n" + "a\n") is None


def test_a_place_is_the_first_that_a_plain_search_finds():
    def plain(answer: str, code: str) -> int | None:
        lines, wanted = answer.split("\n"), code.split("\n")
        for before in range(len(lines) - len(wanted) + 1):
            middle = zip(wanted[1:-1], lines[before + 1 :], strict=False)
            ends = wanted[0] in lines[before] and wanted[-1] in lines[before + len(wanted) - 1]
            if ends and all(a.strip() == b.strip() for a, b in middle):
                return before
        return None

    for number in range(3**7):
        answer = "\n".join("a b"[number // 3**i % 3] for i in range(7)) + "c"
        for code in ("a", "a\nb", "a\na\nb", "a\n\na\n\nb", "b\na\na\nc", "a\na\na\nbc"):
            found = place(answer, code)
            assert (None if found is None else found.lines_before) == plain(answer, code), (answer, code)
