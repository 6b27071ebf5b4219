"""The share of a reference's data-flow edges that a program has, as CodeBLEU counts them (arXiv:2009.10297).

An edge says of a token which tokens its value comes from or is computed from; names are replaced by numbers
in their order. Where the original orders parents by the seed of Python's hashes, here they stand in the
order of the program. Does not cover: scopes (a function's names are the module's), attributes (`a.b` reads
`a` and `b`), which the original does not either. Programs of more than `LARGEST` looks at a node, or deeper
than `DEEPEST`, have no edges: loops are walked twice, and loops in loops doubly so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

from rltf.bounds import option
from rltf.rewards.code_tree import CodeMatch, parse
from rltf.rewards.data_flow import Edge, Flow, TooComplexError
from rltf.rewards.terms import GradedProgram, TermValue

NormalisedEdge = tuple[str, str, tuple[str, ...]]
"""Name, kind and parents, names replaced by `var_0`, `var_1`, … in the order of their appearance."""


@dataclass(frozen=True, slots=True)
class DfgMatch(CodeMatch):
    """The share of a solution's data-flow edges that the program has, 0 to 1; 0 without a solution."""

    without_edges: Literal["zero", "one"] = option("zero", choices=("zero", "one"))
    """What a solution without edges, like `print(1)`, gives every program (CodeBLEU: zero)."""

    def __call__(self, program: GradedProgram) -> TermValue:
        """The best match."""
        return self.best(program, partial(dfg_match, without_edges=float(self.without_edges == "one")))


def dfg_match(reference: str, code: str, *, without_edges: float = 0.0) -> float:
    """0 to 1: the share of the edges of `reference` that `code` has, each of its own counted once.

    Args:
        reference: Without comments.
        code: Without comments.
        without_edges: For a reference that has none.
    """
    wanted = Counter(_edges_of(reference))
    if not wanted:
        return without_edges
    return (wanted & Counter(normalised(data_flow(code)))).total() / wanted.total()


@lru_cache(maxsize=1024)
def _edges_of(reference: str) -> tuple[NormalisedEdge, ...]:
    return tuple(normalised(data_flow(reference)))


def data_flow(code: str) -> list[Edge]:
    """The edges of a program by their tokens, those of a token merged; without tokens that no edge joins."""
    try:
        edges = Flow(parse(code)).edges()
    except TooComplexError:
        return []
    joined = {number for each in edges if each.parents for number in (each.token, *each.parents)}
    return merged([each for each in edges if each.token in joined])


def merged(edges: list[Edge]) -> list[Edge]:
    """One edge for each token: the kind of its first, the parents of all."""
    found: dict[int, Edge] = {}
    for each in edges:
        before = found.get(each.token)
        found[each.token] = each if before is None else before.with_parents_of(each)
    return list(found.values())


def normalised(edges: list[Edge]) -> list[NormalisedEdge]:
    """The edges with names replaced, parents first."""
    numbers: dict[str, str] = {}

    def renamed(name: str) -> str:
        return numbers.setdefault(name, f"var_{len(numbers)}")

    found = []
    for each in edges:
        parents = tuple(renamed(name) for name in each.parent_names)
        found.append((renamed(each.name), each.kind, parents))
    return found
