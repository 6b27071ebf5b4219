"""A program's place in an answer, for each thing that extraction takes away."""

import pytest

from harness.extraction import extract
from rltf.placing import Place, place


def line_of(answer: str, code: str, line: int, prompt: str = "") -> str:
    found = place(answer, code, prompt)
    assert found is not None
    return answer.splitlines()[found.lines_before + line - 1]


def test_an_answer_that_is_the_program_is_its_place():
    assert place("a\nb\n", "a\nb\n") == Place(0, 4)


@pytest.mark.parametrize(
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
