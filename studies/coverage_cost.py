"""What it costs to know which lines a program executed: CPU time beside a run that is not watched.

    python studies/coverage_cost.py        by the interpreter that runs it; no package is needed

For StepCoder's reward (arXiv:2402.01391), which leaves out what the failing run never executed. Two ways:
`sys.settrace` on the program's own lines, and from Python 3.12 on `sys.monitoring`, where a line is switched
off when it was seen. Does not cover: bringing the lines out of the sandbox. The programs are ours.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

PROGRAMS = {
    "a loop over numbers": """
def f(n):
    total = 0
    for i in range(n):
        if i % 3 == 0:
            total += i
        elif i % 5 == 0:
            total -= 1
    return total
print(f(400_000))
""",
    "a sieve": """
n = 300_000
flags = [True] * (n + 1)
for i in range(2, int(n ** 0.5) + 1):
    if flags[i]:
        for j in range(i * i, n + 1, i):
            flags[j] = False
print(sum(flags) - 2)
""",
    "recursion": """
def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)
print(fib(22))
""",
    "work in built-ins": """
words = [str(i * 7919 % 10007) for i in range(60_000)]
words.sort(key=len)
count = {}
for word in words:
    count[word] = count.get(word, 0) + 1
print(max(count.values()), len("".join(words)))
""",
}
NAME = "<program>"
TRIES = 7
_TOOL = 3


def main() -> int:
    """Print the table."""
    ways: dict[str, Callable[[CodeType], object]] = {"settrace": by_settrace}
    if hasattr(sys, "monitoring"):
        ways["monitoring"] = by_monitoring
    print(f"Python {sys.version.split()[0]}: CPU time in multiples of an unwatched run, least of {TRIES}")
    for name, source in PROGRAMS.items():
        code = compile(source, NAME, "exec")
        bare = min(cpu_seconds(unwatched, code) for _ in range(TRIES))
        found = {way: min(cpu_seconds(run, code) for _ in range(TRIES)) / bare for way, run in ways.items()}
        print(f"{name}: " + ", ".join(f"{way} {times:.2f}" for way, times in found.items()))
    return 0


def cpu_seconds(run: Callable[[CodeType], object], code: CodeType) -> float:
    """Of one run, whose output is dropped."""
    with contextlib.redirect_stdout(io.StringIO()):
        started = time.process_time()
        run(code)
        return time.process_time() - started


def unwatched(code: CodeType) -> None:
    """Run it."""
    exec(code, {"__name__": "__main__"})


def by_settrace(code: CodeType) -> set[int]:
    """Its executed lines."""
    seen = set()

    def in_program(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            seen.add(frame.f_lineno)
        return in_program

    def anywhere(frame: FrameType, event: str, arg: Any) -> Any:
        return in_program if frame.f_code.co_filename == NAME else None

    sys.settrace(anywhere)
    try:
        unwatched(code)
    finally:
        sys.settrace(None)
    return seen


def by_monitoring(code: CodeType) -> set[int]:
    """The same; a line is reported once."""
    watcher: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]  # from 3.12 on
    seen = set()

    def line(of: CodeType, number: int) -> Any:
        if of.co_filename == NAME:
            seen.add(number)
        return watcher.DISABLE

    watcher.use_tool_id(_TOOL, "coverage")
    watcher.register_callback(_TOOL, watcher.events.LINE, line)
    watcher.set_events(_TOOL, watcher.events.LINE)
    try:
        unwatched(code)
    finally:
        watcher.set_events(_TOOL, 0)
        watcher.register_callback(_TOOL, watcher.events.LINE, None)
        watcher.free_tool_id(_TOOL)
        watcher.restart_events()
    return seen


if __name__ == "__main__":
    raise SystemExit(main())
