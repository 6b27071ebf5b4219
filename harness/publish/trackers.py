"""Logging an evaluation's numbers with wandb or trackio, as training does by transformers' `report_to`.

Covers: one entry a run, once its numbers are on disk; what fails there is a warning, since nothing is lost.
Does not cover: the course of an evaluation, which has none.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from harness.errors import InputError
from harness.publish.results import results, setting
from harness.run_store.finished_run import Run
from harness.run_store.metrics_file import score_in
from harness.text import one_line

_PROJECT = "rltf"


def check_trackers(names: Sequence[str]) -> None:
    """Find out before hours of work that a package is missing.

    Raises:
        InputError: If one is.
    """
    for name in names:
        if find_spec(name) is None:
            raise InputError(f"--report-to {name}: {name} is missing; pip install {name}, or leave it out")


def track(run: Run, names: Sequence[str]) -> None:
    """Log a finished run with packages that have `init`, `log` and `finish`.

    The project is that of the tracker's own variable (`WANDB_PROJECT`, `TRACKIO_PROJECT`), or `rltf`.
    """
    for name in names:
        try:
            tracker = import_module(name)
            project = os.environ.get(f"{name.upper()}_PROJECT") or _PROJECT
            tracker.init(project=project, name=run.path.resolve().name, config=_config(run))
            tracker.log(_numbers(run))
            tracker.finish()
        except Exception as error:  # whatever a service answers, the run is whole
            warnings.warn(f"{name} was not told: {one_line(str(error))}; the run is whole", stacklevel=2)


def _config(run: Run) -> dict[str, Any]:
    about = run.metrics["benchmark"]
    return {"programs": run.manifest["programs"], "benchmark": dict(about), **setting(run)}


def _numbers(run: Run) -> dict[str, float]:
    """In shares, named `eval/<benchmark>/<metric>` under the first profile, as training names them."""
    found: dict[str, float] = {}
    for profile in run.profiles:
        front = f"eval/{run.benchmark}" if profile == run.profiles[0] else f"eval/{run.benchmark}/{profile}"
        group = run.metrics["profiles"][profile]["overall"]
        for each in (each for each in results(run) if each.profile == profile):
            found |= {
                f"{front}/{each.metric}": each.percent / 100,
                f"{front}/{each.metric}_low": each.low / 100,
                f"{front}/{each.metric}_high": each.high / 100,
            }
        if (passed := score_in(group, "test_case_average")) is not None:
            found[f"{front}/tests_passed"] = passed["value"]
        total = max(group["samples"], 1)
        found |= {f"{front}/{status}": count / total for status, count in group["verdicts"].items()}
    return found
