"""The steps of which extraction rules are made, each from text to text; every one only takes away.

Covers: what tokenizers and models leave around a program. Fences and the longest part that parses have
modules of their own. Does not cover: the order, which is the rule's (`harness.extraction.rules`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import dedent

from harness.extraction.blocks import PYTHON, blocks, leaves_open
from harness.extraction.choosing import choose
from harness.extraction.fences import fenced
from harness.extraction.longest import first_part, longest_part
from harness.extraction.parsing import MAX_CHARACTERS, Syntax, parse, parses
from harness.extraction.thinking import after_thoughts, final_channel
from harness.extraction.wanted import ANYTHING, Wanted

# No Python program holds these by chance, so that the answer ends at the first.
_END = re.compile(
    r"<\|(?:endoftext|endofmask|end_of_text|eot_id|eom_id|im_end|im_start|end|EOT|user|file_separator)\|>"
    r"|<｜end▁of▁sentence｜>|<end_of_turn>|<\|?/?file_sep\|?>"
)
# These may stand in a program (`</s>` is HTML), so that they go only where nothing but more of them follows.
_AT_START = ("<s>", "<pad>", "<bos>", "<|begin_of_text|>", "\ufeff")
_AT_END = ("</s>", "<pad>", "<eos>", "<s>")

_TEXT = re.compile(r"\S")

MAX_NESTING = 4
"""Fences opened at once; an answer that is Markdown itself has two."""

MIN_ECHO = 8
"""Characters, white space aside, that a prompt must have before its like at an answer's start is an echo."""


@dataclass(frozen=True, slots=True)
class Context:
    """What steps know beside the answer."""

    prompt: str
    stop: Sequence[str]
    wanted: Wanted = ANYTHING


Step = Callable[[str, Context], str]


def special_tokens(text: str, _: Context) -> str:
    """End at the first end-of-text token; drop start, end and padding tokens around what is left."""
    found = _END.search(text)
    text = text[: found.start()] if found else text
    start, end = 0, len(text)
    place = 0
    while token := next((each for each in _AT_START if text.startswith(each, place)), None):
        start = place = place + len(token)
        place = _skip_space(text, place)
    place = end
    while True:
        while place > start and text[place - 1].isspace():
            place -= 1
        token = next((each for each in _AT_END if text.endswith(each, start, place)), None)
        if token is None:
            return text[start:end]
        end = place = place - len(token)


def line_ends(text: str, _: Context) -> str:
    r"""`\r\n` becomes `\n`, so that stop strings and fences are found; to Python it is the same program."""
    # Behind a carriage return nothing is tried: what begins there was looked at from the first one on.
    return re.sub(r"(?<!\r)\r++\n", "\n", text)


def echo(text: str, context: Context) -> str:
    """Drop the prompt, once or more, from the start; white space may differ (decoding changes it)."""
    wanted = "".join(context.prompt.split())
    if len(wanted) < MIN_ECHO:
        return text
    start = 0
    while (end := _after(text, start, wanted)) is not None:
        start = _next_line_with_text(text, end)
    return text[start:]


def marker(text: str, _: Context) -> str:
    """Drop `ANSWER:` from the start: a model that was given it may say it again."""
    place = _skip_space(text, 0)
    if not text.startswith("ANSWER:", place):
        return text
    return text[_next_line_with_text(text, place + len("ANSWER:")) :]


def begin_done(text: str, _: Context) -> str:
    """What stands between `[BEGIN]` and `[DONE]`; the prompt ends with the former, which may come again."""
    begin, done = text.find("[BEGIN]"), text.find("[DONE]")
    # A `[BEGIN]` after a program belongs to the next task, which the model makes up.
    if begin >= 0 and (done < 0 or begin < done) and not (text[:begin].strip() and parses(text[:begin])):
        text = text[_next_line_with_text(text, begin + len("[BEGIN]")) :]
        done = text.find("[DONE]")
    return text if done < 0 else text[:done]


def stop_strings(text: str, context: Context) -> str:
    """End before the earliest occurrence of any stop string."""
    found = [place for each in context.stop if each and (place := text.find(each)) >= 0]
    return text[: min(found)] if found else text


