"""Resident memory of a training and of its graders, second by second, beside the step it was in.

Covers: VmRSS of the process that samples and learns, and the sum of all processes below it, which are the
runner's: workers, fork servers, programs. Does not cover: what these share, which the sum counts for each.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rltf.monitoring.callbacks import METRICS
from studies.kills import descendants


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the processes."""

    step: int
    """Optimiser steps that the log knows of."""
    trainer: float
    """MiB."""
    graders: float
    """MiB, of all processes below the trainer."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Medians over the first and the last third of the steps."""

    first: float
    last: float
    peak: float
    """Over all of training, MiB like the others."""
    samples: int


def look(pid: int, out: Path) -> Sample:
    """What the process and those below it hold now; nought for one that has ended."""
    below = sum(resident(each) for each in descendants(pid))
    return Sample(steps_logged(out), resident(pid), below)


def watch(
    process: subprocess.Popen[bytes],
    out: Path,
    until: Callable[[], bool] = lambda: False,
    every: float = 0.25,
) -> list[Sample]:
    """Look at the memory every so many seconds while the process runs, until something is so."""
    samples: list[Sample] = []
    while process.poll() is None and not until():
        samples.append(look(process.pid, out))
        time.sleep(every)
    return samples


def resident(pid: int) -> float:
    """VmRSS, MiB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def steps_logged(out: Path) -> int:
    """The newest step in the log of the run; a line that is being written does not count."""
    path = out / METRICS
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return max((int(json.loads(line)["step"]) for line in lines if line.endswith(b"\n")), default=0)


def growth(samples: Sequence[Sample], steps: int, part: str = "trainer") -> Growth | None:
    """First third of the steps against the last; `None` if one of them went by between two looks.

    Args:
        samples: In time's order.
        steps: Of the run.
        part: `trainer` or `graders`.
    """
    # Step 0 is loading, evaluation and filling the buffer; after the last step comes evaluation again.
    training = [each for each in samples if 0 < each.step < steps]
    first = [getattr(each, part) for each in training if each.step <= steps / 3]
    last = [getattr(each, part) for each in training if each.step > steps * 2 / 3]
    if not first or not last:
        return None
    return Growth(
        median(first), median(last), max(getattr(each, part) for each in training), len(first) + len(last)
    )
