"""Which of several pieces of an answer is the program, and which others belong to it.

The pieces are fenced blocks, or runs of lines that parse (`harness.extraction.longest`). What is known of
the problem comes first: a piece that defines what its tests call, or, for a script, pieces that together read
input, print and run. Then: what is marked as Python, what parses, what lacks least; and the last, or the last
of like size where nothing is known, since a better version follows a draft. A piece that uses names which
another piece binds gets that piece too, in the answer's order. Does not cover: whether a program is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.extraction.blocks import Block
from harness.extraction.parsing import Failure, Syntax, parse
from harness.extraction.wanted import Wanted

MAX_HELPERS = 16
"""Pieces that are added to one."""


def choose(found: Sequence[Block], wanted: Wanted) -> str | None:
    """The program in blocks that are not blank; `None` if they hold none of the names that are wanted."""
    pieces = _numbered(found)
    answer = _Answer(pieces, wanted)
    if wanted.names:
        return answer.definer()
    return answer.script() if wanted.script else answer.best(pieces)


def with_helpers(found: Sequence[Block], place: int, wanted: Wanted) -> str:
    """The block at `place`, and those that bind what it lacks."""
    answer = _Answer(_numbered(found), wanted)
    return answer.with_helpers(place)


def _numbered(found: Sequence[Block]) -> list[_Piece]:
    return [_Piece(place, block, parse(block.code)) for place, block in enumerate(found)]


@dataclass(frozen=True)
class _Piece:
    """A block and what Python says of it."""

    place: int
    block: Block
    parsed: Syntax | Failure

    @property
    def syntax(self) -> Syntax | None:
        return self.parsed if isinstance(self.parsed, Syntax) else None

    @cached_property
    def size(self) -> int:
        """Lines that are not blank."""
        return sum(1 for line in self.block.code.split("\n") if line.strip())


class _Answer:
    """The pieces of one answer."""

    def __init__(self, pieces: Sequence[_Piece], wanted: Wanted) -> None:
        self._pieces = pieces
        self._wanted = wanted
        self._binders: dict[str, list[_Piece]] = {}
        for piece in pieces:
            for name in piece.syntax.binds if piece.syntax and self._may_help(piece.syntax) else ():
                self._binders.setdefault(name, []).append(piece)

    def _may_help(self, syntax: Syntax) -> bool:
        # Examples and tests run when they are imported; the steps of a script are to run.
        return self._wanted.script or not syntax.runs

    def definer(self) -> str | None:
        """The piece that defines most of what is wanted, or begins to; with its helpers."""
        counted = [
            (self._wanted.defined_by(piece.syntax), piece)
            for piece in self._pieces
            if piece.syntax is not None
        ]
        most = max((count for count, _ in counted), default=0)
        if most:
            return self.best([piece for count, piece in counted if count == most])
        begun = [piece for piece in self._pieces if self._wanted.begun_in(piece.block.code)]
        return self.best(begun) if begun else None

    def with_helpers(self, place: int) -> str:
        """The piece at `place` and those that bind what it lacks."""
        return _joined(self._together(self._pieces[place]))

    def script(self) -> str:
        """Pieces that read, print and run, if there are such; as few as do."""
        kept = _narrow(
            self._pieces,
            lambda piece: piece.block.is_python,
            lambda piece: not piece.block.language,
        )
        programs = [(piece, self._together(piece)) for piece in kept if piece.syntax is not None]
        for asked in (_reads, _prints, _runs):
            programs = [pair for pair in programs if any(map(asked, pair[1]))] or programs
        return self.best([piece for piece, _ in programs] or kept)

    def best(self, pieces: Sequence[_Piece]) -> str:
        """The last of those that are Python, complete, and define something; with its helpers."""
        kept = _narrow(pieces, lambda piece: piece.block.is_python, lambda piece: not piece.block.language)
        kept = _narrow(kept, _parses)
        kept = _narrow(kept, lambda piece: piece.syntax is not None and not self._fails_alone(piece.syntax))
        if not self._wanted.script:
            kept = _narrow(kept, lambda piece: piece.syntax is not None and piece.syntax.defines)
        kept = self._least_lacking(kept)
        longest = max(piece.size for piece in kept)
        # Where all define what is wanted, a short one is no example of its use.
        like = kept if self._wanted.names else [piece for piece in kept if 2 * piece.size >= longest]
        return _joined(self._together(like[-1]))

    def _fails_alone(self, syntax: Syntax) -> bool:
        """Whether something is left to fill in, or input is asked for that an imported program has not."""
        return self._wanted.left_to_do(syntax) or (bool(self._wanted.names) and syntax.asks)

    def _least_lacking(self, pieces: Sequence[_Piece]) -> list[_Piece]:
        """Those that, with their helpers, use fewest names that nothing binds."""
        if "*" in self._wanted.given:
            return list(pieces)
        lacking = [len(self._lacking(self._together(piece))) for piece in pieces]
        return [piece for piece, count in zip(pieces, lacking, strict=True) if count == min(lacking)]

    def _lacking(self, together: Sequence[_Piece]) -> frozenset[str]:
        parsed = [piece.syntax for piece in together if piece.syntax is not None]
        used = frozenset[str]().union(*(each.needs for each in parsed))
        return used.difference(self._wanted.given, *(each.binds for each in parsed))

    def _together(self, piece: _Piece) -> list[_Piece]:
        """A piece and those that bind what it, or they, lack; in the answer's order."""
        together, waiting = {piece.place: piece}, [piece]
        while waiting and len(together) <= MAX_HELPERS:
            asking = waiting.pop()
            for name in sorted(asking.syntax.needs) if asking.syntax else ():
                if any(name in each.syntax.binds for each in together.values() if each.syntax):
                    continue
                helper = self._binder(name, asking, piece)
                if helper is not None:
                    together[helper.place] = helper
                    waiting.append(helper)
        return [together[place] for place in sorted(together)]

    def _binder(self, name: str, asking: _Piece, chosen: _Piece) -> _Piece | None:
        """The last before the piece that asks, else the first after it."""
        binders = self._binders.get(name, [])
        before = [each for each in binders if each.place < asking.place]
        after = [each for each in binders if each.place > asking.place and not self._overrides(each, chosen)]
        return before[-1] if before else after[0] if after else None

    def _overrides(self, helper: _Piece, chosen: _Piece) -> bool:
        """Whether `helper` stands behind the chosen piece and binds a name that this makes."""
        if helper.syntax is None or chosen.syntax is None:
            return True
        return helper.place > chosen.place and not helper.syntax.makes.isdisjoint(chosen.syntax.makes)


def _narrow(pieces: Sequence[_Piece], *tests: Callable[[_Piece], bool]) -> list[_Piece]:
    """Those that pass the first test that any passes; all if there is none."""
    for test in tests:
        if kept := [piece for piece in pieces if test(piece)]:
            return kept
    return list(pieces)


def _joined(pieces: Sequence[_Piece]) -> str:
    codes = [piece.block.code for piece in pieces]
    # Between two pieces there was a line's end, if not within the first.
    return "".join(code if code.endswith("\n") else code + "\n" for code in codes[:-1]) + codes[-1]


def _parses(piece: _Piece) -> bool:
    return piece.syntax is not None


def _reads(piece: _Piece) -> bool:
    return piece.syntax is not None and piece.syntax.reads


def _prints(piece: _Piece) -> bool:
    return piece.syntax is not None and piece.syntax.writes


def _runs(piece: _Piece) -> bool:
    return piece.syntax is not None and piece.syntax.runs
