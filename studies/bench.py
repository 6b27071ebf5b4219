"""`make bench`: how many programs a second, beside the way of the peers and the bare minimum.

    python studies/bench.py [--rounds N] [--beside CHECKOUT] [--out FILE]

Ways to run the same trusted programs, each on as many processes as there are processors, in turn and in one
run, so that a noisy machine disturbs all alike:

- rltf: `Runner`, every layer of isolation on, no cache (`rates.py`); on programs of three asserts, and on
  scripts of ten tests;
- with `--beside`, the runner of another checkout, on the same;
- bare: a loop of fork, `exec(compile(...))`, wait, in a plain interpreter with nothing imported;
- manager: a `multiprocessing.Manager` and a process for each program, as human-eval's checker and
  those derived from it do.

Not covered: benchmarks with real data (`parity.py`, `gold.py`). Never a test: nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from machine import section
from rates import ASSERTS, PROGRAM

HERE = Path(__file__).parents[1]
REPORT = HERE / "results" / "reports" / "bench.md"
WHOLE = PROGRAM + "\n".join(ASSERTS)
COUNTS = {"asserts": 3000, "stdin": 300}
"""Programs in each round."""

_BARE = """
import gc, os, sys, time
gc.collect(); gc.freeze(); gc.disable()
source, count = sys.argv[1], int(sys.argv[2])
started = time.perf_counter()
for _ in range(count):
    pid = os.fork()
    if pid == 0:
        exec(compile(source, "program", "exec"), {})
        os._exit(0)
    assert os.wait4(pid, 0)[1] == 0
print(count / (time.perf_counter() - started))
"""


def main() -> None:
    """Measure, print, write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--beside", type=Path, help="another checkout, whose runner is measured in turn")
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    workers = len(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(Checkout(HERE, workers))
        theirs = stack.enter_context(Checkout(args.beside, workers)) if args.beside else None
        ways: dict[str, Callable[[], float]] = {"rltf": lambda: ours.rate("asserts")}
        if theirs is not None:
            ways |= {"beside": lambda: theirs.rate("asserts")}
        ways |= {"bare": lambda: bare_rate(workers, 1500), "manager": lambda: manager_rate(workers, 60)}
        ways |= {"rltf stdin": lambda: ours.rate("stdin")}
        if theirs is not None:
            ways |= {"beside stdin": lambda: theirs.rate("stdin")}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(args.rounds):
            for name in ways if number % 2 else reversed(ways):
                rates[name].append(ways[name]())
            print("  ".join(f"{name} {found[-1]:.0f}/s" for name, found in rates.items()), flush=True)
        page = report(rates, ours, theirs, args.rounds)
    args.out.write_text(page)
    print(f"\n{page}\nwritten to {args.out}")


class Checkout:
    """The runner of a checkout, in a process of its own that measures when it is asked to."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self._workers = workers
        self.cpu: dict[str, list[float]] = {kind: [] for kind in COUNTS}
        """CPU microseconds of all processes for each program, or test, by kind and round."""

    def __enter__(self) -> Checkout:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("rates.py")), str(self._workers)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(self.folder.resolve())},
        )  # fmt: skip
        self.described: dict[str, Any] = json.loads(self._line())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the runner of {self.folder} ended"
        return line

    def rate(self, kind: str) -> float:
        """What it does in a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind} {COUNTS[kind]}\n")
        self._process.stdin.flush()
        answer = json.loads(self._line())
        self.cpu[kind].append(answer["cpu_us"])
        return float(answer["rate"])


