"""How many programs a second one driver can hand out, and what it holds: 256 nodes that are made up.

    python studies/ray_simulation.py [--out PAGE]

The runner is the real one, the nodes are `tests/fake_nodes.py`: they grade nothing, and answer at times of a
clock of their own, after delays; some are lost, and others join. So every second of processor that is used is
the driver's, less what a node of Ray costs it: pickling, and Ray's calls, which `ray_grading.py` measures.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import date
from pathlib import Path

from harness import Job, Problem, Runner, TestSuite
from harness.run_store import environment
from harness.types import StdinTest, TestKind

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from fake_nodes import FakeCluster

PROCESSES = 8
CASES = (
    (2, 0.01, 0),
    (16, 0.01, 0),
    (64, 0.01, 0),
    (256, 0.01, 0),
    (256, 0.01, 40),
    (256, 0.1, 40),
    (256, 1.0, 40),
)
"""Nodes, seconds that a program takes on average, nodes that are lost."""
SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")] * 3)
PROBLEM = Problem("simulation", "", load_suite=lambda: SUITE)


def measured(nodes: int, seconds: float, losses: int, programs: int) -> str:
    """Grade so many programs; a row of the table."""
    cluster = FakeCluster(nodes, PROCESSES, seconds, programs=programs, losses=losses)
    own = [0.0]
    _leave_out(cluster, own)
    taken, most, answered = 0, 0, [0] * programs

    def jobs() -> object:
        nonlocal taken
        for n in range(programs):
            taken += 1
            yield Job("simulation", n, f"print({n})", PROBLEM)

    with Runner(workers=cluster, profiles=("strict",)) as runner:
        started = time.process_time()
        for done, outcome in enumerate(runner.run(jobs()), 1):
            answered[outcome.sample_id] += outcome.infrastructure_error is None
            most = max(most, taken - done)
        used = time.process_time() - started - own[0]
    wrong = sum(times != 1 for times in answered)
    again = sum(cluster.graded.values()) - programs
    return (
        f"| {nodes} | {seconds:g} | {losses} | {programs / used:,.0f} | {most:,} | {cluster.most_held:,} |"
        f" {again:,} | {wrong} |"
    )


def _leave_out(cluster: FakeCluster, own: list[float]) -> None:
    """Count the time of what is made up, which is no driver's."""
    for owner, name in ((cluster, "sent"), (cluster, "step")):
        function = getattr(owner, name)

        def timed(*arguments: object, function: object = function) -> None:
            started = time.process_time()
            function(*arguments)
            own[0] += time.process_time() - started

        setattr(owner, name, timed)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=50_000)
    parser.add_argument("--out", type=Path, default=Path("results/reports/ray-simulation.md"))
    args = parser.parse_args()
    about = environment.describe()
    rows = []
    for nodes, seconds, losses in CASES:
        rows.append(measured(nodes, seconds, losses, args.programs))
        print(rows[-1], flush=True)
    lines = [
        "# Many nodes, simulated: what one driver can hand out",
        "",
        f"Made by `make ray-simulation` on {date.today()}, commit {about['commit']};"
        f" {about['hardware']['processor']},",
        f"Python {about['versions']['python']}. {args.programs:,} programs that all differ, nodes of"
        f" {PROCESSES} processes that",
        "are made up and answer after a time of their own clock, exponentially spread; a lost node"
        " takes what it holds with",
        "it, and another joins. The rate is programs for each second of processor of the driver's"
        " runner: where it saturates,",
        "if nothing but the runner were there. Pickling, Ray's calls and the run folder come on top"
        " (`ray.md`).",
        "",
        "| nodes | seconds a program | lost | programs/s | most in flight | most on a node | graded again |"
        " not answered once |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        "What is in flight grows with the nodes and their speed, at most three chunks of a quarter"
        " of a second for each, and",
        "not with the programs. A chunk is sized by the node's own clock: by the driver's, a driver"
        " that is slow makes chunks",
        "of one program, and is slower for it (2,400 programs/s with 256 nodes, before).",
        "",
    ]
    args.out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
