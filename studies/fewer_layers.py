"""`make fewer-layers`: the suites of attacks and limits, where layers of isolation are missing.

    python studies/fewer_layers.py [--only CONDITION …] [--out FILE] [PYTEST ARGUMENTS]

Runs `tests/runner/test_attacks.py`, `test_limits.py` and `test_per_program.py`, slow tests too, once under
each condition of `CONDITIONS`, with `rltf doctor` beside them. `without_layers.py` brings a condition about
for its own processes alone. Beside each test that is skipped stands the line of SECURITY.md that says what is
then open. Exit status 1 if a test fails, or lacks a layer that SECURITY.md does not name. Linux, as root.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from machine import section

from harness.runner.cgroup import Cgroup

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "fewer-layers.md"
SUITES = [f"tests/runner/test_{name}.py" for name in ("attacks", "limits", "per_program")]
MOST_PROCESSES = 100
"""In the cgroup of a whole run, pytest included: fewer than the threads that one program may have."""
SECONDS = 3600
"""For a run."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is missing, and how."""

    name: str
    options: tuple[str, ...] = ()
    """Of `without_layers.py`."""
    processes: int = 0
    """Most processes and threads of the whole run, by a cgroup; 0: not limited."""


CONDITIONS = [
    Condition("as root"),
    Condition("as nobody", ("--as-nobody",)),
    Condition("as root, without user namespaces", ("--refuse", "user-namespaces")),
    Condition("as nobody, without user namespaces", ("--as-nobody", "--refuse", "user-namespaces")),
    Condition("as root, without any namespace or mount, as in a container", ("--refuse", "namespaces")),
    Condition("as root, without Landlock", ("--refuse", "landlock")),
    Condition("as root, without libseccomp", ("--without-libseccomp",)),
    Condition(f"as root, at most {MOST_PROCESSES} processes by a cgroup", processes=MOST_PROCESSES),
]


@dataclass(slots=True)
class Result:
    """What a run under a condition gave."""

    condition: Condition
    doctor: dict[str, Any]
    seconds: float
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Tests by the reason."""

    @property
    def missing(self) -> dict[str, str]:
        """Layers that are not on, with the kernel's reason."""
        return {name: why for name, why in self.doctor["isolation"].items() if why != "on"}


def main() -> int:
    """Run, write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", type=int, metavar="N", help="conditions by number, from 1")
    parser.add_argument("--together", type=int, default=2, help="runs at the same time (default: 2)")
    parser.add_argument("--out", type=Path, default=REPORT)
    args, pytest_arguments = parser.parse_known_args()
    chosen = [CONDITIONS[number - 1] for number in args.only] if args.only else CONDITIONS
    open_lines = what_is_open((ROOT / "SECURITY.md").read_text())
    results = []
    with ThreadPoolExecutor(args.together) as pool:
        for result in pool.map(partial(measure, pytest_arguments), chosen):
            results.append(result)
            said = f"{result.condition.name}: {dict(result.counts)}"
            print(said, *result.failed, sep="\n  ", flush=True)
            args.out.write_text(report(results, open_lines, pytest_arguments))
    print(f"{args.out} written")
    unnamed = [
        reason
        for result in results
        for reason in result.skipped
        if layer_of(reason) not in open_lines and layer_of(reason) is not None
    ]
    return 1 if unnamed or any(result.failed for result in results) else 0


def measure(pytest_arguments: list[str], condition: Condition) -> Result:
    """Ask `rltf doctor`, run the suites."""
    group = None
    options = list(condition.options)
    if condition.processes:
        group = Cgroup(0, processes=condition.processes, memory_mib=1 << 20)
        if "pids" not in group.limits:
            group.close()
            raise SystemExit("no cgroup with the controller `pids` can be made here")
        options += [option for file in group.files for option in ("--cgroup", file)]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            folder.chmod(0o777)  # whoever the tests run as writes here
            doctor = run_under(options, "-m", "rltf", "doctor", "--json", "--seconds", "0.2")
            found = json.loads(doctor.stdout)
            started = time.monotonic()
            files = [
                "-p",
                "no:cacheprovider",
                f"--basetemp={folder / 'tests'}",
                f"--junitxml={folder / 'xml'}",
            ]
            run_under(options, "-m", "pytest", "-q", *files, *SUITES, *pytest_arguments)
            result = Result(condition, found, time.monotonic() - started)
            read(folder / "xml", result)
            return result
    finally:
        if group is not None:
            group.close()


def run_under(options: list[str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter under a condition, in the checkout."""
    launcher = [sys.executable, str(ROOT / "studies" / "without_layers.py"), *options]
    return subprocess.run(
        [*launcher, sys.executable, *command],
        cwd=ROOT, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip


def read(path: Path, result: Result) -> None:
    """Take the tests' outcomes from pytest's report."""
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}.py::{case.get('name')}"
        skipped = case.find("skipped")
        if skipped is not None:
            result.counts["skipped"] += 1
            result.skipped[skipped.get("message", "")].append(name)
        elif case.find("failure") is not None or case.find("error") is not None:
            result.counts["failed"] += 1
            result.failed.append(name)
        else:
            result.counts["passed"] += 1


