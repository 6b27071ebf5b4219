"""`make cold-start`: CPU seconds of small commands, from nothing to their last line.

    RLTF_DATA=DIR python studies/cold_start.py [--rounds N] [--out FILE]

Each command is a process of its own, in turn; counted is the user and system time of the process and of all
that it started and waited for, so that other work on the machine matters little. Files are in the page cache,
verdicts are not cached. "First" empties the folder in which it is kept what all rows of APPS add up to, so
that the whole file is read. Does not cover: commands that load a model.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from studies.learning_runs import made

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "cold-start.md"
WANTED = {
    "`rltf --help`": 0.15,
    "`rltf score`, one program of mini": 0.8,
    "`rltf score`, one program of APPS test": 1.5,
    "the same, first": 1.5,
    "`rltf report`, page": 1.5,
}


def main() -> int:
    """Measure and write the report; exit status 1 if a command takes longer than is wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        ways = commands(Path(scratch))
        times: dict[str, list[float]] = {name: [] for name in ways}
        for way in ways.values():
            way()  # bytecode, and files into the page cache
        for _ in range(args.rounds):
            for name, way in ways.items():
                times[name].append(way())
    args.out.write_text(page(times, args.rounds), encoding="utf-8")
    print(f"{args.out} written")
    return int(any(median(found) > WANTED[name] for name, found in times.items()))


def commands(folder: Path) -> dict[str, Callable[[], float]]:
    """What is timed, by name."""
    cache = folder / "cache"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    program = "for _ in range(int(input())):\n    print(int(input()) + 7)\n"
    for name, task in (("mini", "mini/test/8"), ("apps", "apps/test/65")):
        row = {"task_id": task, "sample_id": 0, "code": program}
        (folder / f"{name}.jsonl").write_text(json.dumps(row) + "\n")

    def score(name: str, task: str) -> float:
        out = folder / f"run-{name}"
        shutil.rmtree(out, ignore_errors=True)
        given = ["--benchmark", name, "--ids", task, "--no-cache", "--out", str(out)]
        return cpu_seconds(["score", str(folder / f"{name}.jsonl"), *given], environment)

    def apps_first() -> float:
        shutil.rmtree(cache, ignore_errors=True)
        return score("apps", "65")

    return dict(
        zip(
            WANTED,
            (
                lambda: cpu_seconds(["--help"], environment),
                lambda: score("mini", "8"),
                lambda: score("apps", "65"),
                apps_first,
                lambda: cpu_seconds(["report", str(folder / "run-mini"), "--format", "html"], environment),
            ),
            strict=True,
        )
    )


def cpu_seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """User and system seconds of a command and of its processes."""

    def used() -> float:
        found = resource.getrusage(resource.RUSAGE_CHILDREN)
        return found.ru_utime + found.ru_stime

    before = used()
    subprocess.run(
        [sys.executable, "-m", "rltf", *arguments],
        cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return used() - before


def page(times: dict[str, list[float]], rounds: int) -> str:
    """Markdown."""
    lines = [
        "# CPU seconds of small commands",
        "",
        "| command | median | range | wanted |",
        "|---|--:|--:|--:|",
        *(
            f"| {name} | {median(found):.2f} | {min(found):.2f} to {max(found):.2f} | {WANTED[name]} |"
            for name, found in times.items()
        ),
        "",
        f"{rounds} rounds, in turn.",
        "",
    ]
    return "\n".join([*lines, made("RLTF_DATA=DIR make cold-start")])


if __name__ == "__main__":
    raise SystemExit(main())
