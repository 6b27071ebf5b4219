"""Finished run folders, as the reports read them.

Covers: the manifest and metrics of a run, the name it goes by, and whose numbers it claims to repeat.
Does not cover: unfinished runs, which are refused with the way to finish them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.run_store.records import outcome_from_row
from harness.types import Outcome

_FORMAT = 1
"""Of manifest.json and metrics.json."""


@dataclass(frozen=True)
class Run:
    """One finished run."""

    path: Path
    name: str
    """For people: what stands before `=` on the command line, else the folder's own name."""
    claim: str | None
    """`RLTF` or `RLTF/CodeT5`: the published system whose numbers the run repeats, if its owner says so."""
    manifest: Mapping[str, Any]
    metrics: Mapping[str, Any]

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""
        return str(self.metrics["benchmark"]["name"])

    @property
    def profiles(self) -> list[str]:
        """Comparison profiles, `strict` first."""
        return list(self.metrics["profiles"])

    @property
    def samples_per_problem(self) -> int:
        """Mean over scored problems that have samples, rounded down."""
        counts = self.metrics["counts"]
        return int(counts["samples"] // max(counts["scored_problems"] - counts["missing_problems"], 1))

    def group(self, profile: str, subset: str) -> Mapping[str, Any] | None:
        """Metrics of a difficulty or of `all`; `None` where the run has no such problems."""
        content = self.metrics["profiles"].get(profile)
        if content is None:
            return None
        found: Mapping[str, Any] | None = (
            content["overall"] if subset == "all" else content["difficulties"].get(subset)
        )
        return found

    def score(self, profile: str, subset: str, metric: str) -> Mapping[str, Any] | None:
        """`{value, low, high, problems}` in shares; `None` where it was not computed or is undefined."""
        group = self.group(profile, subset)
        found: Mapping[str, Any] | None = group.get(metric) if group else None
        return found

    def outcomes(self) -> Iterator[Outcome]:
        """One at a time, in the fixed order.

        Raises:
            InputError: If outcomes.jsonl is lost or damaged.
        """
        for line in self.lines("outcomes.jsonl"):
            yield self.outcome(line)

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file of the folder.

        Raises:
            InputError: If it is lost.
        """
        path = self.path / name
        try:
            with path.open("rb") as stream:
                yield from stream
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror}; run the run's command again"
            ) from None

    def outcome(self, line: bytes) -> Outcome:
        """The outcome in a line of outcomes.jsonl.

        Raises:
            InputError: If it is damaged.
        """
        try:
            return outcome_from_row(json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self.damaged("outcomes.jsonl") from None

    def damaged(self, name: str) -> InputError:
        """The error to raise where a file of the folder does not hold what it should."""
        return InputError(f"{self.path / name} is damaged; delete the run folder and grade again")


def generation(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the programs were sampled, where the manifest says so (`rltf score` cannot know)."""
    for place in (manifest, manifest["identity"]):
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
        InputError: If it has not ended, or was written by another version.
    """
    manifest, metrics = _read(path / "manifest.json"), _read(path / "metrics.json")
    # metrics.json is sorted by key; people read `strict` first.
    profiles = sorted(metrics["profiles"].items(), key=lambda item: (item[0] != "strict", item[0]))
    return Run(path, name or path.resolve().name, name, manifest, {**metrics, "profiles": dict(profiles)})


def _split(text: str) -> tuple[str | None, Path]:
    name, equals, path = text.partition("=")
    # A folder may have "=" in its name, as tools that name runs by their settings do.
    return (None, Path(text)) if not equals or Path(text).exists() else (name.strip(), Path(path))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{path} is missing: the run has not ended (or it is no run); run its command again to finish it"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); run the run's command again") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise InputError(f"{path} is not of format {_FORMAT}, which is the one this version reads")
    return content
