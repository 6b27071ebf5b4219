r"""Where a reasoning model's thoughts end: marks of every spelling, and the channels of gpt-oss.

Marks: `</think>`, `</thinking>`, `</thought>`, `</seed:think>`, `[/THINK]`, `<|end_of_thought|>`,
`<|END_THINKING|>`, `◁/think▷`, `<channel|>` and their like. Taken is what follows the first mark, or a later
one if that closes thoughts anew or stands at an end of its line; a mark in a block of code, or within a line
of code, is part of the program. Wrappers around the answer (`<answer>`, `<|begin_of_solution|>`) go too.
Channels: the last message of the channel `final`, with its tokens or, where decoding dropped them, after
`assistantfinal`. Does not cover: thoughts that nothing closes, which are left as they are. Time is linear.
"""

from __future__ import annotations

import re

from harness.extraction.lines import lines_of

_WORD = (
    r"(?:\w{1,20}[:_]|ant)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|inner_monologue)"
    r"(?:_\w{1,60})?[ \t]{0,8}"
)
_INNER = r"(?:thought|thoughts|thinking|think|reasoning)"
_MARK = re.compile(
    rf"(?P<close></{_WORD}>|\[/{_WORD}\]|<\|/{_INNER}\|>|<\|end(?:_of)?_{_INNER}\|>"
    rf"|<\|{_INNER}_end\|>|◁/think▷|</\|?{_INNER}\|>|<\|inner_suffix\|>|<unused95>|<channel\|>)"
    rf"|(?P<open><{_WORD}>|\[{_WORD}\]|<\|{_INNER}\|>|<\|(?:begin|start)(?:_of)?_{_INNER}\|>"
    rf"|<\|{_INNER}_start\|>|◁think▷|<\|inner_prefix\|>|<unused94>|<\|channel>{_INNER})",
    re.IGNORECASE,
)
_FENCE = re.compile(r"[ \t]*+(?:```|~~~)")
_QUOTES = "'\"`"
_WRAPPERS = (
    ("<answer>", "</answer>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<response>", "</response>"),
    ("[ANSWER]", "[/ANSWER]"),
)

_FINAL = re.compile(r"<\|channel\|>\s*+final\b[^<\n]{0,100}+(?:<\|constrain\|>[^<\n]{0,100}+)?<\|message\|>")
_MESSAGE_ENDS = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_PLAIN_FINAL = "assistantfinal"


def final_channel(text: str) -> str:
    """The last message of the channel `final`; `text` itself if there is none."""
    last = None
    for last in _FINAL.finditer(text):  # noqa: B007 - the last is wanted
        pass
    if last is not None:
        end = _MESSAGE_ENDS.search(text, last.end())
        return text[last.end() : end.start() if end else len(text)]
    if text.lstrip().startswith("analysis") and (place := text.rfind(_PLAIN_FINAL)) >= 0:
        return text[place + len(_PLAIN_FINAL) :]
    return text


def after_thoughts(text: str) -> str:
    """What follows the thoughts; `text` itself if no mark ends any."""
    end = _end_of_thoughts(text)
    return _unwrapped(text[end:]) if end else text


def _end_of_thoughts(text: str) -> int:
    """Behind the mark that ends them; 0 if there is none."""
    end = start = 0
    thinking = in_code = False
    for line in lines_of(text):
        if _FENCE.match(line):
            in_code = not in_code
        first, last = len(line) - len(line.lstrip()), len(line.rstrip())
        for mark in _MARK.finditer(line):
            whole = mark.start() <= first and mark.end() >= last
            alone = mark.start() <= first or mark.end() >= last
            if mark["open"] is not None:
                thinking = thinking or (mark.start() <= first and not in_code)
            elif (
                thinking
                or (whole and end == 0)  # thoughts may leave a fence open
                or (not in_code and (alone or (end == 0 and line[mark.start() - 1] not in _QUOTES)))
            ):
                end, thinking, in_code = start + mark.end(), False, False
        start += len(line)
    return end


def _unwrapped(text: str) -> str:
    """The inside of a wrapper that begins the text's first line, or of the text as it is."""
    start = len(text) - len(text.lstrip())
    for begin, end in _WRAPPERS:
        if text.startswith(begin, start):
            close = text.rfind(end)
            return text[start + len(begin) : close if close > start else len(text)]
    return text
