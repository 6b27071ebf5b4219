"""Rates of one checkout's runner, on demand: what `bench.py` measures, this one's and another's in turn.

    PYTHONPATH=CHECKOUT python studies/rates.py WORKERS

Reads lines `KIND COUNT` and answers each with a JSON line: what was done in a second, and the CPU
microseconds of all processes for each. Uses only what every version has had, so that old ones can be run too.

- asserts: programs of three asserts, each a process;
- stdin: tests of scripts of ten tests, each test a process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from harness import Job, Problem, Runner, TestSuite
from harness.types import AssertTest, StdinTest, TestKind

PROGRAM = "def f(a, b):\n    return a + b\n"
ASSERTS = ("assert f(1, 2) == 3", "assert f(2, 2) == 4", "assert f(5, 2) == 7")
SCRIPT = "a, b = map(int, input().split())\nprint(a + b)\n"
SCRIPT_TESTS = 10

SUITES = {
    "asserts": TestSuite.pack(TestKind.ASSERTS, [AssertTest(test) for test in ASSERTS]),
    "stdin": TestSuite.pack(
        TestKind.STDIN, [StdinTest(f"1 {n}\n", f"{n + 1}\n") for n in range(SCRIPT_TESTS)]
    ),
}
TEXTS = {"asserts": PROGRAM, "stdin": SCRIPT}


def measured(runner: Runner, kind: str, programs: int, numbers: Iterator[int]) -> dict[str, float]:
    """Grade so many programs, whose texts all differ; how fast."""
    suite = SUITES[kind]
    problem = Problem(f"bench/{kind}", "", load_suite=lambda: suite)
    jobs = [Job("bench", n, f"{TEXTS[kind]}# {next(numbers)}\n", problem) for n in range(programs)]
    used, started = cpu_seconds(), time.perf_counter()
    passed = sum(outcome.passed("strict") for outcome in runner.run(jobs))
    taken = time.perf_counter() - started
    assert passed == programs
    units = programs * (SCRIPT_TESTS if kind == "stdin" else 1)
    return {"rate": units / taken, "cpu_us": 1e6 * (cpu_seconds() - used) / units}


def cpu_seconds() -> float:
    """What this process and all below it have used, those included that have ended and were waited for."""
    parents, ticks = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(folder.name)] = int(fields[1])
            ticks[int(folder.name)] = sum(map(int, fields[11:15]))
    ours = {os.getpid()}
    while True:
        more = ours | {pid for pid, parent in parents.items() if parent in ours}
        if more == ours:
            return sum(ticks.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")
        ours = more


def main() -> None:
    """Answer until the end of the input."""
    numbers = count()
    with Runner(int(sys.argv[1])) as runner:
        for kind in SUITES:
            measured(runner, kind, 300, numbers)  # chunks grow to their size, once
        print(json.dumps(runner.describe()), flush=True)
        for line in sys.stdin:
            kind, programs = line.split()
            print(json.dumps(measured(runner, kind, int(programs), numbers)), flush=True)


if __name__ == "__main__":
    main()
