"""Finished run folders, as the reports read them.

Covers: the manifest and metrics of a run, the name it goes by, and whose numbers it claims to repeat.
Does not cover: unfinished runs, which are refused with the way to finish them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from harness.errors import InputError
from harness.run_store.manifest import Manifest, read_record
from harness.run_store.metrics_file import GroupMetrics, Metrics, Score, read_metrics, score_in
from harness.run_store.rows import outcomes_of, verdicts_of
from harness.types import Outcome

_ADVICE = "run the run's command again"


@dataclass(frozen=True)
class Run:
    """One finished run."""

    path: Path
    name: str
    """For people: what stands before `=` on the command line, else the folder's own name."""
    claim: str | None
    """`RLTF` or `RLTF/CodeT5`: the published system whose numbers the run repeats, if its owner says so."""
    manifest: Manifest
    metrics: Metrics

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""
        return self.metrics["benchmark"]["name"]

    @property
    def profiles(self) -> list[str]:
        """Comparison profiles, `strict` first."""
        return list(self.metrics["profiles"])

    @property
    def samples_per_problem(self) -> int:
        """Mean over scored problems that have samples, rounded down."""
        counts = self.metrics["counts"]
        return counts["samples"] // max(counts["scored_problems"] - counts["missing_problems"], 1)

    def group(self, profile: str, subset: str) -> GroupMetrics | None:
        """Metrics of a difficulty or of `all`; `None` where the run has no such problems."""
        content = self.metrics["profiles"].get(profile)
        if content is None:
            return None
        return content["overall"] if subset == "all" else content["difficulties"].get(subset)

    def score(self, profile: str, subset: str, metric: str) -> Score | None:
        """In shares; `None` where it was not computed or is undefined."""
        group = self.group(profile, subset)
        return score_in(group, metric) if group else None

    def outcomes(self) -> Iterator[Outcome]:
        """One at a time, in the fixed order.

        Raises:
            InputError: If outcomes.jsonl is lost or damaged.
        """
        return outcomes_of(self.path)

    def verdicts(self) -> Iterator[Outcome]:
        """As `outcomes`, with the first of their tests at most: sooner, and all that verdicts need.

        Raises:
            InputError: If outcomes.jsonl is lost or damaged.
        """
        return verdicts_of(self.path)


def generation(manifest: Manifest) -> Mapping[str, Any]:
    """How the programs were sampled, where the manifest says so (`rltf score` cannot know)."""
    places: tuple[Mapping[str, Any], ...] = (manifest, manifest["identity"])
    for place in places:
        for name in ("generation", "decoding"):
            if isinstance(place.get(name), dict):
                return dict(place[name])
    return {}


def load_run(text: str) -> Run:
    """The run that `text` names: a folder, or `NAME=FOLDER`.

    Raises:
        InputError: If there is no finished run of ours.
    """
    name, path = _split(text)
    if not path.is_dir():
        raise InputError(f"{path} is no run folder; name the folder that rltf score wrote")
    return read_run(path, name)


def read_run(path: Path, name: str | None = None) -> Run:
    """The run in a folder.

    Raises:
        InputError: If it has not ended, or a file is of another version or no such file; names the field.
    """
    for file in (path / "manifest.json", path / "metrics.json"):
        if not file.exists():
            raise InputError(
                f"{file} is missing: the run has not ended (or it is no run); run its command again to finish"
            )
    manifest: Manifest = read_record(path / "manifest.json", Manifest, _ADVICE)
    metrics = read_metrics(path / "metrics.json", _ADVICE)
    # metrics.json is sorted by key; people read `strict` first.
    profiles = {each: metrics["profiles"][each] for each in profiles_in_order(metrics["profiles"])}
    ordered = cast(Metrics, {**metrics, "profiles": profiles})
    return Run(path, name or path.resolve().name, name, manifest, ordered)


def profiles_in_order(names: Iterable[str]) -> list[str]:
    """Comparison profiles as people read them: `strict` first."""
    return sorted(names, key=lambda name: (name != "strict", name))


def _split(text: str) -> tuple[str | None, Path]:
    name, equals, path = text.partition("=")
    # A folder may have "=" in its name, as tools that name runs by their settings do.
    return (None, Path(text)) if not equals or Path(text).exists() else (name.strip(), Path(path))
