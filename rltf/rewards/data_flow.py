"""Which token of a Python program gets its value from which: the walk behind `rltf.rewards.dfg_match`.

The rules are CodeBLEU's for Python, oddities included, since published numbers are by them: an assignment's
sides are paired child by child where they have equally many, calls' children too, and an augmented one does
not read its old value. Does not cover: what an edge is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

LARGEST = 100_000
"""Looks at a node, or at a parent of an edge; loops are walked twice, so that nested ones grow by powers."""
DEEPEST = 150
"""Nodes in nodes that are followed."""
_STRINGS = frozenset({"string", "string_literal", "character_literal"})

States = dict[str, tuple[int, ...]]
"""By name: the tokens that it was last defined by."""


class TooComplexError(Exception):
    """The program is deeper or larger than what is followed."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the value of one token is from."""

    name: str
    """The token's text."""
    token: int
    """Its number in the program."""
    kind: str
    """`comesFrom` or `computedFrom`."""
    parent_names: tuple[str, ...] = ()
    parents: tuple[int, ...] = ()
    """Numbers of tokens, ascending."""

    def with_parents_of(self, other: Edge) -> Edge:
        """This edge with the parents of both, no name twice, in the order of the program."""
        first: dict[str, int] = {}
        for each in (self, other):
            names = each.parent_names
            # One name may have several tokens, of which the earliest decides; otherwise they are in pairs.
            names = names * len(each.parents) if len(names) == 1 else names
            for name, number in zip(names, each.parents, strict=True):
                first[name] = min(number, first.get(name, number))
        return replace(
            self,
            parent_names=tuple(sorted(first, key=first.__getitem__)),
            parents=tuple(sorted({*self.parents, *other.parents})),
        )


