"""An `rltf serve` of its own for a measurement: started, watched from outside, ended.

Covers: memory, descriptors, threads and CPU time of the server and of all processes below it, from /proc.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from studies.http_client import Connection
from studies.kills import descendants
from studies.soak import resident_mib

_START_SECONDS = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Look:
    """A server's processes at one moment."""

    server_mib: float
    """Resident set of the process that speaks HTTP."""
    below_mib: float
    """The same of all below it, together; what they share counts for each."""
    descriptors: int
    """Of the server."""
    threads: int
    """Of the server."""
    processes: int
    """Below it."""


def look(pid: int) -> Look:
    """At a server, from outside."""
    below = descendants(pid)
    return Look(
        resident_mib(pid),
        sum(resident_mib(each) for each in below),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        len(list(Path(f"/proc/{pid}/task").iterdir())),
        len(below),
    )


def cpu_seconds(pid: int, *, waited: bool = True) -> float:
    """CPU time of one process so far, with or without that of children it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11 : 15 if waited else 13])) / _TICKS


def free_port() -> int:
    """A port that nobody listened to just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def started(
    command: Sequence[str], port: int, **options: object
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A server that answers pings; ended by SIGTERM, which it must follow.

    Args:
        command: What starts it.
        port: Where it listens.
        options: Of `subprocess.Popen`.

    Raises:
        RuntimeError: If it ends before it answers, or does not answer in time.
    """
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    try:
        await _answers(process, port)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, 60)
        finally:
            process.kill()


async def _answers(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(int(_START_SECONDS / 0.1)):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            if (await Connection(port).get("/v1/ping")).status == 200:
                return
        except OSError:
            await asyncio.sleep(0.1)
    raise RuntimeError("the server does not answer")


def rltf_serve(port: int, *arguments: str) -> list[str]:
    """The command of our own server."""
    return [sys.executable, "-m", "rltf", "serve", "--port", str(port), *arguments]
