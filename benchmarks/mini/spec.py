"""What a mini problem means: operations, and a specification as a short chain of them.

Covers: the vocabulary (`Op`, `Step`, `Spec`) and the interpreter (`Spec.run`), which gives every expected
output of the benchmark. Does not cover: the operations themselves (`ops_lists`, `ops_text`, `ops_scalars`),
which chains are worth posing (`space`), nor the reference programs (`solution`). The interpreter never
reads a program's text, so grading a reference program compares two implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The type of a value between two operations."""

    INTS = "ints"
    WORDS = "words"
    TEXT = "text"
    INT = "int"
    PAIR = "pair"
    FLAG = "flag"


BATCHED = frozenset({Kind.TEXT, Kind.INT, Kind.PAIR})
"""Small values come several at a time: one number or one line would make a test say too little."""

Constant = int | str


@dataclass(frozen=True, slots=True)
class Op:
    """One operation: its meaning, its wordings and its canonical Python."""

    name: str
    source: Kind
    target: Kind
    run: Callable[..., Any]
    """The meaning: `run(value)` or `run(value, constant)`. Never changes `value`."""
    code: str
    """Python on the source kind's variable; the last line is an expression, `{c}` is the constant."""
    phrases: tuple[str, ...]
    """Imperative clauses in lower case without a full stop; each mentions `{c}` if there is a constant."""
    note: str = ""
    """A whole sentence that settles the edge cases."""
    constants: Sequence[Constant] = ()
    """What the constant may be; empty for an operation without one."""
    small: bool = False
    """Only for small numbers (it counts up to its argument); see `Spec.small`."""
    mild: bool = False
    """Small numbers stay small, so a `small` operation may follow."""


@dataclass(frozen=True, slots=True)
class Step:
    """An operation with its constant."""

    name: str
    """Of the operation, not the operation itself: a specification is plain data and can be pickled."""
    constant: Constant | None = None

    def __str__(self) -> str:
        return self.name if self.constant is None else f"{self.name}({self.constant})"

    @property
    def op(self) -> Op:
        """The operation, from the table of all operations."""
        from benchmarks.mini.ops import OPS  # noqa: PLC0415 - the tables import this module

        return OPS[self.name]

    def apply(self, value: Any) -> Any:
        """The operation's result on `value`."""
        return self.map([value])[0]

    def map(self, values: Iterable[Any]) -> list[Any]:
        """Its result on each value."""
        run = self.op.run
        if self.constant is None:
            return [run(value) for value in values]
        return [run(value, self.constant) for value in values]


@dataclass(frozen=True, slots=True)
class Spec:
    """A chain of one to three operations: the meaning of a problem, whatever its wording."""

    source: Kind
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        """`ints: keep_even > sum`, equal exactly for equal specifications."""
        return f"{self.source}: " + " > ".join(map(str, self.steps))

    @property
    def target(self) -> Kind:
        """The kind of the result."""
        return self.steps[-1].op.target if self.steps else self.source

    @property
    def small(self) -> bool:
        """Whether inputs must be small numbers."""
        return any(step.op.small for step in self.steps)

    @property
    def batched(self) -> bool:
        """Whether one test holds several values, each with its own result."""
        return self.source in BATCHED

    def run(self, value: Any) -> Any:
        """The result for one value of kind `source`."""
        for step in self.steps:
            value = step.apply(value)
        return value
