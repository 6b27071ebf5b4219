"""A case: a program, its tests, and the verdict that a grader must give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

Tests = Mapping[str, Any]
"""As trainers send them: `{"inputs": [...], "outputs": [...]}`, with `fn_name` where a function is called."""

ADD: Tests = {"inputs": ["1 2\n", "5 7\n"], "outputs": ["3\n", "12\n"]}
"""On standard input: the sum of two numbers."""
CALL: Tests = {"inputs": [[1, 2], [5, 7]], "outputs": [3, 12], "fn_name": "add"}
"""The same as a function."""


@dataclass(frozen=True, slots=True)
class Case:
    """One program and what must be said of it."""

    section: str
    name: str
    """A few words, unique in the section."""
    program: str
    right: bool
    """The verdict required."""
    tests: Tests

    @property
    def is_call(self) -> bool:
        """Whether a function is called, instead of a script run."""
        return "fn_name" in self.tests


def right(section: str, name: str, program: str, tests: Tests = ADD) -> Case:
    """A program that solves the problem."""
    return Case(section, name, dedent(program).strip("\n") + "\n", True, tests)


def wrong(section: str, name: str, program: str, tests: Tests = ADD) -> Case:
    """A program that does not."""
    return Case(section, name, dedent(program).strip("\n") + "\n", False, tests)


def lines(inputs: Sequence[str], outputs: Sequence[str]) -> Tests:
    """Tests on standard input."""
    return {"inputs": list(inputs), "outputs": list(outputs)}


def calls(arguments: Sequence[Sequence[Any]], values: Sequence[Any], name: str = "add") -> Tests:
    """Tests that call a function."""
    return {"inputs": [list(each) for each in arguments], "outputs": list(values), "fn_name": name}
