"""Where a program stands in the answer that it was read out of.

What is trained on is what the model wrote, from its first character to the program's end; what the runner
blames is a line of the program. Extraction cuts an answer's ends, its carriage returns and common
indentation, so that the program's lines stand in the answer one after another, each within a line: that is
what is looked for. Does not cover: rules that take something out of the middle. Such a program is placed
nowhere, no line of it can be blamed, and the whole answer is trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

from rltf.spans import line_spans


@dataclass(frozen=True, slots=True)
class Place:
    """A program's place in an answer."""

    lines_before: int
    """Lines of the answer before the program's first, less those of the program that the prompt holds."""
    end: int
    """Character of the answer behind the program's last."""


def place(answer: str, code: str, prompt: str = "") -> Place | None:
    """Find `code` in `answer`; `None` if it does not stand there line by line.

    Args:
        answer: What the model wrote.
        code: The program that was read out of it.
        prompt: Set if the prompt is the program's beginning; the code may then start with it.
    """
    given = prompt if prompt and code.startswith(prompt) else ""
    code = code[len(given) :]
    # A prompt that ends within a line shares that line with the answer's first.
    lines_given = len(line_spans(given)) - (not given.endswith(("\n", "\r")) and bool(given))
    wanted = [code[first:last] for first, last in line_spans(code)]
    if not wanted:
        return Place(-lines_given, len(answer))
    spans = line_spans(answer)
    lines = [answer[first:last] for first, last in spans]
    for before in range(len(lines) - len(wanted) + 1):
        if all(each in line for each, line in zip(wanted, lines[before:], strict=False)):
            start, last = spans[before + len(wanted) - 1][0], wanted[-1]
            end = start + lines[before + len(wanted) - 1].find(last) + len(last)
            return Place(before - lines_given, _with_newline(answer, end, code))
    return None


def _with_newline(answer: str, end: int, code: str) -> int:
    """Behind the newline too, where the program has one at its end."""
    if code.endswith("\n"):
        newline = next((each for each in ("\r\n", "\n") if answer.startswith(each, end)), "")
        return end + len(newline)
    return end