def layer_of(reason: str) -> str | None:
    """The layer that a skipped test lacks: its reason begins with the name; `None` if it lacks none."""
    name, colon, _ = reason.partition(": ")
    return name if colon else None


def what_is_open(security: str) -> dict[str, str]:
    """By layer, the line of SECURITY.md's last table."""
    table = security.partition("## Where layers are missing")[2]
    rows = re.findall(r"^\| ([^|(]+?)(?: \([^|]*)? \| (.+) \|$", table, re.M)
    return {name.lower(): line for name, line in rows}


def report(results: list[Result], open_lines: dict[str, str], pytest_arguments: list[str]) -> str:
    """The page."""
    lines = [
        "# Attacks and limits where layers are missing",
        "",
        f"The suites {', '.join(f'`{name}`' for name in SUITES)}, once under each condition. A test is"
        " skipped where a layer is missing that alone stops what it tries; the others hold without it.",
        "",
        "| condition | `rltf doctor`: missing | a cgroup limits | passed | failed | skipped | minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        counts = " | ".join(str(result.counts[each]) for each in ("passed", "failed", "skipped"))
        missing = ", ".join(result.missing) or "nothing"
        cgroup = ", ".join(result.doctor["cgroup"]) or "nothing"
        minutes = result.seconds / 60
        lines.append(f"| {result.condition.name} | {missing} | {cgroup} | {counts} | {minutes:.1f} |")
    for result in results:
        lines += section_of(result, open_lines)
    described = results[0].doctor
    command = "make fewer-layers"
    if pytest_arguments:
        command += f' ARGS="{shlex.join(pytest_arguments)}"'
    return "\n".join([*lines, "", section(command, described, "programs of the tests")])


def section_of(result: Result, open_lines: dict[str, str]) -> Iterator[str]:
    """What was skipped or failed under a condition, and what SECURITY.md says of it."""
    yield from ("", f"## {result.condition.name[0].upper()}{result.condition.name[1:]}", "")
    if result.condition.options:
        yield from (f"`studies/without_layers.py {' '.join(result.condition.options)}`", "")
    for name, why in result.missing.items():
        yield f"- {name}: {why}"
    for name in result.failed:
        yield f"- FAILED: `{name}`"
    if result.skipped:
        yield from ("", "| skipped | for want of | SECURITY.md: then open |", "|---|---|---|")
    for reason, tests in result.skipped.items():
        layer = layer_of(reason)
        said = open_lines.get(layer or "", "no line" if layer else "nothing: no layer is missing")
        names = ", ".join(
            f"`{name}`" for name, _ in Counter(each.partition("[")[0] for each in tests).items()
        )
        yield f"| {names} | {reason} | {said} |"


if __name__ == "__main__":
    raise SystemExit(main())
