"""Reading what a hostile process left behind: nothing raises, whatever it says.

Does not cover: what follows from it (`verdicts.py`).
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.compare import Opaque
from harness.runner.sandbox.values import decode
from harness.text import printable
from harness.types import ErrorInfo, Status

MOST_LINES = 1 << 31
"""Of a program, and more than CPython counts."""
MOST_BRACKETS = 2_000_000
"""A record with more is not read: empty brackets take 24 times their size. A million lists have as many."""
_from_json = json.JSONDecoder().decode  # json.loads looks for the encoding each time


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a process did not end, or a test did not pass, normally."""

    status: Status
    error: ErrorInfo | None = None


def raised(error: ErrorInfo | None) -> Ending:
    """The status that an exception stands for."""
    if error is None:
        return Ending(Status.RUNTIME_ERROR)
    if error.type in ("MemoryError", "_ArrayMemoryError"):
        return Ending(Status.OUT_OF_MEMORY, error)
    if error.type == "OSError" and error.message.startswith("[Errno 27]"):
        return Ending(Status.OUTPUT_LIMIT, error)
    return Ending(Status.RUNTIME_ERROR, error)


def value_of(data: Any) -> Any:
    """The value that a record holds; an opaque one that equals nothing if it is no encoding of ours."""
    try:
        return decode(data, Opaque)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, AttributeError):
        return Opaque("forged data")


def too_much(data: bytes) -> bool:
    """Whether reading a record would take more memory than a worker has to spare."""
    return data.count(b"[") + data.count(b"{") > MOST_BRACKETS


def fields_of(data: bytes) -> Mapping[str, Any]:
    """A record's fields; nothing for a record that is no JSON object (compiled code, or a forgery)."""
    if not data.startswith(b"{") or too_much(data):
        return {}
    try:
        fields = _from_json(data.decode())
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def error_of(fields: Mapping[str, Any]) -> ErrorInfo | None:
    """The error that a record tells of; None if it tells of none."""
    match fields.get("error"):
        case [str(kind), str(message), int() | None as line]:
            true = line is None or (not isinstance(line, bool) and 0 < line < MOST_LINES)
            return ErrorInfo(_printable(kind[:100]), _printable(message[:300]), line if true else None)
    return None


def _printable(text: str) -> str:
    """Controls and lone surrogates escaped: this reaches terminals and reports, whatever a program says."""
    return printable(text, keep="\n\t")


def signal_name(number: int) -> str:
    """`SIGSEGV` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
