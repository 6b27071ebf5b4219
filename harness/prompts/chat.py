"""The format `chat`: one message of a user that asks for one fenced block, for any benchmark.

No system message: templates differ in whether they have one, and some add their own. The words are ours;
the manner, a plain request with the statement in it and one fenced block to answer in, is that of every
benchmark that reads chat models.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.types import AssertTest, Piece, Problem, PromptFormat, TestKind

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
    asserts = [test.source for test in suite.tests() if isinstance(test, AssertTest)]
    # A benchmark may hold tests that its protocol does not show (MBPP's challenge tests).
    tests = "\n".join(asserts[: problem.metadata.get("shown_tests")])
    return _message(
        "Write Python 3 code that solves this task.",
        problem,
        f"Your code must pass these tests:\n\n```python\n{tests}\n```\n\n",
    )


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
