"""What a server is started with, and the limits of one request, which are never above the server's.

Does not cover: reading them from a command line (`harness.commands.serve`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.types import Benchmark, Limits

PROGRAM_TESTS = 30
"""So many times the limit on a test may all tests of a program use together: a client can send 100,000 tests,
each of which stays below it, and leave."""
SERVER_LIMITS = Limits(
    cpu_seconds=10.0, load_cpu_seconds=10.0, program_cpu_seconds=10.0 * PROGRAM_TESTS, memory_mib=4096
)
"""Ten seconds are what SandboxFusion's and verl's clients ask for where nothing else is said."""
_MEMORY_STEP = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is started with."""

    limits: Limits = SERVER_LIMITS
    """The most that a client's program may use, and what it may use where the client says nothing."""
    profiles: Sequence[str] = ("strict",)
    """Comparison profiles; the first decides where a protocol has one verdict."""
    benchmarks: Sequence[Benchmark] = ()
    """Those whose problems clients may name."""
    most_waiting: int = 4096
    """Programs that wait or run; beyond, requests get status 503."""
    most_requests: int = 1024
    """Requests at a time."""
    most_body_mib: int = 64
    """Of one request, decompressed."""
    most_held_mib: int = 1024
    """Of all requests together."""
    token: str | None = field(default=None, repr=False)
    """What clients must send as `Authorization: Bearer …`; `None` for none."""
    hosts: Sequence[str] = ()
    """Host names beside localhost and addresses that requests may be sent to."""


def capped(
    server: Limits,
    *,
    cpu_seconds: float | None = None,
    memory_mib: float | None = None,
    **others: Any,
) -> Limits:
    """What one program may use: what its client asks for, and never more than the server's own.

    Rounded up, to half seconds below 2 s, whole seconds above, and 64 MiB: each other set of limits costs the
    grader workers a start of half a second.

    Args:
        server: The server's.
        cpu_seconds: Asked for, for loading and for each test; `None` for the server's.
        memory_mib: Asked for; `None`, 0 or less for the server's.
        others: Further fields of `Limits`, as they are.
    """
    changes: dict[str, Any] = dict(others)
    if cpu_seconds is not None:
        step = 0.5 if cpu_seconds <= 2 else 1.0
        asked = max(1, math.ceil(min(cpu_seconds, 1e6) / step)) * step  # 5e-324 / step is 0
        changes["cpu_seconds"] = min(asked, server.cpu_seconds)
        changes["load_cpu_seconds"] = min(asked, server.load_cpu_seconds)
    if memory_mib is not None and memory_mib > 0:
        asked_mib = max(1, math.ceil(min(memory_mib, 1e9) / _MEMORY_STEP)) * _MEMORY_STEP
        changes["memory_mib"] = min(asked_mib, server.memory_mib)
    return replace(server, **changes)