def bare_rate(workers: int, count: int) -> float:
    """Programs a second of bare loops, one a processor."""
    loops = [
        subprocess.Popen([sys.executable, "-c", _BARE, WHOLE, str(count)], stdout=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    return sum(float(loop.communicate()[0]) for loop in loops)


def manager_rate(workers: int, count: int) -> float:
    """Programs a second of checkers that start a manager and a process for each, one checker a processor."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    checkers = [context.Process(target=_check_many, args=(count, queue)) for _ in range(workers)]
    for checker in checkers:
        checker.start()
    total = sum(queue.get() for _ in checkers)
    for checker in checkers:
        checker.join()
    return total


def _check_many(count: int, queue: Any) -> None:
    started = time.perf_counter()
    for _ in range(count):
        with multiprocessing.Manager() as manager:
            verdicts = manager.list()
            process = multiprocessing.Process(target=_execute, args=(WHOLE, verdicts))
            process.start()
            process.join(timeout=4.0)
            assert list(verdicts) == ["passed"]
    queue.put(count / (time.perf_counter() - started))


def _execute(program: str, verdicts: Any) -> None:
    """The steps of such a checker: a folder of its own, a timer, output swallowed, then the program."""
    back = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        signal.setitimer(signal.ITIMER_REAL, 3.0)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            exec(program, {})
        signal.setitimer(signal.ITIMER_REAL, 0)
        verdicts.append("passed")
        os.chdir(back)


def report(rates: Mapping[str, list[float]], ours: Checkout, theirs: Checkout | None, rounds: int) -> str:
    """The page that is committed: rates, ratios round by round, and what they were measured on."""
    ratios = {
        name: [mine / other for mine, other in zip(rates[_OURS[name]], rates[name], strict=True)]
        for name in rates if name in _OURS
    }  # fmt: skip
    lines = [
        "# Programs a second",
        "",
        f"{rounds} rounds, each way in turn in every round, {ours.described['workers']} processes each.",
        "Programs of three asserts, and scripts of ten tests, each text different; no cache.",
        "",
        "| way | median | lowest | highest | rltf is × |",
        "|---|---|---|---|---|",
    ]
    for name, found in rates.items():
        ratio = f"{statistics.median(ratios[name]):.2f}" if name in ratios else ""
        median, lowest, highest = (
            f"{rate:,.0f}/s" for rate in (statistics.median(found), min(found), max(found))
        )
        lines.append(f"| {_LABELS[name]} | {median} | {lowest} | {highest} | {ratio} |")
    spread = ", ".join(f"{name} {min(r):.2f} to {max(r):.2f}" for name, r in ratios.items())
    lines += [
        "",
        f"The last column is the median of the rounds' ratios; they ranged: {spread}.",
        *_cpu_lines(ours, theirs),
        "",
    ]
    return "\n".join(lines) + "\n" + section("make bench", ours.described, "programs of its own")


def _cpu_lines(ours: Checkout, theirs: Checkout | None) -> list[str]:
    """CPU time, which other work on the machine disturbs less than it does the rates."""
    if theirs is None:
        return []
    lines = [
        "",
        "| CPU time of all processes, median | here | beside | ratio, median of the rounds |",
        "|---|---|---|---|",
    ]
    for kind in COUNTS:
        pairs = list(zip(ours.cpu[kind], theirs.cpu[kind], strict=True))
        mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(mine / other for mine, other in pairs)
        lines.append(f"| {_KINDS[kind]} | {mine:,.0f} µs | {other:,.0f} µs | {ratio:.2f} |")
    version = theirs.described["grader_version"]
    return [*lines, "", f"The other checkout's grader is version {version}."]


_OURS = {"beside": "rltf", "bare": "rltf", "manager": "rltf", "beside stdin": "rltf stdin"}
_KINDS = {"asserts": "a program of three asserts", "stdin": "a test of a script"}
_LABELS = {
    "rltf": "rltf, every layer on: programs of three asserts",
    "beside": "the same of another checkout",
    "bare": "bare fork, exec, wait",
    "manager": "a manager and a process for each program",
    "rltf stdin": "rltf, every layer on: tests of scripts",
    "beside stdin": "the same of another checkout",
}

if __name__ == "__main__":
    main()
