"""Grading on two raylets of one processor each beside the local runner with two workers.

    python studies/ray_grading.py [--rounds 5] [--programs 20000] [--out PAGE]

Both are up before the first round, and take turns. Processor time is counted by kind of process, so that
what a cluster costs beyond grading has a name. Needs the extra `ray`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path
from statistics import median

from harness import Job, Problem, Runner, TestSuite
from harness.cluster import RayNodes
from harness.run_store import environment
from harness.types import AssertTest, TestKind

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from raylets import Raylets

PROGRAM = "def f(a, b):\n    return a + b\n"
ASSERTS = ("assert f(1, 2) == 3", "assert f(2, 2) == 4", "assert f(5, 2) == 7")
SUITE = TestSuite.pack(TestKind.ASSERTS, [AssertTest(test) for test in ASSERTS])
PROBLEM = Problem("bench/asserts", "", load_suite=lambda: SUITE)
WANTED = 0.8
PARTS = ("driver", "node's runner", "Ray's servers", "Ray's other processes", "graders and programs")
_TICK = os.sysconf("SC_CLK_TCK")


def graded(runner: Runner, programs: int, numbers: Iterator[int]) -> tuple[float, dict[str, float]]:
    """Programs a second, and CPU microseconds a program by kind of process."""
    jobs = [Job("bench", n, f"{PROGRAM}# {next(numbers)}\n", PROBLEM) for n in range(programs)]
    before, started = cpu_seconds(), time.perf_counter()
    passed = sum(outcome.passed("strict") for outcome in runner.run(jobs))
    taken = time.perf_counter() - started
    after = cpu_seconds()
    assert passed == programs
    return programs / taken, {part: 1e6 * (after[part] - before[part]) / programs for part in PARTS}


def cpu_seconds() -> dict[str, float]:
    """Of this process and all below it, those included that have ended and were waited for."""
    parents, used, kinds = {}, {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                words = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            pid = int(folder.name)
            parents[pid], used[pid] = int(fields[1]), sum(map(int, fields[11:15])) / _TICK
            kinds[pid] = _kind(pid, words)
    total: dict[str, float] = defaultdict(float)
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    for pid in ours:
        total[kinds[pid]] += used[pid]
    return total


def _kind(pid: int, words: str) -> str:
    if pid == os.getpid():
        return "driver"
    if "NodeGrader" in words.split("\0", maxsplit=1)[0]:
        return "node's runner"
    if words.split("\0", maxsplit=1)[0].endswith(("/raylet", "/gcs_server")):
        return "Ray's servers"
    if "ray" in words:
        return (
            "Ray's other processes" if "multiprocess" not in words and "harness" not in words else PARTS[-1]
        )
    return PARTS[-1]


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument("--note", default="")
    parser.add_argument("--out", type=Path, default=Path("results/reports/ray.md"))
    args = parser.parse_args()
    numbers = count()
    with Raylets() as raylets:
        began = time.perf_counter()
        for _ in range(2):
            raylets.add(RAY_worker_niceness="0")  # Ray's 15 would give the cluster less of a shared machine
        nodes_up = time.perf_counter() - began
        os.environ.update(
            {name: value for name, value in raylets.environment.items() if name.startswith("RAY_")}
        )
        began = time.perf_counter()
        with Runner(RayNodes(raylets.address)) as cluster:
            cluster_up = time.perf_counter() - began
            with Runner(2) as local:
                for runner in (local, cluster):
                    graded(runner, 1000, numbers)  # chunks grow to their size
                rounds = []
                for _ in range(args.rounds):
                    rounds.append(
                        (graded(local, args.programs, numbers), graded(cluster, args.programs, numbers))
                    )
                    print([f"{rate:,.0f}" for rate, _ in rounds[-1]], flush=True)
    args.out.write_text(_page(args, rounds, nodes_up, cluster_up))


def _page(args: argparse.Namespace, rounds: list, nodes_up: float, cluster_up: float) -> str:
    about = environment.describe()
    ratios = sorted(cluster[0] / local[0] for local, cluster in rounds)
    rows = [
        f"| {n + 1} | {local[0]:,.0f} | {cluster[0]:,.0f} | {cluster[0] / local[0]:.2f} |"
        for n, (local, cluster) in enumerate(rounds)
    ]
    rest = []
    for part in PARTS:
        here, there = (median(side[which][1][part] for side in rounds) for which in (0, 1))
        rest.append(f"| {part} | {here:,.0f} | {there:,.0f} |")
    total = [median(sum(side[which][1].values()) for side in rounds) for which in (0, 1)]
    lines = [
        "# Grading on a Ray cluster beside grading here",
        "",
        f"Made by `make ray-grading` on {date.today()}, commit {about['commit']}: {args.rounds}"
        f" rounds of {args.programs:,}",
        "programs of three asserts, all different, in turn on two raylets of one processor each and"
        " on a runner with two",
        f"workers; both on the same {about['hardware']['processors']} processors"
        f" ({about['hardware']['processor']}), Python"
        f" {about['versions']['python']}, Ray {environment.versions('ray')['ray']}. {args.note}".rstrip(),
        "",
        "| round | local, programs/s | cluster, programs/s | ratio |",
        "|---:|---:|---:|---:|",
        *rows,
        "",
        f"**Ratio {median(ratios):.2f}** (median; {ratios[0]:.2f} to {ratios[-1]:.2f}), wanted at"
        f" least {WANTED}; by processor time alone {total[0] / total[1]:.2f}. Start-up, not",
        f"counted: {nodes_up:.0f} s for two raylets, {cluster_up:.0f} s to connect and open the"
        f" runner of each.",
        "",
        "| CPU microseconds a program, median | local | cluster |",
        "|---|---:|---:|",
        *rest,
        f"| **all** | {total[0]:,.0f} | {total[1]:,.0f} |",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
