"""Problems' own solutions as supervised rows, pass after pass, from any place on.

Covers: their order, each process's share, and targets that are read back: what a tokenizer cannot write is
not learned, and a tokenizer that cannot write most of it is refused before training.
Does not cover: how a target is spelt (`rltf.data.batch`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import islice

from harness.errors import InputError
from harness.prompts import make_prompt
from harness.types import Problem, PromptFormat
from rltf.data.batch import REMEMBERED, Row, Tokens
from rltf.rollout.shuffle import shuffled


class Solutions:
    """Problems' own solutions in passes, each once a pass, in an order that depends on the pass alone.

    Uniform over solutions, as in the released code (apps_dataset_online_v1.py:333), not over problems.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        prompt_format: PromptFormat,
        tokens: Tokens,
        *,
        seed: int,
        per_problem: int | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """
        Args:
            problems: Of the training split.
            prompt_format: How they are put.
            tokens: Tokenises.
            seed: Of the order.
            per_problem: Up to so many solutions of each; `None` for all.
            share: `(rank, processes)`: this process takes every `processes`-th.

        Raises:
            InputError: If none of the problems has a solution, or the tokenizer cannot write most of them.
        """
        rank, processes = share
        self._problems = problems
        self._places = [
            (place, number)
            for place, problem in enumerate(problems)
            for number in range(len(problem.solutions[:per_problem]))
        ]
        if not self._places:
            raise InputError("no problem has a solution to learn from; choose another benchmark or split")
        self._places = self._places[rank::processes] or self._places
        self._prompt = lru_cache(REMEMBERED)(partial(make_prompt, prompt_format))
        self._tokens = tokens
        self._seed = seed
        self._turn = -1
        self._order: list[int] = []
        self.drawn = 0
        """Places passed so far, those left out too: the place to go on from."""
        self._check()

    def draw(self, count: int) -> list[Row]:
        """The next `count` supervised rows; a solution that the tokenizer cannot write is left out."""
        return [self._next() for _ in range(count)]

    def examples(self, count: int) -> list[tuple[Sequence[int], Sequence[int]]]:
        """Prompt and target of up to `count` of them, the same ones each time; the place stays as it is."""
        order = shuffled(len(self._places), f"{self._seed} examples")
        rows = (self._row(*self._places[i]) for i in order)
        return [(row.prompt, row.target) for row in islice((row for row in rows if row), count)]

    def _next(self) -> Row:
        for _ in range(len(self._places)):
            place, number = self._place(self.drawn)
            self.drawn += 1
            row = self._row(place, number)
            if row is not None:
                return row
        raise InputError("the model's tokenizer can write none of the solutions; choose another model")

    def _place(self, drawn: int) -> tuple[int, int]:
        turn, done = divmod(drawn, len(self._places))
        if turn != self._turn:
            self._turn, self._order = turn, shuffled(len(self._places), f"{self._seed} solutions {turn}")
        return self._places[self._order[done]]

    def _row(self, place: int, number: int) -> Row | None:
        problem = self._problems[place]
        return self._tokens.solution_row(self._prompt(problem), problem.solutions[number])

    def _check(self) -> None:
        """Read the first targets back before anything is trained; the others are when they are drawn."""
        first = [self._place(drawn) for drawn in range(min(len(self._places), _CHECKED))]
        lost = [(place, number) for place, number in first if self._row(place, number) is None]
        if not lost:
            return
        problem = self._problems[lost[0][0]]
        solution = problem.solutions[lost[0][1]]
        written, came = _first_difference(
            solution, self._tokens.read_back(self._tokens.spelling(solution), ())
        )
        cannot = (
            f"the model's tokenizer cannot write {len(lost)} of the first {len(first)} solutions: the one of"
            f" {problem.task_id} has {written!r} and is read back as {came!r}"
        )
        if 2 * len(lost) > len(first):
            raise InputError(f"{cannot}; a model that is to write Python needs another tokenizer")
        warnings.warn(f"{cannot}; such solutions are left out", stacklevel=2)


_CHECKED = 128
"""Solutions read back before training: a second's work for those of APPS."""
_SHOWN = 12
"""Characters shown of a difference."""


def _first_difference(text: str, other: str) -> tuple[str, str]:
    """Where two texts part, a few characters of each."""
    place = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), None)
    place = min(len(text), len(other)) if place is None else place
    return text[max(0, place - 2) :][:_SHOWN], other[max(0, place - 2) :][:_SHOWN]
