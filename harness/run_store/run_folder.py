"""One run on disk: what was asked (`manifest.json`), the programs, the outcomes, and what they add up to.

Covers: one process at a time (a lock); a folder that belongs to other inputs is refused with the field that
differs; a run that was killed at any moment is recognised and continued. Does not cover: sampling and grading
(`harness.evaluate.evaluation`). The order of the writes is the promise. Programs that exist already: samples
before manifest, manifest before the first outcome, outcomes before metrics. Programs that a model makes:
manifest before the first sample, each sample before its outcome, all of them before metrics. The manifest
stores the samples' SHA-256 once they are complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, Protocol, cast

from harness.errors import InputError
from harness.files import replace_file, write_json, writing
from harness.run_store.journal import OutcomeFile
from harness.run_store.lock import locked
from harness.run_store.manifest import (
    FORMAT,
    Begun,
    Identity,
    Manifest,
    plain,
    read_record,
    refuse_other_inputs,
)
from harness.run_store.records import Key
from harness.run_store.sample_files import SampleFiles, sample_rows
from harness.types import Benchmark


@dataclass(frozen=True)
class Existing:
    """What a source said of its programs when it wrote them as `samples.jsonl`."""

    sha256: str
    """Of the file, in hex."""
    skipped: int = 0
    """Programs left out, because they belong to no selected problem."""
    notices: Sequence[str] = ()
    """What is to be known beside the numbers; one sentence each."""


class SampleSource(Protocol):
    """What a run folder needs to know of the programs that it is to hold."""

    @property
    def label(self) -> str:
        """Short name for folders and reports."""

    def wanted(self, benchmark: Benchmark) -> list[Key] | None:
        """Every sample that is to be made, in the fixed order; `None` if the samples exist already."""

    def write_existing(self, path: Path, benchmark: Benchmark) -> Existing | None:
        """Write samples that exist to `path`, in the benchmark's order; `None` if there are none yet."""

    def describe(self) -> dict[str, Any]:
        """How samples are made, for the manifest; `n` is their number for each problem."""


@dataclass
class RunFolder:
    """A locked run folder whose manifest is on disk; `open_or_resume` gives one."""

    path: Path
    manifest: Manifest
    """As on disk."""
    keys: list[Key]
    """Every sample in the fixed order."""
    samples: SampleFiles
    outcomes: OutcomeFile

    def ungraded(self) -> set[Key]:
        """Samples that are to get a verdict.

        A verdict counts only if its sample is there: after a loss of power the sample may be made again.
        """
        return {key for key in self.keys if key not in self.samples or not self.outcomes.is_graded(key)}

    def finish_samples(self, stats: Mapping[str, Any]) -> None:
        """Put samples, prompts and outcomes in the fixed order, and store the samples' checksum.

        Args:
            stats: What the sampler measured, for the manifest; plain JSON values.
        """
        self.samples.finish(self.keys)
        self.outcomes.finish(self.samples.given(self.keys))
        if "generation" in self.manifest:
            self.manifest["generation"] |= stats
            self.manifest["samples_sha256"] = _digest(self.path)
            self.write_manifest()

    def write_manifest(self) -> None:
        """Put `self.manifest` on disk."""
        write_json(self.path / "manifest.json", self.manifest)

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Put `metrics` on disk; equal metrics give equal bytes."""
        write_json(self.path / "metrics.json", metrics)

    def write_report(self, text: str) -> None:
        """Put `report.md` on disk."""
        encoded = text.encode(errors="backslashreplace")
        replace_file(self.path / "report.md", lambda stream: stream.write(encoded))


@contextmanager
def open_or_resume(
    path: Path, identity: Mapping[str, Any], source: SampleSource, benchmark: Benchmark
) -> Iterator[RunFolder]:
    """Make `path` the record of the run that `identity` describes, or continue that run, and keep it locked.

    Args:
        path: Made if it does not exist; removed again if nothing was put there.
        identity: Plain JSON values; everything that a sample and a verdict depend on.
        source: Of the programs. Those that exist are read only if they are not recorded yet; of those that
            are made there may be more than in an earlier session.
        benchmark: Whose order is the order of the records.

    Raises:
        InputError: If the folder is in use, holds another run or more samples than are asked for, or if a
            sample is bad; nothing has been graded then.
    """
    with locked(path):
        wanted = source.wanted(benchmark)
        manifest = _resumed(path, identity, sampled=wanted is not None)
        if manifest is None:
            manifest = _begun(path, identity, source, benchmark, existing=wanted is None)
        _refuse_fewer(path, manifest, source)
        # While samples are added there is no checksum: the manifest holds none then.
        if wanted is None or (manifest.get("samples_sha256") and not sample_rows(path, read=False).journals):
            _refuse_changed_samples(path, manifest)
        with (
            closing(SampleFiles(path, prompted=wanted is not None)) as samples,
            closing(_outcomes(path)) as outcomes,
        ):
            keys = list(samples.samples) if wanted is None else wanted
            run = RunFolder(path, manifest, keys, samples, outcomes)
            if any(key not in samples for key in run.keys):
                run.manifest |= {"generation": source.describe(), "samples_sha256": None}
                run.write_manifest()
            yield run


def has_samples(path: Path, n: int) -> bool:
    """Whether a run in `path` seems to have all samples of a model, `n` of each problem.

    A look at the manifest, before there is an identity to compare or a lock: what it says is no promise.
    """
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
        return manifest["samples_sha256"] is not None and manifest["generation"]["n"] >= n
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _outcomes(path: Path) -> OutcomeFile:
    with writing(path):
        return OutcomeFile(path / "outcomes.jsonl")


def _resumed(path: Path, identity: Mapping[str, Any], *, sampled: bool) -> Manifest | None:
    """The manifest, if the folder holds this run already."""
    if not (path / "manifest.json").exists():
        return None
    manifest: Manifest = read_record(path / "manifest.json", Begun, "choose another --out")
    try:
        refuse_other_inputs(path, manifest["identity"], plain(identity))
    except InputError:
        # Where a model gave nothing, nothing is lost: its error named an option, which is taken here.
        if not (sampled and _is_without_samples(path, manifest)):
            raise
        _clear(path)
        return None
    return manifest


def _is_without_samples(path: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether a run of a model was begun here and none of its samples is there."""
    begun = manifest["identity"].get("generation") is not None
    return begun and not sample_rows(path) and not OutcomeFile(path / "outcomes.jsonl")


