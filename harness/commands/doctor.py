"""`rltf doctor`: what the sandbox holds on this machine, and how fast it grades.

Covers: the layers of isolation and why one is missing, the start-up canary, versions, workers, and the
programs graded in a second. Does not cover: the data of the benchmarks, or models.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

from harness.commands.options import add_ray, positive_int
from harness.errors import HarnessError
from harness.types import AssertTest, Job, Problem, TestKind, TestSuite

_MEANING = {
    "seccomp": "no sockets, processes, tracing, or signals to others",
    "landlock": "no files beyond the interpreter's own and a scratch folder",
    "user namespace": "no privileges, whoever you are",
    "pid namespace": "no process outlives its server",
    "network namespace": "no network, even if a socket were had",
    "ipc namespace": "no shared memory with others",
    "read-only mounts": "nothing to write to but a small scratch file system",
    "unprivileged user": "started by root, programs run as somebody else, one for each server",
}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor` to the sub-commands."""
    parser = commands.add_parser(
        "doctor",
        help="check the sandbox on this machine, and measure how fast it grades",
        description="Check the sandbox on this machine, and measure how fast it grades.",
        epilog="Exit status: 0 every layer holds; 1 some layer is missing; 2 nothing can be graded here.",
    )
    parser.add_argument(
        "--workers", type=positive_int, metavar="N", help="grader workers (default: the processors available)"
    )
    add_ray(parser)
    parser.add_argument(
        "--seconds", type=float, default=1.0, metavar="S", help="how long to grade for the rate (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    parser.add_argument(
        "--report",
        action="store_true",
        help="print Markdown to paste into an issue: no secrets, no names of users, hosts or folders",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, _command: list[str]) -> int:
    """Examine this machine, or every node of a cluster, and say what was found."""
    if args.report:
        from harness.commands.bug_report import bug_report  # noqa: PLC0415 - reads packages

        sys.stdout.write(bug_report(partial(examine, args.workers, args.seconds)))
        return 0
    if args.ray is not None:
        return _run_on_nodes(args)
    found = examine(args.workers, args.seconds)
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if args.json else _page(found))
    return 0 if all(state == "on" for state in found["isolation"].values()) else 1


def _run_on_nodes(args: argparse.Namespace) -> int:
    from harness.cluster import RayNodes  # noqa: PLC0415 - with `--ray` only
    from harness.cluster.nodes import on_every_node  # noqa: PLC0415 - the same

    examined = []
    for node, found, why in on_every_node(RayNodes(args.ray, args.workers), _as_json, args.seconds):
        examined.append({"node": node.name, **(json.loads(found) if found else {"error": why})})
    text = json.dumps(examined, indent=2) if args.json else "\n".join(map(_node_lines, examined))
    sys.stdout.write(text + "\n")
    if all("error" in found for found in examined):
        return 2
    return int(any(set(found.get("isolation", {"": "?"}).values()) != {"on"} for found in examined))


def _as_json(workers: int, seconds: float) -> str:
    """What `examine` finds, where this is called."""
    try:
        return json.dumps(examine(workers, seconds))
    except HarnessError as error:
        return json.dumps({"error": str(error)})


def _node_lines(found: dict[str, Any]) -> str:
    if "error" in found:
        return f"{found['node']}\n  CAN'T GRADE   {found['error']}"
    missing = [f"{name} ({why})" for name, why in found["isolation"].items() if why != "on"]
    versions = [f"Python {found['versions']['python']}", f"rltf-harness {found['versions']['rltf-harness']}"]
    versions += [f"{name} {version}" for name, version in found["packages"].items()]
    lines = [
        f"rate          {found['programs_per_second']:,} programs/s, {found['workers']} workers",
        f"isolation     {'MISSING: ' + '; '.join(missing) if missing else 'every layer is on'}",
        f"cgroup        {' and '.join(found['cgroup']) or 'none'}",
        f"versions      {', '.join(versions)}, Linux {found['versions']['kernel']}",
        f"hardware      {found['hardware']['processor']}, {found['hardware']['memory_mib']:,} MiB",
    ]
    return "\n".join([found["node"], *(f"  {line}" for line in lines)])


