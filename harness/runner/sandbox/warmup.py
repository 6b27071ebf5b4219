"""Going the way of a program, on one of our own, in the fork server itself, before it forks.

Much is made at first use: the compiler's types, inline caches, interned strings. What the server has not
made before it forks, every child makes again, and copies the pages that it lands on: this halves what a
fork costs.
"""

from __future__ import annotations

import sys

from .job import How
from .program import Report, call_test, compile_program, prepare, run_main, run_tests, value_test


def warm_up(report_fd: int) -> None:
    """Do it, with the records going to an open file.

    Args:
        report_fd: Its descriptor; what is written there is of no use.
    """
    before = dict(sys.modules), sys.argv, sys.getrecursionlimit()
    report = Report(1 << 20, report_fd)
    try:
        for _ in range(_WARM_ROUNDS):
            code, _ = compile_program(_WARM_PROGRAM, How.SCRIPT | How.SHARED)
            assert code is not None  # noqa: S101 - a program of ours
            run_main(code, prepare("__main__", {}))
            test = value_test(compile("function(3)", "<test>", "eval"))
            failing = call_test("function", [None])
            run_tests(code, {}, None, [test, failing, call_test("method", [3])], report)
    finally:
        modules, sys.argv, limit = before
        sys.modules.clear()
        sys.modules.update(modules)
        sys.setrecursionlimit(limit)


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
