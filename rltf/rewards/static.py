"""A penalty for the tokens of undefined names in programs that do not pass: all, not the first one hit.

The findings are pyflakes' undefined names and names used before assignment, which are ruff's rules F821 and
F823; they come from `rltf.rewards.lint`, whose own term marks whole lines and can mark other findings.
Of 15 programs of CodeT5's with such a name all failed, and 12 named the line of their error. Other rules of
linters say nothing of whether a program passes. Does not cover: programs that do not parse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rltf.bounds import option
from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rewards.line_tokens import line_spans
from rltf.rewards.lint import UNDEFINED, Finding, check_installed, findings
from rltf.rewards.terms import GradedProgram, TermValue


@dataclass(frozen=True, slots=True)
class Static:
    """`penalty` on the tokens of undefined names; 0 for a program without any, or that passes."""

    penalty: float = option(-0.3, at_most=0)
    """For each token of such a name, as much as for a line that is to blame (`fine`); times the weight."""
    overlap: Literal["skip", "add"] = option("skip", choices=("skip", "add"))
    """What of a name on the line that the tests' error already blames: nothing, so that one mistake is not
    punished twice, or the penalty."""

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: If pyflakes is not installed.
        """
        check_installed()

    def __call__(self, program: GradedProgram) -> TermValue:
        """The penalty, for the characters of all such names."""
        if program.feedback.category is Category.PASSED:
            return TermValue(0.0, ())
        found = findings(program.code, program.problem.suite.preamble_text)
        names = [each for each in found if each.kind in UNDEFINED and self._counts(each, program.feedback)]
        spans = tuple(sorted(set(_spans(program.code, names))))
        return TermValue(self.penalty if spans else 0.0, spans)

    def _counts(self, finding: Finding, feedback: Feedback) -> bool:
        blamed = feedback.line if feedback.scope is Scope.LINE else None
        return self.overlap == "add" or finding.line != blamed


def _spans(code: str, names: list[Finding]) -> Iterator[tuple[int, int]]:
    """Characters of each name; none for one in a text (an annotation in quotes), which stands elsewhere."""
    lines = line_spans(code)
    for each in names:
        if not 1 <= each.line <= len(lines):
            continue
        first, last = lines[each.line - 1]
        start = first + len(code[first:last].encode()[: each.column].decode("utf-8", "ignore"))
        if code.startswith(each.name, start):
            yield start, start + len(each.name)
