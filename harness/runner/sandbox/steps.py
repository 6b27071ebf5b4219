"""Which step a program's process has reached, read from the files that it writes while it runs.

What it writes is hostile: only the first few records are looked at, and their times are taken with a bound.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from . import protocol
from .job import is_sealed

_MOST_SAID_BYTES = 8192
"""Of what a compiler says."""


class Step(NamedTuple):
    """The step that a process has reached, and the CPU time that it is allowed by that."""

    report: int
    """Descriptor of what it reports."""
    compiled: int
    """Descriptor of what its compiler says."""
    tests: int
    """How many it is to run."""
    cpu: float
    """Seconds at which a test is stopped."""
    load: float
    """Seconds for compiling and loading."""
    left: float
    """Seconds that all of the program's processes may still use."""

    @property
    def first_look(self) -> float:
        """CPU seconds before which it can't be over its limit."""
        return min(self.cpu, self.load, self.left)

    def allowed(self, used: float) -> float:
        """CPU seconds at which a process is over its limit that has used so many."""
        return min(self.left, self._allowed(used))

    def _allowed(self, used: float) -> float:
        if not is_sealed(self.compiled):
            return self.load
        last = _last_record_at(self.report, self.tests + 1)
        if last is None:
            if self.tests > 1:
                return self.load
            last = _compiled_at(self.compiled)
        # What a record says of CPU time is the program's word: it can't exceed what was used.
        since = min(used, max(0.0, last))
        return min(since + self.cpu, self.load + self.tests * self.cpu)


def compiler_record(compiled: int) -> bytes:
    """The record of what the compiler said, without code; nothing if the process did not come so far."""
    if not is_sealed(compiled):
        return b""
    said = os.pread(compiled, _MOST_SAID_BYTES, protocol.RECORD_BYTES)
    return protocol.record(_compiled_at(compiled), said if said.startswith(b"{") else b"")


def _compiled_at(compiled: int) -> float:
    return protocol.record_start(os.pread(compiled, protocol.RECORD_BYTES, 0))[1]


def _last_record_at(report: int, most: int) -> float | None:
    """CPU seconds in the last complete record of the first so many; `None` if there is none."""
    size = os.fstat(report).st_size
    position, found = 0, None
    for _ in range(most):
        if position + protocol.RECORD_BYTES > size:
            break
        length, cpu = protocol.record_start(os.pread(report, protocol.RECORD_BYTES, position))
        position += protocol.RECORD_BYTES + length
        if position > size:
            break
        found = cpu
    return found
