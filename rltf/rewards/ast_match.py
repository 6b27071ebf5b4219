"""The share of a reference's sub-trees that a program has, as CodeBLEU counts them (arXiv:2009.10297).

A sub-tree is the root or a node with children, written with the types and field names below it: neither
names nor operators count, so `n + 1` equals `n - 1`. Each of the reference's counts as often as it is there;
of the program's it is asked only whether there is one. Does not cover: what programs do with data
(`rltf.rewards.dfg_match`). Linear in the program's length, for trees of any depth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rltf.rewards.code_tree import CodeMatch, parse
from rltf.rewards.terms import GradedProgram, TermValue


@dataclass(frozen=True, slots=True)
class AstMatch(CodeMatch):
    """The share of a solution's sub-trees that the program has, 0 to 1; 0 without a solution."""

    def __call__(self, program: GradedProgram) -> TermValue:
        """The best match."""
        return self.best(program, ast_match)


def ast_match(reference: str, code: str) -> float:
    """0 to 1: the share of the sub-trees of `reference` that `code` has; both without comments."""
    numbers: dict[Any, int] = {}
    wanted = Counter(_subtrees(parse(reference), numbers))
    found = set(_subtrees(parse(code), numbers))
    return sum(count for each, count in wanted.items() if each in found) / wanted.total()


def _subtrees(root: Any, numbers: dict[Any, int]) -> Iterator[int]:
    """A number for each sub-tree; two have the same if they are written alike.

    Each is known by its type and its children's numbers, so that no text is as long as its tree is deep.

    Args:
        root: Of the tree.
        numbers: Of those seen so far, in the trees that are compared.
    """
    cursor, entered, children = root.walk(), False, [[]]  # type: ignore[var-annotated]
    while True:
        if not entered and cursor.goto_first_child():
            children.append([])
            continue
        node = cursor.node
        kind = ("missing", node.type) if node.is_missing else node.type
        below = tuple(children.pop()) if entered else ()
        number = numbers.setdefault((kind, below), len(numbers))
        top = len(children) == 1
        if entered or top:
            yield number
        if top:
            return
        if node.is_named or node.is_missing:
            children[-1].append((cursor.field_name, number))
        entered = not cursor.goto_next_sibling()
        if entered:
            cursor.goto_parent()
