"""The longest part of a text that is Python: what is left when prose and broken code are taken away.

The text falls into blocks, each a line at the margin with the indented lines that follow; a block is parsed
alone, and the longest run of blocks that parse is the answer. So each line is parsed about once; a search
over all spans of lines would parse it as often as there are lines. What is looked at is capped (`MAX_BLOCKS`,
and a budget of characters), so that the worst text costs little more than an ordinary one.
Does not cover: the very longest span in every case, such as a text inside three quotes that reads like code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import dedent

from harness.extraction.blocks import Block
from harness.extraction.choosing import with_helpers
from harness.extraction.lines import lines_of
from harness.extraction.parsing import MAX_TEXT, Failure, Syntax, parse, parses
from harness.extraction.wanted import ANYTHING, Wanted

MAX_BLOCKS = 10_000
"""A program has hundreds at most."""
BUDGET = 8
"""Characters parsed in all, in multiples of the text's."""
REACH = 200
"""Blocks that an open bracket or three quotes may span."""

_CONTINUES = re.compile(r"[\s)\]}#]|(?:else|elif|except|finally)\b")
_DECORATES = re.compile(r"[@)\]}\s#]")


def longest_part(text: str, wanted: Wanted = ANYTHING, *, first: bool = False) -> str | None:
    """The longest run of lines that parses and does something; `None` if there is none.

    It is made of whole lines of the text, less the indentation that code in a list or quote has. Of runs that
    define what is wanted it is the longest, or the first, with those runs that bind what it lacks. Where no
    name is wanted, the first is the first that reads input (a script) or defines something.
    """
    parts = [*_blocks(text)][:MAX_BLOCKS]
    search = _Search(parts, min(BUDGET * len(text) + 10_000, MAX_TEXT))
    runs = [kept for run in search.runs() for kept in _without_prose(run) if kept]
    likely = [run for run in runs if first and _is_likely(run, wanted)]
    best = likely[0] if likely else max(runs, key=_weight, default=[])
    if wanted.names:
        found = [Block(_code(run)) for run in runs]
        most = max((_defined(block, wanted) for block in found), default=0)
        if most:
            places = [place for place, block in enumerate(found) if _defined(block, wanted) == most]
            place = places[0] if first else max(places, key=lambda each: _weight(runs[each]))
            return with_helpers(found, place, wanted)
    code = _code(best)
    return code if code and parses(code) else None


def _is_likely(run: Sequence[_Part], wanted: Wanted) -> bool:
    if wanted.names:
        return False
    return any(part.syntax.reads if wanted.script else part.syntax.defines for part in run)


def first_part(text: str, wanted: Wanted) -> str:
    """A program without what a model that runs on puts around it: what is wanted once more, and uses of it.

    Statements at the margin that call what is wanted (asserts, examples, a main program), or read input, bind
    nothing that it needs, and may end a right program before its tests. What uses their results goes too.
    """
    found = parse(text)
    if not isinstance(found, Syntax) or not wanted.defined_by(found):
        return text
    again = [found.redefined[name] for name in wanted.names if name in found.redefined]
    kept = "".join(lines_of(text)[: min(again) - 1]) if again else text
    parts = _Search([*_blocks(kept)], BUDGET * len(kept) + 10_000).all_parts()
    return "".join(part.text for part in _without_uses(parts, wanted)) if parts else kept


def _without_uses(parts: Sequence[_Part], wanted: Wanted) -> Iterator[_Part]:
    results: set[str] = set()
    for part in parts:
        syntax = part.syntax
        uses = syntax.runs and (syntax.reads or not syntax.needs.isdisjoint(wanted.names))
        depends = not syntax.needs.isdisjoint(results) and not syntax.defines
        if (uses or depends) and syntax.makes.isdisjoint(wanted.names):
            results |= syntax.makes
        else:
            yield part


def _code(run: Sequence[_Part]) -> str:
    return "".join(part.text for part in run)


