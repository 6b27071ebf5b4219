"""Extraction rules by name, and what they make of a model's answer.

A rule is a row of steps in a table. `answer` and `done` read answers of models that write nothing but the
program, as the reference code does, and mend nothing; `program` and `chat` know the problem, and look for its
program in what does not parse, which turns some failures into other outcomes: compare one
rule's numbers only. Does not cover: what a program does. Nothing here is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.errors import InputError
from harness.extraction import steps
from harness.extraction.parsing import MAX_TEXT
from harness.extraction.steps import Context
from harness.extraction.wanted import ANYTHING, Wanted
from harness.types import ExtractionRule, PromptFormat

Rule = ExtractionRule
"""A named row of steps."""

CUT = "cut"
"""Recorded among the steps where an answer is longer than `MAX_TEXT`; `verbatim` alone leaves it so."""

MAX_ROUNDS = 16
"""A rule is applied until it changes nothing, so that its own output is left alone; what is nested more
deeply (fences in fences) is not."""


MAX_READ = 1 << 18
"""Characters that rounds after the first may read in all: what is long and does not get shorter is left."""


class Asked(Protocol):
    """What an answer answers: a `harness.prompts.Prompt`, which this package does not know."""

    @property
    def text(self) -> str:
        """What the model was given."""

    @property
    def format(self) -> PromptFormat:
        """Where answers stop, and by which rule they are read."""

    @property
    def wanted(self) -> Wanted:
        """What the program must be."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """A program, and how it was read out of an answer."""

    code: str
    changed: bool
    """The program is not the answer as it came (after the prompt, where that is part of the program)."""
    rule: str
    fired: tuple[str, ...]
    """Steps that changed something, by name, in the order in which they first did."""
    truncated: bool
    """The answer ended at the length limit, as the caller said."""


_CLEAN = (steps.special_tokens, steps.line_ends)
# Before the others: channels end with a token that ends other answers.
_READ = (steps.channels, *_CLEAN, steps.echo, steps.thinking)
_FOUND = (steps.stop_strings, steps.block, steps.language, steps.indentation)

RULES = {
    rule.name: rule
    for rule in (
        Rule("verbatim", "1", ()),
        Rule("answer", "1", (*_CLEAN, steps.echo, steps.marker, steps.stop_strings, steps.fence)),
        Rule("done", "1", (*_CLEAN, steps.echo, steps.begin_done, steps.stop_strings, steps.fence)),
        Rule("continuation", "1", (*_CLEAN, steps.echo, steps.stop_strings, steps.indentation)),
        Rule("program", "3", (*_READ, steps.marker, *_FOUND, steps.first)),
        Rule("chat", "3", (*_READ, *_FOUND, steps.longest)),
    )
}


def find_rule(rule: str | Rule) -> Rule:
    """The rule of that name, or the rule itself.

    Raises:
        InputError: If there is no such rule.
    """
    if isinstance(rule, Rule):
        return rule
    if rule not in RULES:
        raise InputError(f"unknown extraction rule {rule!r}; available: {', '.join(RULES)}")
    return RULES[rule]


def versioned(rule: str | Rule) -> str:
    """A rule's name and version, for the identity of a run: `chat@3`."""
    found = find_rule(rule)
    return f"{found.name}@{found.version}"


def extract(
    answer: str,
    rule: str | Rule,
    *,
    prompt: str = "",
    stop: Sequence[str] = (),
    in_program: bool = False,
    truncated: bool = False,
    wanted: Wanted | str = ANYTHING,
) -> Extraction:
    """The program in a model's answer.

    Every character of it stands in the answer (or the prompt, with `in_program`), in the same order. Applied
    to its own output, a rule changes nothing, save after `MAX_ROUNDS` or where the prompt is put in front.

    Args:
        answer: what the model wrote, the prompt excluded unless it repeats it.
        rule: one of `RULES` by name, or any other.
        prompt: what the model was given, shortened if it was.
        stop: strings that end the answer.
        in_program: the prompt is the program's beginning.
        truncated: the answer ended at the length limit; handed on.
        wanted: what the program must be, `Wanted.of(problem)`, or the name of the function that it must
            define. The rules `program` and `chat` ask for it.

    Raises:
        InputError: If there is no such rule; never for what an answer holds.
    """
    used = find_rule(rule)
    known = Wanted((wanted,)) if isinstance(wanted, str) else wanted
    context = Context(prompt[-MAX_TEXT:], stop, known)
    code, fired = answer, dict[str, None]()
    if used.steps and len(code) > MAX_TEXT:
        code, fired = code[:MAX_TEXT], {CUT: None}
    read = 0
    for _ in range(MAX_ROUNDS):
        before = code
        for step in used.steps:
            after = step(code, context)
            if after != code:
                fired[step.__name__] = None
            code = after
        read += len(code)
        if code == before or read > MAX_READ:
            break
    whole = prompt + code if in_program else code
    return Extraction(whole, code != answer, used.name, tuple(fired), truncated)


def extract_program(
    answer: str, prompt: Asked, *, stop: Sequence[str] = (), truncated: bool = False
) -> Extraction:
    """`extract` with the rule, the stop strings, the text and the problem of the prompt that was answered.

    `stop` are strings besides the format's own.
    """
    form = prompt.format
    return extract(
        answer,
        form.extraction,
        prompt=prompt.text,
        stop=(*form.stop, *stop),
        in_program=form.in_program,
        truncated=truncated,
        wanted=prompt.wanted,
    )
