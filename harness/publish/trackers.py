"""Telling wandb or trackio the numbers of an evaluation.

Covers: one entry a run folder, once its numbers are on disk; what fails there is a warning, since nothing is
lost. Does not cover: the course of an evaluation, which has none; trainings (`rltf.monitoring.trackers`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from harness.errors import InputError
from harness.publish.results import results, setting
from harness.publish.tracked_run import FILE, TrackedRun, TrackerError, is_missing
from harness.run_store.finished_run import Run
from harness.run_store.metrics_file import score_in


def check_trackers(names: Sequence[str]) -> None:
    """Find out before hours of work that a package is missing.

    Raises:
        InputError: If one is.
    """
    for name in names:
        if is_missing(name):
            raise InputError(f"--report-to {name}: {name} is missing; pip install {name}, or leave it out")


def track(run: Run, names: Sequence[str]) -> None:
    """Tell a finished run to trackers; what they were told before is not told again."""
    numbers = numbers_of(run)
    for name in dict.fromkeys(names):
        tracked = TrackedRun(name, run.path)
        if tracked.was_told(numbers):
            warnings.warn(
                f"{name} was told these numbers before; remove {run.path / FILE} to tell it anew",
                stacklevel=2,
            )
            continue
        try:
            tracked.open(_config(run))
            tracked.log(numbers)
            tracked.finish()
            tracked.note_told(numbers)
        except TrackerError as error:
            warnings.warn(f"{error}; the run is whole, and the same command tries again", stacklevel=2)


def _config(run: Run) -> dict[str, Any]:
    about = run.metrics["benchmark"]
    return {"programs": run.manifest["programs"], "benchmark": dict(about), **setting(run)}


def numbers_of(run: Run, front: str = "eval", profile: str | None = None) -> dict[str, float]:
    """In shares, named `<front>/<benchmark>/<metric>` under one profile; others have their names in it.

    Args:
        run: Finished.
        front: Of every name.
        profile: That goes without its name; the run's first if there is none.
    """
    found: dict[str, float] = {}
    plain = profile or run.profiles[0]
    for each in run.profiles:
        place = f"{front}/{run.benchmark}" if each == plain else f"{front}/{run.benchmark}/{each}"
        group = run.metrics["profiles"][each]["overall"]
        for result in (result for result in results(run) if result.profile == each):
            found |= {
                f"{place}/{result.metric}": result.percent / 100,
                f"{place}/{result.metric}_low": result.low / 100,
                f"{place}/{result.metric}_high": result.high / 100,
            }
        if (passed := score_in(group, "test_case_average")) is not None:
            found[f"{place}/tests_passed"] = passed["value"]
        total = max(group["samples"], 1)
        found |= {f"{place}/{status}": count / total for status, count in group["verdicts"].items()}
    return found
