"""Where a program stands in the answer that it was read out of.

What is trained on is what the model wrote, from its first character to the program's end; what the runner
blames is a line of the program. Extraction cuts an answer's ends, its carriage returns and common
indentation, so that the program's lines stand in the answer one after another, each within a line: that is
what is looked for, in time that grows as the answer does. Does not cover: programs made of several blocks, or
with something taken out of the middle. Such a program is placed nowhere, no line of it can be blamed, and the
whole answer is trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rltf.rewards.line_tokens import line_spans


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
    for before in _places(wanted, lines):
        start, last = spans[before + len(wanted) - 1][0], wanted[-1]
        end = start + lines[before + len(wanted) - 1].find(last) + len(last)
        return Place(before - lines_given, _with_newline(answer, end, code))
    return None


def text_spans(
    answer: str, code: str, lines_before: int, spans: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Where parts of a program stand in the answer, line by line.

    Args:
        answer: What the model wrote.
        code: The program that was read out of it.
        lines_before: As `Place` has it.
        spans: Characters of `code`, `(first, behind the last)`.

    Returns:
        Characters of `answer`; without those in lines that the prompt holds.
    """
    there = line_spans(answer)
    found = []
    for number, (first, last) in enumerate(line_spans(code)):
        touched = [(max(a, first), min(b, last)) for a, b in spans if a < last and b > first]
        if not touched or not 0 <= number + lines_before < len(there):
            continue
        start, end = there[number + lines_before]
        # Extraction takes common indentation and carriage returns away, so a line may begin further left.
        moved = answer[start:end].find(code[first:last])
        if moved >= 0:
            found += [(start + moved + a - first, start + moved + b - first) for a, b in touched]
    return found


def _places(wanted: Sequence[str], lines: Sequence[str]) -> Iterator[int]:
    """Lines at which `wanted` may begin: the first and the last within a line, the others alone on theirs."""
    if len(wanted) == 1:
        yield from (before for before, line in enumerate(lines) if wanted[0] in line)
        return
    # Of the lines between, extraction takes blanks at most: indentation and carriage returns.
    between, stripped = ([line.strip() for line in each] for each in (wanted[1:-1], lines))
    for place in _occurrences(between, stripped):
        last = place + len(between)
        if place > 0 and last < len(lines) and wanted[0] in lines[place - 1] and wanted[-1] in lines[last]:
            yield place - 1


def _occurrences(pattern: Sequence[str], items: Sequence[str]) -> Iterator[int]:
    """Where `pattern` stands in `items`; steps in proportion to their lengths (Knuth et al. 1977)."""
    if not pattern:
        yield from range(len(items) + 1)
        return
    # How much of what has matched still does, one item further on; by its length, less one.
    back = [0] * len(pattern)
    matched = 0
    for place in range(1, len(pattern)):
        while matched and pattern[place] != pattern[matched]:
            matched = back[matched - 1]
        matched += pattern[place] == pattern[matched]
        back[place] = matched
    matched = 0
    for place, item in enumerate(items):
        while matched and (matched == len(pattern) or item != pattern[matched]):
            matched = back[matched - 1]
        matched += item == pattern[matched]
        if matched == len(pattern):
            yield place - len(pattern) + 1


def _with_newline(answer: str, end: int, code: str) -> int:
    """Behind the newline too, where the program has one at its end."""
    if code.endswith("\n"):
        newline = next((each for each in ("\r\n", "\n") if answer.startswith(each, end)), "")
        return end + len(newline)
    return end
