"""The format `chat`: one message of a user that asks for one fenced block, for any benchmark.

No system message: templates differ in whether they have one, and some add their own. The words are ours;
the manner, a plain request with the statement in it and one fenced block to answer in, is that of every
benchmark that reads chat models. Of tests, only those are shown that a benchmark calls public
(`Problem.public_tests`, asserts among them): what decides must not be in the question.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence

from harness.types import AssertTest, Piece, Problem, PromptFormat, TestKind, ValueTest

_ENDING = (
    "Answer with one fenced code block that starts with ```python and holds the complete program,"
    " and with nothing after it.\n"
)


def _pieces(problem: Problem) -> Sequence[Piece]:
    suite = problem.suite
    if suite.kind is TestKind.STDIN:
        task = (
            "Write a Python 3 program that solves this problem. It reads standard input and writes its answer"
        )
        return _message(f"{task} to standard output.", problem, "")
    if suite.kind is TestKind.CALL:
        task = f"Write Python 3 code that solves this problem. It must define `{suite.entry_point}`, which is"
        return _message(f"{task} called with each test's arguments and returns the answer.", problem, "")
    shown = _shown(problem)
    task = "Write Python 3 code that solves this task."
    if shown:
        tests = "\n".join(shown)
        return _message(task, problem, f"Your code must pass these tests:\n\n```python\n{tests}\n```\n\n")
    name = suite.entry_point or _called(problem)
    return _message(f"{task} It must define `{name}`." if name else task, problem, "")


def _shown(problem: Problem) -> list[str]:
    """The asserts that a benchmark shows to models."""
    return [test.source for test in problem.public_tests if isinstance(test, AssertTest)]


def _asserts(problem: Problem) -> list[str]:
    return [test.source for test in problem.suite.tests() if isinstance(test, AssertTest | ValueTest)]


def _called(problem: Problem) -> str | None:
    """The function that hidden asserts call: without its name no program could pass. The one that every
    assert names, builtins left out; None if they do not agree on one."""
    names: set[str] | None = None
    for source in _asserts(problem):
        called = _calls(source)
        names = called if names is None else names & called
    left = (names or set()) - set(dir(builtins))
    return next(iter(left)) if len(left) == 1 else None


def _calls(source: str) -> set[str]:
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def _message(task: str, problem: Problem, tests: str) -> Sequence[Piece]:
    starter = ""
    if problem.starter_code.strip():
        starter = f"Start from this code:\n\n```python\n{problem.starter_code.strip()}\n```\n\n"
    return (
        Piece(f"{task}\n\n"),
        Piece(problem.question.strip(), cut=True),
        Piece(f"\n\n{starter}{tests}{_ENDING}"),
    )


CHAT = PromptFormat(
    name="chat",
    version="2",
    build=_pieces,
    source="ours: a user's message without a system message, which asks for one fenced block",
    extraction="chat",
    chat=True,
)
