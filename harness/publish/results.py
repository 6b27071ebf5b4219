"""What a finished run says of a model, as plain facts that every format is written from.

Covers: runs that may be published (finished, nothing lost, a model's own programs), pass@k in per cent, the
data set that a benchmark is on the Hub. Does not cover: writing a format (`harness.publish.hub_cards`,
`harness.publish.emit`), sending (`harness.publish.hub`).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from harness.errors import InputError
from harness.metrics.lost_samples import is_incomplete
from harness.run_store.finished_run import Run, generation
from harness.run_store.journal import RowFile
from harness.run_store.records import Key

_DECODING = ("temperature", "top_p", "top_k", "max_new_tokens", "greedy", "seed")


@dataclass(frozen=True)
class HubDataset:
    """A benchmark's data set on the Hub."""

    id: str
    config: str
    name: str
    """For people."""


@dataclass(frozen=True)
class Result:
    """One number."""

    profile: str
    metric: str
    """`pass@1`."""
    percent: float
    low: float
    high: float

    @property
    def interval(self) -> str:
        """For people."""
        return f"95 % interval {self.low:.2f} to {self.high:.2f}"


def publishable(run: Run) -> Run:
    """The run, if its numbers and samples may go out.

    Raises:
        InputError: If it has not ended, something is missing from its numbers, or its programs are the
            benchmark's own solutions, which are rows of the benchmark.
    """
    journals = [
        RowFile(run.path / f"{stem}.jsonl", _no_key, read=False).journals for stem in ("samples", "outcomes")
    ]
    if run.manifest.get("samples_sha256") is None or any(journals):
        raise InputError(f"{run.path} has not ended; run its command again to finish")
    failed = run.metrics["counts"]["infrastructure_errors"]
    if failed or is_incomplete(dict(run.metrics)):
        raise InputError(f"{run.path} lacks samples or verdicts; run its command again to get the rest")
    if run.manifest["identity"]["programs"].startswith("reference"):
        raise InputError(f"{run.path} holds the benchmark's own solutions, which are not ours to publish")
    return run


def results(run: Run) -> list[Result]:
    """pass@k under each profile, `strict` first, smallest k first; those that are undefined are left out."""
    found = []
    for profile in run.profiles:
        for k in run.metrics["k"]:
            score = run.score(profile, "all", f"pass@{k}")
            if score is not None:
                percents = (round(100 * score[part], 2) for part in ("value", "low", "high"))
                found.append(Result(profile, f"pass@{k}", *percents))
    return found


def hub_dataset(benchmark: str) -> HubDataset | None:
    """The data set that a benchmark is on the Hub; `None` for one that is not known to be there."""
    return _datasets().get(benchmark)


def setting(run: Run) -> dict[str, Any]:
    """How the programs were sampled, where the run records it: names and plain values."""
    made = generation(run.manifest)
    decoding = made.get("decoding") if isinstance(made.get("decoding"), Mapping) else made
    found: dict[str, Any] = {"n": run.samples_per_problem}
    found |= {name: decoding[name] for name in _DECODING if decoding and decoding.get(name) is not None}
    return found | {"problems": run.metrics["counts"]["scored_problems"]}


def ended(run: Run) -> str | None:
    """When the last session began, as ISO 8601 has it."""
    return run.manifest["sessions"][-1].get("started") if run.manifest["sessions"] else None


@cache
def _datasets() -> Mapping[str, HubDataset]:
    text = files("harness.publish").joinpath("hub_datasets.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["benchmark"]: HubDataset(row["dataset"], row["config"], row["name"]) for row in rows}


def _no_key(row: Mapping[str, Any]) -> Key:
    return row["task_id"], ""
