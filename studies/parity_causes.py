"""Why our verdict on a program differs from the reference grader's: explicit rules, no cause called "other".

A rule reads the program's syntax tree, both results and the CPU time; it never runs anything. What a rule
claims is checked apart from it: `reference_form` rewrites a program as the reference does before running
it, and `parity.py` holds the verdicts of that form against the reference's.
Does not cover: differences of comparison. The data has shown none; one would stay unexplained.

Reference results are 1 passed, 0 wrong, -1 raised or timed out, -2 did not load; `GLOBAL_TIMEOUT` when all
tests together took more than 11 s.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.types import ErrorInfo, Status

GLOBAL_LIMIT = "GLOBAL_TIMEOUT"
GLOBAL_LIMIT_SECONDS = 11.0
_SLOWER = 3.0
"""How much slower the machine that made the reference's results may have been."""


class Cause(StrEnum):
    """What the reference does that Python itself does not; or what our limits do that it does not."""

    WHOLE_LIMIT = "11 s for all tests together"
    EXIT = "`exit()` is None"
    MAIN_GUARD = "main guard is skipped"
    GLOBAL = "`global` inside a function"
    FIRST_TIMEOUT = "tests after a time-out"


EXPLANATIONS = {
    Cause.WHOLE_LIMIT: "The reference stops a program after 11 s for all its tests and then counts every test"
    " as failed. Here each test has its own limit of CPU time.",
    Cause.EXIT: "The reference sets `exit` and `quit` to None, so calling them raises a TypeError (-1). Here"
    " they end the program normally, as in Python.",
    Cause.MAIN_GUARD: "The reference runs the program as a module named `builtins`, so what stands under"
    ' `if __name__ == "__main__":` is skipped and nothing is printed. Here a stdin program is a script.',
    Cause.GLOBAL: "The program's top-level variables are locals of the reference's function, so `global x`"
    " elsewhere does not find them and raises a NameError (-1).",
    Cause.FIRST_TIMEOUT: "Here the first time-out ends a program in evaluation (`stop_at_first_timeout`); the"
    " reference goes on. The verdict is the same.",
}


@dataclass(frozen=True)
class Pair:
    """What both graders say about one program."""

    code: str
    reference: Sequence[int] | str
    ours: Sequence[Status]
    """One per test, under the `apps` profile."""
    error: ErrorInfo | None
    cpu_seconds: float

    @property
    def reference_passed(self) -> bool:
        """As the reference counts: some result, and each above 0."""
        return not isinstance(self.reference, str) and bool(self.reference) and min(self.reference) > 0

    @property
    def passed(self) -> bool:
        return bool(self.ours) and all(status is Status.PASSED for status in self.ours)

    @property
    def comparable(self) -> bool:
        """Whether the reference gives one result per test."""
        return not isinstance(self.reference, str) and len(self.reference) == len(self.ours)

    @property
    def tests(self) -> Iterator[tuple[int, Status]]:
        """Both results of each test; nothing where the lists can't be laid side by side."""
        return zip(self.reference, self.ours, strict=True) if self.comparable else iter(())  # type: ignore[arg-type]


_SAME = {
    1: {Status.PASSED},
    0: {Status.WRONG_ANSWER},
    -1: {Status.RUNTIME_ERROR, Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.OUTPUT_LIMIT},
    -2: {Status.SYNTAX_ERROR},
}


def differences(pair: Pair) -> set[tuple[int | str, Status]]:
    """Kinds of results that differ: of single tests where there are such, else of the whole program."""
    if pair.comparable:
        return {(int(theirs), ours) for theirs, ours in pair.tests if ours not in _SAME[int(theirs)]}
    if pair.reference_passed == pair.passed:
        return set()
    whole = pair.reference if isinstance(pair.reference, str) else min(pair.reference, default=-2)
    return {(whole, ours) for ours in set(pair.ours)}


def explain(pair: Pair) -> dict[tuple[int | str, Status], Cause | None]:
    """A cause for each kind of difference; None where no rule explains it."""
    return {
        kind: next((cause for cause, rule in _RULES if rule(pair, *kind)), None) for kind in differences(pair)
    }


def _whole_limit(pair: Pair, theirs: int | str, ours: Status) -> bool:
    return theirs == GLOBAL_LIMIT and pair.cpu_seconds > GLOBAL_LIMIT_SECONDS / _SLOWER


def _exit(pair: Pair, theirs: int | str, ours: Status) -> bool:
    return theirs == -1 and any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("exit", "quit")
        for node in ast.walk(_tree(pair.code))
    )


def _main_guard(pair: Pair, theirs: int | str, ours: Status) -> bool:
    return theirs == 0 and any(
        isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) for node in _tree(pair.code).body
    )


def _global(pair: Pair, theirs: int | str, ours: Status) -> bool:
    return theirs == -1 and any(isinstance(node, ast.Global) for node in ast.walk(_tree(pair.code)))


def _first_timeout(pair: Pair, theirs: int | str, ours: Status) -> bool:
    return ours is Status.NOT_RUN and Status.TIMED_OUT in pair.ours


_RULES: tuple[tuple[Cause, Callable[[Pair, int | str, Status], bool]], ...] = (
    (Cause.FIRST_TIMEOUT, _first_timeout),
    (Cause.WHOLE_LIMIT, _whole_limit),
    (Cause.MAIN_GUARD, _main_guard),
    (Cause.GLOBAL, _global),
    (Cause.EXIT, _exit),
)


def _tree(code: str) -> ast.Module:
    """The program's tree; an empty one if it does not parse, about which no rule says anything."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


def reference_form(code: str) -> str:
    """A stdin program as the reference runs it: a function's body, no main module, no `exit`.

    Imports at the left margin stay outside until the first other line; everything from there on is
    indented by a tab (blank lines and comments included, and lines inside long strings too).
    """
    head = ['__name__ = "builtins"', "exit = quit = None"]
    body: list[str] = []
    for line in code.split("\n"):
        if not body and line.startswith(("from ", "import ")):
            head.append(line)
        else:
            body.append("\t" + line)
    aliases = ["stdin = sys.stdin", "stdout = sys.stdout", "def code():"]
    return "\n".join([*head, *aliases, *body, "code()", ""])
