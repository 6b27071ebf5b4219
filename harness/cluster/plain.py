"""What crosses between driver and nodes, as bytes: programs, tests and outcomes, and nothing else.

Pickle, because it is fast, read by a reader that knows the few classes that are meant: they hold text,
numbers and bytes. Whatever else the bytes ask for is an error, and nothing of it is run. Ray itself unpickles
what it is sent, so all of a cluster trusts all of it: what holds here holds for what a program left behind.
"""

from __future__ import annotations

import builtins
import io
import pickle
from typing import Any

from harness import types
from harness.runner import backend, execution

_KNOWN: dict[tuple[str, str], Any] = {
    (each.__module__, each.__qualname__): each
    for each in (
        types.Checker, types.ErrorInfo, types.Limits, types.Outcome, types.PreamblePart, types.Status,
        types.TestKind, types.TestOutcome, types.TestSuite,
        backend.Chunk, backend.Task, backend.WorkerInfo, backend.WorkerStart,
        execution.Ending, execution.Execution, execution.TestExecution,
        builtins.bytearray, builtins.complex, builtins.frozenset, builtins.set,
    )
}  # fmt: skip


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is no plain data") from None


def packed(value: object) -> bytes:
    """The value as bytes; `unpacked` reads it if it is of the classes that it knows."""
    return pickle.dumps(value)


def unpacked(data: bytes) -> Any:
    """What `packed` made bytes of.

    Raises:
        pickle.UnpicklingError: If there is anything else in it; nothing was run then.
    """
    return _Reader(io.BytesIO(data)).load()
