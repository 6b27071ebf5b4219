"""Going the way of a program, on one of our own, in the fork server itself, before it forks.

Much is made at first use: the compiler's types, inline caches, interned strings. What the server has not
made before it forks, every child makes again, and copies the pages that it lands on: this halves what a
fork costs.
"""

from __future__ import annotations

import contextlib
import os
import sys

from .child import Beginning, load, run
from .job import How, close_all, memory_file
from .program import REPORT_FD, Report, compile_program, prepare, run_main
from .suites import PLAIN, Suite


def warm_up(beginning: Beginning) -> None:
    """Do it. Descriptors 0 to 3 become /dev/null.

    Args:
        beginning: With a confinement that refuses to be entered, at the last moment, or changes nothing.
    """
    before = dict(sys.modules)
    suite = Suite({**PLAIN, "kind": "asserts", "tests": _TESTS}, [])
    try:
        for _ in range(_WARM_ROUNDS):
            code, _ = compile_program(_WARM_PROGRAM, How.SCRIPT | How.SHARED)
            assert code is not None  # noqa: S101 - a program of ours
            run_main(code, prepare("__main__", {}))
            _go_the_way(beginning, suite)
    finally:
        suite.close()
        sys.modules.clear()
        sys.modules.update(before)


def _go_the_way(beginning: Beginning, suite: Suite) -> None:
    """All that is done for an imported program, but for what there is no way back from."""
    source, compiled, report = files = [memory_file(name) for name in ("program", "compiled", "report")]
    os.write(source, _WARM_PROGRAM.encode())
    with contextlib.suppress(OSError):
        beginning.enter(source, source, source, report)
    run(How.IMPORT, load(How.IMPORT, source, suite.file, compiled, None), 0, Report(1 << 20))
    nothing = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2, REPORT_FD):
        os.dup2(nothing, fd)
    close_all(nothing, *files)


_TESTS = [["value", "function(3)"], ["call", "function", [None]], ["call", "method", [3]]]
_WARM_ROUNDS = 20
_WARM_PROGRAM = """
import sys
from collections import defaultdict

class Solution:
    size = 2

    def __init__(self):
        self.items = [1, 2]

    def method(self, n):
        return [i * n for i in self.items if i % 2], {"a": (1, 2.5)}, "text"

def function(n):
    total, seen = 0, set()
    for i in range(n):
        total += i if i % 2 == 0 else -i
        seen.add(i)
    while total > 100:
        total //= 2
    return sorted(seen), f"{total}", len("a b".split())

def main():
    counts = defaultdict(int)
    try:
        for word in "a b a".split():
            counts[word] += 1
        values = list(map(int, "1 2 3".split()))
        best = max(values), min(values), sum(values), values[::-1]
        assert best and function(3)
        raise ValueError
    except ValueError:
        return None

main()
lines = [line.strip() for line in "".splitlines()]
"""
