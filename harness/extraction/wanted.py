"""What the program in an answer must be, from the problem: something that defines certain names, or a script.

Covers: the three kinds of tests. Call-based ones want their entry point, as a function or as a method of
`Solution`; asserts want the names that they (and the code that sets them up) use and do not bring along;
stdin tests want a script. Does not cover: how an answer is searched (`harness.extraction.choosing`).
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from harness.extraction import facts
from harness.extraction.parsing import Syntax, parse, parse_tree
from harness.types import AssertTest, Problem, TestKind, TestSuite, ValueTest


@dataclass(frozen=True)
class Wanted:
    """What a program has to have, as far as that is known."""

    names: tuple[str, ...] = ()
    """Functions or classes that its tests use; none where the program is a script, or nothing is known."""
    script: bool = False
    """It reads standard input and prints."""
    in_solution: bool = False
    """A method of a class `Solution` does, too."""
    given: frozenset[str] = frozenset()
    """Names that the benchmark lends to programs; `*` among them if not all are known."""

    @classmethod
    def of(cls, problem: Problem) -> Wanted:
        """What the tests of `problem` want."""
        suite = problem.suite
        given = _bound(suite.preamble_text) | _bound(suite.setup)
        if suite.kind is TestKind.STDIN:
            return cls(script=True, given=given)
        if suite.kind is TestKind.CALL:
            return cls((suite.entry_point,) if suite.entry_point else (), in_solution=True, given=given)
        if suite.entry_point:
            return cls((suite.entry_point,), given=given)
        return cls(_names_of_asserts(suite), given=given)

    def defined_by(self, syntax: Syntax) -> int:
        """How many of the names a program defines."""
        made = syntax.makes | syntax.methods if self.in_solution else syntax.makes
        return sum(name in made for name in self.names)

    def begun_in(self, text: str) -> bool:
        """Whether text, Python or not, has a line that begins to define one of the names."""
        return self._definition is not None and self._definition.search(text) is not None

    def left_to_do(self, syntax: Syntax) -> bool:
        """Whether one of the names is defined as a function that holds nothing yet."""
        return any(name in syntax.stubs for name in self.names)

    @cached_property
    def _definition(self) -> re.Pattern[str] | None:
        if not self.names:
            return None
        name = f"(?:{'|'.join(map(re.escape, self.names))})"
        return re.compile(
            rf"^[ \t]*+(?:(?:async[ \t]++)?def|class)[ \t]++{name}\b|^{name}[ \t]*+=(?!=)", re.MULTILINE
        )


ANYTHING = Wanted()
"""Nothing is known."""


def _names_of_asserts(suite: TestSuite) -> tuple[str, ...]:
    """Names that tests and set-up call and neither bring along; the most frequent first.

    Where nothing of the kind is called, as in `assert check(add)` with the set-up's `check`, those in use.
    """
    tests = [test for test in suite.tests() if isinstance(test, AssertTest | ValueTest)]
    sources = [suite.setup, *(test.source for test in tests)]
    parsed = [parse_tree(source) for source in sources]
    trees = [tree for tree in parsed if isinstance(tree, ast.Module)]
    brought = _bound(suite.preamble_text) | _bound(suite.setup)
    lacking = Counter(name for tree in trees for name in facts.needs(tree) - brought)
    called = Counter(name for tree in trees for name in set(_called(tree)))
    modules = {name for tree in trees for name in _with_attributes(tree)} - called.keys()
    wanted = [name for name, _ in lacking.most_common() if name in called]
    wanted = wanted or [name for name, _ in lacking.most_common() if name not in modules]
    # A task may ask for a function that is called as a built-in one is (MBPP's 126: `sum`).
    return tuple(wanted or [name for name, _ in called.most_common(1)])


@lru_cache(maxsize=64)  # a benchmark has a few, and as many problems as it has
def _bound(source: str) -> frozenset[str]:
    found = parse(source)
    return found.binds if isinstance(found, Syntax) else frozenset()


def _called(tree: ast.AST) -> Iterator[str]:
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return (function.id for function in calls if isinstance(function, ast.Name))


def _with_attributes(tree: ast.AST) -> Iterator[str]:
    """`math` of `math.isclose`."""
    found: Iterable[ast.expr] = (node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return (each.id for each in found if isinstance(each, ast.Name))
