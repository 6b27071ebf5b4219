"""A reward from static analysis: a penalty for each line that a linter complains about.

Undefined names fail when the line is reached, whatever the tests say of the lines before it; unused variables
are computed for nothing. pyflakes finds both from the program's syntax tree; nothing is imported or run.
Does not cover: programs that do not parse, and those on which the analysis fails: they have no findings;
names that a preamble takes with a star from what is not in the standard library.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from harness.errors import InputError
from harness.extraction.parsing import Failure, parse_tree
from rltf.bounds import option
from rltf.rewards.feedback import Category
from rltf.rewards.terms import GradedProgram, TermValue, spans_of_lines

UNDEFINED = ("UndefinedName", "UndefinedLocal")
_UNUSED = ("UnusedVariable",)


@dataclass(frozen=True, slots=True)
class Lint:
    """`penalty` on the lines with findings; 0 for a program without any."""

    penalty: float = option(-1.0, at_most=0)
    """For each token of a line with a finding; times the term's weight."""
    undefined: bool = True
    """Names that are used and defined nowhere, or used before they are."""
    unused: bool = False
    """Local variables that are assigned and never used."""
    passing: bool = False
    """Programs that pass all tests, too: a name in a branch that is never reached does no harm."""

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: If pyflakes is not installed.
        """
        check_installed()

    def __call__(self, program: GradedProgram) -> TermValue:
        """The penalty, for the lines of all findings."""
        if program.feedback.category is Category.PASSED and not self.passing:
            return TermValue(0.0, ())
        wanted = (*(UNDEFINED if self.undefined else ()), *(_UNUSED if self.unused else ()))
        given = program.problem.suite.preamble_text
        lines = sorted({each.line for each in findings(program.code, given) if each.kind in wanted})
        return TermValue(self.penalty if lines else 0.0, tuple(spans_of_lines(program.code, lines)))


@dataclass(frozen=True, slots=True)
class Finding:
    """What pyflakes says of one place."""

    kind: str
    """Name of its class in `pyflakes.messages`."""
    line: int
    """1-based."""
    column: int
    """0-based, in bytes of UTF-8."""
    name: str
    """What it is about; empty if it is about no name."""


def findings(code: str, preamble: str) -> Iterator[Finding]:
    """Everything that pyflakes says of `code`, which runs behind `preamble`."""
    tree, given = parse_tree(code), _given_names(preamble)
    if isinstance(tree, Failure):
        return
    try:
        found = _checker()(tree, builtins=given).messages
    except (RecursionError, ValueError, MemoryError, SystemError):
        # A tree may be deeper than the checker can follow, an annotation in quotes than the parser can.
        return
    for each in found:
        name = str(each.message_args[0]) if each.message_args else ""
        yield Finding(type(each).__name__, each.lineno, each.col, name)


@lru_cache(maxsize=64)
def _given_names(preamble: str) -> frozenset[str]:
    """The names that a benchmark's preamble gives to programs."""
    tree = parse_tree(preamble)
    if isinstance(tree, Failure):
        return frozenset()
    names = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
    for each in ast.walk(tree):
        if isinstance(each, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in each.names}
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(each.name)
        if isinstance(each, ast.ImportFrom) and each.names[0].name == "*" and _is_standard(each.module):
            names |= set(dir(import_module(str(each.module))))
    return frozenset(names)


def _is_standard(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] in sys.stdlib_module_names


def check_installed() -> None:
    """
    Raises:
        InputError: If pyflakes is not installed.
    """
    _checker()


def _checker() -> Any:
    try:
        from pyflakes.checker import Checker  # noqa: PLC0415 - optional
    except ImportError:
        raise InputError(
            "the reward terms lint and static need pyflakes; pip install 'rltf-harness[lint]'"
        ) from None
    return Checker