def _clear(path: Path) -> None:
    """Remove what a run without samples left; its manifest last."""
    for stem in ("samples", "prompts", "lost", "outcomes", "metrics", "report", "manifest"):
        for each in sorted(path.glob(f"{stem}.*")):
            each.unlink()


def _begun(
    path: Path, identity: Mapping[str, Any], source: SampleSource, benchmark: Benchmark, *, existing: bool
) -> Manifest:
    """The manifest of a new run, which is on disk, and so are samples that exist already."""
    # Existing samples alone are ours: the run was killed between samples and manifest.
    _refuse_strangers(path, *(() if existing else ("samples.jsonl", "samples.journal.jsonl")))
    written = source.write_existing(path / "samples.jsonl", benchmark)
    manifest: Manifest = {
        "format": FORMAT,
        "identity": cast(Identity, plain(identity)),
        "programs": source.label,
        "skipped_samples": written.skipped if written else 0,
        "notices": list(written.notices) if written else [],
        "samples_sha256": written.sha256 if written else None,
        "data_source": benchmark.source,
        "sessions": [],
    }
    write_json(path / "manifest.json", manifest)
    return manifest


def _refuse_strangers(path: Path, *more: str) -> None:
    for name in ("outcomes.jsonl", "outcomes.journal.jsonl", "metrics.json", *more):
        if (path / name).exists():
            raise InputError(
                f"{path} holds {name} but no manifest.json, so what was graded there is unknown;"
                " choose another --out, or delete the folder"
            )


def _refuse_fewer(path: Path, manifest: Mapping[str, Any], source: SampleSource) -> None:
    before = manifest.get("generation", {}).get("n", 0)
    if before and source.describe()["n"] < before:
        raise InputError(
            f"{path} holds a run of {before} samples a problem, and {source.describe()['n']} are asked for;"
            f" pass --n {before} or more, or choose another --out"
        )


def _refuse_changed_samples(path: Path, manifest: Mapping[str, Any]) -> None:
    if _digest(path) != manifest.get("samples_sha256"):
        raise InputError(
            f"{path / 'samples.jsonl'} does not match the checksum in manifest.json (changed or lost);"
            " choose another --out, or delete the folder"
        )


def _digest(path: Path) -> str | None:
    """Hex SHA-256 of `samples.jsonl`; `None` where there is none."""
    samples = path / "samples.jsonl"
    if not samples.exists():
        return None
    with samples.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
