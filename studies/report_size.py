"""A run of 100,000 programs: what scoring it again, its summary and its page cost, and how the page opens.

    python studies/report_size.py            (make report-size)

2,000 problems and 50 programs of each are made, in the size of MBPP's and with every fourth program right,
and scored by `rltf score` as a user would. Then the same command again, which finds nothing to do, and
`rltf report` in its formats. The page is opened in Chromium by playwright, with an empty cache, and asked for
a search, another problem, another program. Peak memory is that of the command's own process.

Needs `pip install playwright` and a Chromium on PATH. Does not cover: graders' memory (`studies/soak.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from studies import machine

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "results" / "reports" / "report-size.md"
PROBLEMS, PROGRAMS, DIFFERENT = 2000, 50, 10
"""Ten different programs of each problem: the others are graded without being run."""
_RUNS = 5
"""Of the page, in new browsers."""
_WORDS = "the list number of each value first last sum pair string return given count every item order".split()
_WIDTHS = {"1,280 px": {"width": 1280, "height": 900}, "400 px": {"width": 400, "height": 800}}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one command."""

    command: str
    cpu: float
    """Seconds, its graders included."""
    wall: float
    peak: float
    """MiB."""


def write_problems(path: Path, rng: Random) -> None:
    """Problems of one function and three asserts, each with a statement of some 300 characters."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(PROBLEMS):
            text = " ".join(rng.choice(_WORDS) for _ in range(55))
            tests = [f"assert f({x}) == {x + number}" for x in (1, 2, 10**6)]
            row = {"task_id": number, "question": f"Write f(x), which adds {number}. {text}.", "tests": tests}
            stream.write(json.dumps(row) + "\n")


def write_programs(path: Path, rng: Random) -> None:
    """A fourth right, the others wrong or with an error, of some 400 characters; ten different ones a problem."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(PROBLEMS):
            programs = [_program(number, each, rng) for each in range(DIFFERENT)]
            for sample in range(PROGRAMS):
                row = {"task_id": f"problems/{number}", "sample_id": sample, "code": programs[sample % DIFFERENT]}
                stream.write(json.dumps(row) + "\n")


def _program(number: int, sample: int, rng: Random) -> str:
    ends = (f"x + {number}", f"x - {number + 1}", f"x + {number} + undefined", f"{{}}[x + {number}]")
    lines = [f"    value_{n} = '{' '.join(rng.choice(_WORDS) for _ in range(6))}'" for n in range(rng.randrange(2, 14))]
    return "\n".join([f"def f(x):  # {sample}", *lines, f"    return {ends[sample % 4]}", ""])


def measure(*command: str, cwd: Path) -> Cost:
    """Run `rltf` with these arguments."""
    before, started = os.times(), time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "rltf", *command], cwd=cwd, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        try:
            peak = max(peak, machine.peak_mib(process.pid))
        except (OSError, ValueError):
            pass  # it has just ended
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"rltf {' '.join(command)} ended with status {process.returncode}")
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return Cost(f"rltf {' '.join(command)}", cpu, time.perf_counter() - started, peak)