def channels(text: str, _: Context) -> str:
    """The final message of a model that writes in channels; see `harness.extraction.thinking`."""
    return text if "final" not in text or parses(text) else final_channel(text)


def thinking(text: str, _: Context) -> str:
    """What follows the thoughts of a reasoning model; see `harness.extraction.thinking`."""
    return text if parses(text) else after_thoughts(text)


def fence(text: str, _: Context) -> str:
    """The fenced block that is the answer, and the one in it; see `harness.extraction.fences`."""
    for _level in range(MAX_NESTING):
        found = fenced(text)
        if found is None:
            break
        text = found
    return text


def block(text: str, context: Context) -> str:
    """The fenced blocks that are the program, and those in it; see `harness.extraction.choosing`."""
    inside = leaves_open(context.prompt)
    for _level in range(MAX_NESTING):
        found = _block(text, context.wanted, inside=inside)
        if found is None or found == text:
            break
        text, inside = found, False
    return text


def _block(text: str, wanted: Wanted, *, inside: bool) -> str | None:
    """`None` if there is none, or what is wanted stands outside of them: then the longest part has it."""
    if ("```" not in text and "~~~" not in text) or parses(text):
        return None
    found = blocks(text, inside=inside or _goes_on_to_a_fence(text))
    if not found:
        return None
    program = choose(found, wanted)
    if program is not None or wanted.begun_in(text):
        return program
    return choose(found, ANYTHING)


def _goes_on_to_a_fence(text: str) -> bool:
    """A program, then a fence that says nothing: what opened was part of the prompt."""
    start = re.search(r"^[ \t]*+(?:```+|~~~+)[ \t]*+$", text, re.MULTILINE)
    if start is None or (before := text[: start.start()]).count("```") or "~~~" in before:
        return False
    found = parse(before)
    return isinstance(found, Syntax) and found.acts


def language(text: str, _: Context) -> str:
    """Drop a first line that is `python` alone: the fence before it was part of the prompt."""
    start = _line_start(text)
    end = text.find("\n", start)
    if end < 0 or text[start:end].strip().lower() not in PYTHON or not text[end:].strip():
        return text
    return text[end + 1 :]


def indentation(text: str, _: Context) -> str:
    """Take away indentation that the first line alone has, or the whole text, if it is Python then."""
    start = _line_start(text)
    if len(text) > MAX_CHARACTERS or not text[start : start + 1].isspace() or parses(text):
        return text
    first = _skip_space(text, 0)
    # The first line alone is what decoding indents, by a space; dedenting that would shift what is inside.
    for candidate in (text[first:], dedent(text)):
        if parses(candidate):
            return candidate
    return text


def longest(text: str, context: Context) -> str:
    """The part that defines what is wanted, else the longest that parses, if the whole is no program."""
    return text if _is_whole(text) else longest_part(text, context.wanted) or text


def first(text: str, context: Context) -> str:
    """The same for a model that runs on: the first part that defines what is wanted, and that once."""
    if not _is_whole(text):
        text = longest_part(text, context.wanted, first=True) or text
    return first_part(text, context.wanted)


def _is_whole(text: str) -> bool:
    found = parse(text)
    return not text.strip() or (isinstance(found, Syntax) and not found.prose)


def _after(text: str, start: int, wanted: str) -> int | None:
    """Where `wanted`, which has no white space, ends in `text` when it is read without white space."""
    place = start
    for character in wanted:
        place = _skip_space(text, place)
        if place == len(text) or text[place] != character:
            return None
        place += 1
    return place


def _skip_space(text: str, place: int) -> int:
    found = _TEXT.search(text, place)
    return found.start() if found else len(text)


def _line_start(text: str) -> int:
    """Start of the first line that is not blank."""
    first = _skip_space(text, 0)
    return text.rfind("\n", 0, first) + 1


def _next_line_with_text(text: str, place: int) -> int:
    """Past white space, except for the indentation of the line with text that it leads to."""
    first = _skip_space(text, place)
    newline = text.rfind("\n", place, first)
    return first if newline < 0 else newline + 1