def examine(workers: int | None, seconds: float) -> dict[str, Any]:
    """What the runner is on this machine, and the programs it grades in a second.

    Raises:
        HarnessError: If nothing can be graded here; says why.
    """
    from harness.run_store.environment import hardware, versions  # noqa: PLC0415 - slow to import, for `--help`
    from harness.runner import Runner  # noqa: PLC0415 - the same

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is missing is listed below
        with Runner(workers) as runner:
            described = {**runner.describe(), "shortcuts": runner.fork_optimizations}
            rate = _rate(runner, seconds)
    return {
        **described,
        "programs_per_second": round(rate),
        "versions": versions(),
        "hardware": hardware(),
    }


def _rate(runner: Any, seconds: float) -> float:
    """Programs a second: a function of two lines with three asserts, each program another text."""
    tests = [AssertTest(f"assert add({i}, 2) == {i + 2}") for i in range(3)]
    suite = TestSuite.pack(TestKind.ASSERTS, tests)
    problem = Problem("doctor/0", "", load_suite=lambda: suite)
    end = 0.0

    def jobs() -> Iterator[Job]:
        for number in itertools.count():
            if end and time.monotonic() > end:
                return
            yield Job("doctor/0", number, f"def add(a, b):\n    return a + b  # {number}", problem)

    for _ in runner.run(itertools.islice(jobs(), 50 * runner.workers)):
        pass  # chunks grow to their size
    started = time.monotonic()
    end = started + seconds
    graded = sum(1 for _ in runner.run(jobs()))
    return graded / (time.monotonic() - started)


def _shortcut_notes(shortcuts: dict[str, int]) -> list[str]:
    """What makes a program's start cheap, or why it is not as cheap as it could be."""
    pinned, huge = shortcuts["pinned_bytes"] >> 10, shortcuts["huge_text_bytes"] >> 10
    return [
        f"fork copies the {pinned:,} KiB that every script or every imported program writes to"
        if pinned
        else "slower by a fifth: no io_uring in this kernel, or `ulimit -l` below 3 MiB for each server",
        f"the interpreter's code lies in huge pages, {huge:,} KiB for each server"
        if huge
        else "slower by a tenth: no huge pages to be had (Linux before 6.1, or memory is short)",
    ]


def _page(found: dict[str, Any]) -> str:
    lines = ["Isolation"]
    for name, meaning in _MEANING.items():
        if name not in found["isolation"]:
            continue  # started by a user who is not root
        state = found["isolation"][name]
        mark, note = ("ok", meaning) if state == "on" else ("MISSING", state)
        lines.append(f"  {name:<18} {mark:<8} {note}")
    cgroup = " and ".join(found["cgroup"])
    lines.append(
        f"  a control group limits the {cgroup} of each server"
        if cgroup
        else "  no control group to be had here: processes and memory are limited for each process"
    )
    lines += ["", "Canary"]
    lines.append("  a right, a wrong and an escaping program came out as they should")
    lines += ["", "Grading"]
    lines.append(
        f"  {found['workers']} workers, {found['programs_per_second']:,} programs/s (three asserts each)"
    )
    lines += [f"  {note}" for note in _shortcut_notes(found["shortcuts"])]
    limits = ", ".join(f"{name} {value}" for name, value in found["limits"].items())
    lines.append(f"  limits: {limits}")
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    lines.append(f"  programs may import the standard library and {packages}")
    for title in ("versions", "hardware"):
        lines += ["", title.capitalize()]
        lines += [f"  {name:<18} {value}" for name, value in found[title].items()]
    return "\n".join(lines) + "\n"
