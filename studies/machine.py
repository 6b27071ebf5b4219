"""What a measurement was made on: the last section of the reports that the scripts beside this write.

Covers: command, date, commit, hardware, versions, limits, layers of isolation, peak memory of the host.
Does not cover: names of hosts, users or folders; they have no place in a committed report.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from harness.run_store import environment


def peak_mib(pid: int | str = "self") -> float:
    """Largest resident set of a process so far, MiB, from the kernel's VmHWM; of this one by default.

    Not `ru_maxrss`: that one starts with what the process was forked from.
    """
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as stream:
        for line in stream:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return float("nan")


def section(
    command: str, runner: Mapping[str, Any], data: str, session: Mapping[str, Any] | None = None
) -> str:
    """Markdown: everything that the numbers above it depend on.

    Args:
        command: What makes the report again.
        runner: `Runner.describe()`.
        data: Which data, by name and hash.
        session: The session of a run's manifest that graded; the present one if there is none.
    """
    about = session or {"started": str(date.today()), **environment.describe()}
    isolation = runner["isolation"]
    missing = {name: why for name, why in isolation.items() if why != "on"}
    rows = {
        "command": f"`{command}`",
        "date": about["started"],
        "commit": about["commit"] or "no checkout",
        "machine": ", ".join(f"{name} {value}" for name, value in about["hardware"].items()),
        "versions": ", ".join(f"{name} {value}" for name, value in about["versions"].items()),
        "data": data,
        "grader": f"version {runner['grader_version']}, profiles "
        + ", ".join(f"{name} {version}" for name, version in runner["profiles"].items()),
        "limits": ", ".join(f"{name} {value}" for name, value in runner["limits"].items()),
        "isolation": ", ".join(sorted(isolation)) + (f"; not on: {missing}" if missing else " (all on)"),
        "workers": str(runner["workers"]),
    }
    lines = ["## How this was measured", "", "|  |  |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {value} |" for name, value in rows.items()]) + "\n"


def share(count: int, total: int, low: float, high: float) -> str:
    """`541 of 554 = 97.65 % [95.9, 98.8]`; the bounds are shares."""
    if not total:
        return "0 of 0"
    return f"{count:,} of {total:,} = {100 * count / total:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"
