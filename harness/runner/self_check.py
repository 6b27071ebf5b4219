"""The check of a fork server: known passes, fails, an escape and time-outs must come out as they should.

Grading that looks clean and is wrong has happened to others (a memory limit below the size of the
grader once zeroed every score of a run): a server grades nothing before this holds. Run in every
server that it starts, and no cache has a part in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import IsolationError
from harness.types import AssertTest, Limits, Outcome, Status, StdinTest, TestKind, TestSuite

_LIMIT_SECONDS = 0.02
"""Of CPU time, in the checks of the watch: they are made in every server, so they are over soon. Without it
they end by themselves, as something else than a time-out."""
_LOOP = "import time\nwhile time.process_time() < 1: pass\nprint('held')"
_SLEEP = "import time\ntime.sleep(3)\nprint('held')"
_BEYOND_MIB = 1024
"""Of the limit: no server takes so much less than it may."""
_ADD = TestSuite.pack(TestKind.STDIN, [StdinTest("1 2\n", "3\n"), StdinTest("-1 1\n", "0\n")])
_SQUARE = TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert square(3) == 9")])
_HELD = TestSuite.pack(TestKind.STDIN, [StdinTest("", "held\n")])

_ESCAPE = """
import os, socket

def escapes(attempt, *args):
    try:
        attempt(*args)
    except OSError:
        return False
    return True

def others():
    if os.getppid() != 1:
        return
    raise OSError("the first process of the namespace is the one above")

seen = []
"""
_ATTEMPTS = {
    "pid namespace": ["others"],
    "landlock": ["open, '/etc/passwd'", "os.listdir, '/'", "open, '/tmp/rltf-canary', 'w'"],
    "seccomp": ["socket.socket", "os.fork", "os.execv, '/bin/true', ['true']", "os.kill, os.getppid(), 0"],
}


@dataclass(frozen=True, slots=True)
class Canary:
    """A program whose outcome is known."""

    name: str
    suite: TestSuite
    code: str
    verdict: Status


def canaries(layers: Mapping[str, str], limits: Limits) -> list[Canary]:
    """What a server with these layers must grade before anything else."""
    too_much = f"held = bytearray({limits.memory_mib + _BEYOND_MIB} << 20)\nprint(3)"
    soon = TestSuite.pack(
        TestKind.STDIN, [StdinTest("", "held\n")], cpu_factor=_LIMIT_SECONDS / limits.cpu_seconds
    )
    return [
        Canary("a right script", _ADD, "print(sum(map(int, input().split())))", Status.PASSED),
        Canary("a wrong script", _ADD, "print(3)", Status.WRONG_ANSWER),
        Canary("a right function", _SQUARE, "def square(x):\n    return x * x", Status.PASSED),
        Canary("a wrong function", _SQUARE, "def square(x):\n    return x + x", Status.WRONG_ANSWER),
        Canary("too much memory", _HELD, too_much, Status.OUT_OF_MEMORY),
        Canary("a loop", soon, _LOOP, Status.TIMED_OUT),
        Canary("a sleeper", soon, _SLEEP, Status.TIMED_OUT),
        Canary("an escape", _HELD, _escape_program(layers), Status.PASSED),
    ]


def check(canary: Canary, outcome: Outcome) -> None:
    """Compare an outcome with the known one.

    Raises:
        IsolationError: If it is another.
    """
    for profile, verdict in outcome.verdicts.items():
        if verdict is not canary.verdict:
            why = outcome.infrastructure_error or outcome.error or ""
            raise IsolationError(
                f"the start-up check failed: {canary.name} was graded {verdict} under {profile}, not"
                f" {canary.verdict} {why}; nothing was graded. Run `rltf doctor`"
            )


def _escape_program(layers: Mapping[str, str]) -> str:
    """A program that tries what the layers at hand should stop, and says "held" if they did."""
    attempts = [
        attempt for layer, tries in _ATTEMPTS.items() if layers.get(layer) == "on" for attempt in tries
    ]
    lines = [f"if escapes({attempt}): seen.append({attempt.split(',')[0]!r})" for attempt in attempts]
    return _ESCAPE + "\n".join(lines) + "\nprint(seen or 'held')\n"