def _defined(block: Block, wanted: Wanted) -> int:
    found = parse(block.code)
    return wanted.defined_by(found) if isinstance(found, Syntax) else 0


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece that parses."""

    text: str
    syntax: Syntax

    @property
    def acts(self) -> bool:
        """It is more than a name or a text, as prose that happens to parse is."""
        return self.syntax.acts


def _weight(run: Sequence[_Part]) -> int:
    """Lines that are not blank, of those parts that act."""
    return sum(1 for part in run if part.acts for line in part.text.split("\n") if line.strip())


def _blocks(text: str) -> Iterator[str]:
    current: list[str] = []
    decorating = False
    for line in lines_of(text):
        joined = current and (_CONTINUES.match(line) or current[-1].endswith("\\\n") or decorating)
        if current and not joined:
            yield "".join(current)
            current = []
        decorating = decorating and bool(_DECORATES.match(line)) if current else line.startswith("@")
        current.append(line)
    if current:
        yield "".join(current)


class _Search:
    """One pass over the blocks, paid for by the character."""

    def __init__(self, found: Sequence[str], budget: int) -> None:
        self._blocks = found
        self._budget = budget
        self._opens = [_open_brackets(block) for block in found]

    def runs(self) -> Iterator[list[_Part]]:
        """Runs of neighbours that parse."""
        run: list[_Part] = []
        place = 0
        while place < len(self._blocks):
            part, after = self._whole(place)
            if part is not None:
                run.append(part)
                place = after
                continue
            first, second = self._rest_of_a_broken_one(self._blocks[place])
            yield [*run, *first]
            run = second
            place += 1
        yield run

    def all_parts(self) -> list[_Part]:
        """All of a text that parses; nothing if the budget does not reach, or it falls apart otherwise."""
        parts, place = [], 0
        while place < len(self._blocks):
            part, place = self._whole(place)
            if part is None:
                return []
            parts.append(part)
        return parts

    def _whole(self, place: int) -> tuple[_Part | None, int]:
        """The block at `place`, with as many more as its brackets and quotes span, and where it ends."""
        text, end = self._blocks[place], place + 1
        while True:
            part = self._try(text)
            if isinstance(part, _Part):
                return part, end
            further = self._closing(text, part, end)
            if further is None:
                return None, end
            text += "".join(self._blocks[end:further])
            end = further

    def _closing(self, text: str, failure: Failure, end: int) -> int | None:
        """Past the block that seems to close what `text` leaves open; `None` if nothing in reach does."""
        if "unterminated triple-quoted" in failure.message:
            quotes = '"""' if text.count('"""') % 2 else "'''"
            for place in range(end, min(end + REACH, len(self._blocks))):
                if quotes in self._blocks[place]:
                    return place + 1
        elif "was never closed" in failure.message:
            depth = _open_brackets(text)
            for place in range(end, min(end + REACH, len(self._blocks))):
                depth += self._opens[place]
                if depth <= 0:
                    return place + 1
        return None

    def _rest_of_a_broken_one(self, block: str) -> tuple[list[_Part], list[_Part]]:
        """What a broken block gives to the run before it, and with what the next run starts.

        Its lines before the error where they parse (an answer cut at the limit); or the code that stands
        indented below a line of prose.
        """
        lines = lines_of(block)
        indented = dedent("".join(lines[1:])) if len(lines) > 1 else ""
        failure = self._try(block)
        if isinstance(failure, Failure) and (failure.line or 0) > 1:
            before = self._try("".join(lines[: (failure.line or 1) - 1]))
            if isinstance(before, _Part) and before.acts:
                return [before], []
        below = self._try(indented) if indented.strip() else None
        return [], [below] if isinstance(below, _Part) and below.acts else []

    def _try(self, text: str) -> _Part | Failure:
        self._budget -= len(text)
        if self._budget < 0:
            return Failure("enough was parsed", None)
        found = parse(text)
        return _Part(text, found) if isinstance(found, Syntax) else found


def _open_brackets(text: str) -> int:
    return sum(map(text.count, "([{")) - sum(map(text.count, ")]}"))


def _without_prose(run: Sequence[_Part]) -> Iterator[list[_Part]]:
    """What stands between statements that only name what nothing in the run binds, such as `Example`."""
    bound = frozenset[str]().union(*(part.syntax.binds for part in run))
    current: list[_Part] = []
    for part in run:
        if "*" not in bound and part.syntax.prose and not part.syntax.needs <= bound:
            yield _trimmed(current)
            current = []
        else:
            current.append(part)
    yield _trimmed(current)


def _trimmed(run: list[_Part]) -> list[_Part]:
    acting = [place for place, part in enumerate(run) if part.acts]
    return run[acting[0] : acting[-1] + 1] if acting else []