class Flow:
    """The edges of one program."""

    def __init__(self, root: Any) -> None:
        """`root`: of its syntax tree."""
        self._root = root
        self._left = LARGEST
        self._numbers: dict[tuple[int, int], int] = {}
        self._number_tokens()

    def edges(self) -> list[Edge]:
        """All of them, by their tokens.

        Raises:
            TooComplexError: If it cannot be followed.
        """
        return self._walk(self._root, {}, 0)

    # --- tokens ----------------------------------------------------------------------------------

    def _number_tokens(self) -> None:
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if _is_token(node):
                self._numbers[node.start_byte, node.end_byte] = len(self._numbers)
            else:
                waiting.extend(reversed(node.children))

    def _number(self, node: Any) -> int:
        return self._numbers[node.start_byte, node.end_byte]

    def _tokens(self, root: Any) -> list[tuple[str, int]]:
        """Text and number of the tokens below a node that are no words or signs of the language."""
        found, waiting = [], [root]
        while waiting:
            node = waiting.pop()
            self._spend(1)
            if not _is_token(node):
                waiting.extend(reversed(node.children))
            elif node.type != _text(node):
                found.append((_text(node), self._number(node)))
        return found

    def _spend(self, looks: int) -> None:
        self._left -= looks
        if self._left < 0:
            raise TooComplexError

    # --- the walk: each returns edges by their tokens, and changes the states --------------------

    def _walk(self, node: Any, states: States, depth: int) -> list[Edge]:
        self._spend(1)
        if depth > DEEPEST:
            raise TooComplexError
        if _is_token(node):
            return self._token(node, states)
        kind = node.type
        if kind == "default_parameter":
            found = self._default(node, states, depth)
        elif kind in {"assignment", "augmented_assignment", "for_in_clause"}:
            found = self._assignment(node, states, depth)
        elif kind == "if_statement":
            found = self._if(node, states, depth)
        elif kind in {"for_statement", "while_statement"}:
            found = self._loop(node, states, depth)
        else:
            # The element of a comprehension stands before the clause that its names are from.
            children = sorted(node.children, key=lambda each: each.type != "for_in_clause")
            found = self._each(children, states, depth)
        return sorted(found, key=lambda each: each.token)

    def _each(self, nodes: Sequence[Any], states: States, depth: int) -> list[Edge]:
        return [edge for node in nodes for edge in self._walk(node, states, depth + 1)]

    def _token(self, node: Any, states: States) -> list[Edge]:
        text = _text(node)
        if node.type == text:
            return []
        number = self._number(node)
        if text in states:
            self._spend(len(states[text]))
            return [Edge(text, number, "comesFrom", (text,), states[text])]
        if node.type == "identifier":
            states[text] = (number,)
        return [Edge(text, number, "comesFrom")]

    def _default(self, node: Any, states: States, depth: int) -> list[Edge]:
        names, value = self._tokens(node.child_by_field_name("name")), node.child_by_field_name("value")
        found = [] if value is None else self._each([value], states, depth)
        tokens = [] if value is None else self._tokens(value)
        for name, number in names:
            self._spend(len(tokens))
            found += [Edge(name, number, "comesFrom", (text,), (at,)) for text, at in tokens]
            found += [] if tokens else [Edge(name, number, "comesFrom")]
            states[name] = (number,)
        return found

    def _assignment(self, node: Any, states: States, depth: int) -> list[Edge]:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if node.type == "for_in_clause":
            lefts, rights = [left], [node.children[-1]]
        elif right is None or left is None:
            return []
        else:
            lefts, rights = _paired(left, right)
        return self._assigned(lefts, rights, states, depth)

    def _assigned(
        self, lefts: Sequence[Any], rights: Sequence[Any], states: States, depth: int
    ) -> list[Edge]:
        found = self._each(rights, states, depth)
        for left, right in zip(lefts, rights, strict=True):
            tokens = self._tokens(right)
            texts, numbers = tuple(text for text, _ in tokens), tuple(number for _, number in tokens)
            for name, number in self._tokens(left):
                self._spend(len(numbers))
                found.append(Edge(name, number, "computedFrom", texts, numbers))
                states[name] = (number,)
        return found

    def _if(self, node: Any, states: States, depth: int) -> list[Edge]:
        found: list[Edge] = []
        first, ends = dict(states), []
        for child in node.children:
            branch = first
            if child.type in {"elif_clause", "else_clause"}:
                branch = dict(states)
                ends.append(branch)
            self._spend(len(states) if branch is not first else 0)
            found += self._walk(child, branch, depth + 1)
        ends.append(first)
        if not any(child.type == "else_clause" for child in node.children):
            ends.append(dict(states))
        for name in {name: None for end in ends for name in end}:
            numbers = {number for end in ends for number in end.get(name, ())}
            self._spend(len(numbers))
            states[name] = tuple(sorted(numbers))
        return found

    def _loop(self, node: Any, states: States, depth: int) -> list[Edge]:
        """Twice, so that a name at the top of the body comes from its end too."""
        found: list[Edge] = []
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        for _ in range(2):
            if node.type == "while_statement" or left is None or right is None:
                found += self._each(node.children, states, depth)
                continue
            found += self._assigned(*_paired(left, right), states, depth)
            if node.children[-1].type == "block":
                found += self._walk(node.children[-1], states, depth + 1)
        together: dict[tuple[str, int, str], Edge] = {}
        for each in found:
            key = (each.name, each.token, each.kind)
            self._spend(len(each.parents))
            together[key] = together[key].with_parents_of(each) if key in together else each
        return list(together.values())


def _is_token(node: Any) -> bool:
    return node.type != "comment" and (node.type in _STRINGS or not node.child_count)


def _text(node: Any) -> str:
    text: str = node.text.decode("utf-8", "replace")
    return text


def _paired(left: Any, right: Any) -> tuple[list[Any], list[Any]]:
    """What is assigned to what: child by child if there are equally many, else the whole to the whole."""
    lefts, rights = ([each for each in side.children if each.type != ","] for side in (left, right))
    if len(lefts) != len(rights) or not lefts:
        return [left], [right]
    return lefts, rights
