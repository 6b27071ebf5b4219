"""Trainings of `learning`: run if they have not been, then read; intervals over their seeds.

Does not cover: what is trained, or what is said of it (`learning`, `learning_ablations`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from harness.runner import Runner
from harness.types import Limits
from rltf.presets import MINI
from studies import machine

ROOT = Path(__file__).parents[1]
BENCHMARK = "mini-introductory"
HELD_OUT = 200
"""Problems of its test split."""
STUDENT_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""97.5 % quantile of Student's t for a mean of so many seeds."""


def train(out: Path, options: Sequence[str]) -> None:
    """One training, unless it has been done."""
    if (out / "comparison.json").exists():
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "rltf", "train", "--preset", "mini", "--out", str(out), "--workers", "1"]
    # No verdicts of other runs: what grading costs is part of the measurement.
    command += ["--cache", str(out.with_name(f"{out.name}.cache"))]
    command += [*options, *(["--resume"] if (out / "training.json").exists() else [])]
    with out.with_name(f"{out.name}.log").open("a") as log:
        print("started", out.name, flush=True)
        env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        subprocess.run(command, stdout=log, stderr=log, env=env, cwd=ROOT, check=True)


def train_all(jobs: Sequence[tuple[Path, Sequence[str]]], at_once: int) -> None:
    """Trainings, folder and options each, up to `at_once` beside each other."""
    with ThreadPoolExecutor(at_once) as beside:
        list(beside.map(lambda job: train(*job), jobs))


def score(run: Path, when: str = "after") -> float:
    """pass@1 in percent, `before` training or `after` it."""
    found = json.loads((run / "comparison.json").read_text())[BENCHMARK]
    return 100 * float(found[when]["pass@1"]["value"])


def metrics(run: Path) -> list[dict[str, Any]]:
    """The rows of its log."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def train_seconds(run: Path) -> float:
    """Wall seconds of its training: without warm start and evaluations."""
    return float(metrics(run)[-1]["train_runtime"])


def seconds(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Sums of what the rows of a log call `seconds/…`."""
    found: dict[str, float] = {}
    for row in rows:
        for name, value in row.items():
            if name.startswith("seconds/"):
                found[name.removeprefix("seconds/")] = found.get(name.removeprefix("seconds/"), 0.0) + value
    return found


def outside_the_model(run: Path) -> float:
    """Share of the training's time that is neither sampling nor learning."""
    took = seconds(metrics(run))
    return 1 - (took.get("sampling", 0.0) + took.get("learning", 0.0)) / train_seconds(run)


def interval(values: Sequence[float]) -> str:
    """Mean and 95 % interval by Student's t; the value alone if there is one, and no number if none."""
    if len(values) < 2:
        return f"{values[0]:+.1f}" if values else "not measured"
    half = half_interval(values)
    return f"{mean(values):+.1f} [{mean(values) - half:+.1f}, {mean(values) + half:+.1f}]"


def half_interval(values: Sequence[float]) -> float:
    """Half of the 95 % interval of a mean; infinite for a single value, of which none is known."""
    if len(values) < 2:
        return float("inf")
    return STUDENT_T[len(values)] * stdev(values) / len(values) ** 0.5


def made(command: str) -> str:
    """The section on how a report was made, for `command` with this process's arguments."""
    command += f" ARGS='{' '.join(sys.argv[1:])}'" if sys.argv[1:] else ""
    limit = MINI["cpu_seconds"]
    with Runner(workers=1, limits=Limits(cpu_seconds=limit, load_cpu_seconds=limit)) as runner:
        about = dict(runner.describe())
    return machine.section(command, about, f"{BENCHMARK}, generated; seeds as in the table")
