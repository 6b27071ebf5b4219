"""One run on disk: what was asked (`manifest.json`), the programs, the outcomes, and what they add up to.

Covers: one process at a time (a lock); a folder that belongs to other inputs is refused with the field that
differs; a run that was killed at any moment is recognised and continued. Does not cover: grading
(`harness.evaluate.evaluation`). The order of the writes is the promise. Programs from a file: samples before
manifest, manifest before the first outcome, outcomes before metrics. Programs of a model: manifest before the
first sample, each sample before its outcome, all of them before metrics. A manifest vouches for the samples
once they are complete.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.errors import InputError
from harness.evaluate.generation import SampleFiles, Sampling, sample_rows
from harness.files import replace_file, write_json, writing
from harness.programs.source import Programs
from harness.run_store.journal import OutcomeFile
from harness.run_store.records import Key, read_samples, write_samples
from harness.types import Benchmark

FORMAT = 1
"""Raised when a file of the folder changes its meaning."""


class RunFolder:
    """A locked run folder; use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = path / "samples.jsonl"
        self.metrics = path / "metrics.json"
        self.report = path / "report.md"
        self.manifest: dict[str, Any] = {}
        """As on disk, once `adopt` has returned."""
        self.keys: list[Key] = []
        """Every sample in the fixed order, once `adopt` has returned."""
        self.outcomes: OutcomeFile
        """Once `adopt` has returned."""
        self.sampled: SampleFiles
        """Once `adopt_sampling` has returned."""
        self._lock = -1
        self._created: list[Path] = []

    def __enter__(self) -> Self:
        with writing(self.path):
            missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            self._created = missing
            # The folder itself is locked: a lock file would stay behind, and would have to be explained.
            self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise InputError(
                f"{self.path} is in use by another rltf process; wait for it, or choose another --out"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for files in ("outcomes", "sampled"):
            if hasattr(self, files):
                getattr(self, files).close()
        os.close(self._lock)
        # Refused input leaves no folder behind; `rmdir` takes empty ones only.
        with suppress(OSError):
            for folder in self._created:
                folder.rmdir()

    def adopt(self, identity: Mapping[str, Any], programs: Programs, benchmark: Benchmark) -> None:
        """Make this folder the record of the run that `identity` describes, or continue that run.

        Args:
            identity: Plain JSON values; everything that a verdict depends on.
            programs: Read only if they are not recorded yet.
            benchmark: Whose order is the order of the records.

        Raises:
            InputError: If the folder holds another run, or a sample is bad; nothing has been graded then.
        """
        if not self._continues(identity):
            self._refuse_strangers()
            ranks = {problem.task_id: rank for rank, problem in enumerate(benchmark.problems)}
            digest = write_samples(self.samples, programs.read(benchmark), ranks)
            self._begin(
                identity, programs.label, programs.skipped, digest, benchmark, notices=programs.notices
            )
        self.keys = self._read_keys()
        with writing(self.path):
            self.outcomes = OutcomeFile(self.path / "outcomes.jsonl")

    def adopt_sampling(self, identity: Mapping[str, Any], sampling: Sampling, benchmark: Benchmark) -> None:
        """Make this folder the record of the run that `identity` describes, or continue that run.

        Args:
            identity: Plain JSON values; everything that a sample and a verdict depend on.
            sampling: May ask for more samples than an earlier session did.
            benchmark: Whose order is the order of the records.

        Raises:
            InputError: If the folder holds another run, or more samples than are asked for.
        """
        if not self._continues(identity, sampled=True):
            self._refuse_strangers("samples.jsonl", "samples.journal.jsonl")
            self._begin(identity, sampling.label, 0, None, benchmark)
        before = self.manifest.get("generation", {}).get("n", 0)
        if sampling.n < before:
            raise InputError(
                f"{self.path} holds a run of {before} samples a problem, and {sampling.n} are asked for;"
                f" pass --n {before} or more, or choose another --out"
            )
        with writing(self.path):
            self.sampled = SampleFiles(self.path)
            self.outcomes = OutcomeFile(self.path / "outcomes.jsonl")
        # While samples are added there is nothing to vouch for: the manifest holds no hash then.
        if self.manifest["samples_sha256"] is not None and not self.sampled.samples.journals:
            self._refuse_changed_samples()
        self.keys = sampling.keys(benchmark)
        if any(key not in self.sampled for key in self.keys):
            self.manifest |= {"generation": sampling.describe(), "samples_sha256": None}
            self.write_manifest()

    def finish_sampling(self, noticed: Mapping[str, Any]) -> None:
        """Put samples, prompts and outcomes in the fixed order, and vouch for the samples.

        Args:
            noticed: While sampling, for the manifest; plain JSON values.
        """
        self.sampled.finish(self.keys)
        self.outcomes.finish(self.sampled.given(self.keys))
        self.manifest["generation"] |= noticed
        self.manifest["samples_sha256"] = self._samples_digest()
        self.write_manifest()

    def _continues(self, identity: Mapping[str, Any], *, sampled: bool = False) -> bool:
        """Whether the folder holds this run already; its manifest is read then."""
        path = self.path / "manifest.json"
        if not path.exists():
            return False
        self.manifest = _load(path)
        try:
            refuse_other_inputs(self.path, self.manifest.get("identity", {}), _plain(identity))
        except InputError:
            # Where a model gave nothing, nothing is lost: its error named an option, which is taken here.
            if not (sampled and self._is_without_samples()):
                raise
            self._clear()
            return False
        return True

    def _is_without_samples(self) -> bool:
        """Whether a run of a model was begun here and none of its samples is there."""
        begun = self.manifest.get("identity", {}).get("generation") is not None
        return begun and not sample_rows(self.path) and not OutcomeFile(self.path / "outcomes.jsonl")

    def _clear(self) -> None:
        """Remove what a run without samples left; its manifest last."""
        for stem in ("samples", "prompts", "lost", "outcomes", "metrics", "report", "manifest"):
            for path in sorted(self.path.glob(f"{stem}.*")):
                path.unlink()

    def _begin(
        self,
        identity: Mapping[str, Any],
        label: str,
        skipped: int,
        digest: str | None,
        benchmark: Benchmark,
        *,
        notices: Sequence[str] = (),
    ) -> None:
        self.manifest = {
            "format": FORMAT,
            "identity": _plain(identity),
            "programs": label,
            "skipped_samples": skipped,
            "notices": list(notices),
            "samples_sha256": digest,
            "data_source": benchmark.source,
            "sessions": [],
        }
        self.write_manifest()

    def write_manifest(self) -> None:
        """Put `self.manifest` on disk."""
        write_json(self.path / "manifest.json", self.manifest)

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Put `metrics` on disk; equal metrics give equal bytes."""
        write_json(self.metrics, metrics)

    def write_report(self, text: str) -> None:
        """Put the report on disk."""
        replace_file(self.report, lambda stream: stream.write(text.encode(errors="backslashreplace")))

    def pending(self) -> list[Key]:
        """Samples without a verdict, in the fixed order."""
        return [key for key in self.keys if not self.outcomes.is_graded(key)]

    def _refuse_strangers(self, *more: str) -> None:
        # Samples of a file alone are ours: the run was killed between samples and manifest.
        for name in ("outcomes.jsonl", "outcomes.journal.jsonl", "metrics.json", *more):
            if (self.path / name).exists():
                raise InputError(
                    f"{self.path} holds {name} but no manifest.json, so what was graded there is unknown;"
                    " choose another --out, or delete the folder"
                )

    def _read_keys(self) -> list[Key]:
        self._refuse_changed_samples()
        return [sample.key for sample in read_samples(self.samples)]

    def _refuse_changed_samples(self) -> None:
        digest = self._samples_digest()
        if digest != self.manifest.get("samples_sha256"):
            raise InputError(
                f"{self.samples} is not the file that manifest.json vouches for (changed or lost);"
                " choose another --out, or delete the folder"
            )

    def _samples_digest(self) -> str | None:
        """Hex SHA-256 of `samples.jsonl`; `None` where there is none."""
        if not self.samples.exists():
            return None
        with self.samples.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON would give it back, so that a fresh identity compares equal to one that was read."""
    plain: dict[str, Any] = json.loads(json.dumps(value))
    return plain


def _load(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
        if manifest["format"] == FORMAT:
            return dict(manifest)
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path} is not a manifest of ours; choose another --out") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; choose another --out") from None
    raise InputError(
        f"{path} has format {manifest['format']}, this version writes {FORMAT}; choose another --out"
    )


def refuse_other_inputs(folder: Path, recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Hold what a run was asked for against what is asked now.

    Raises:
        InputError: If they differ; names the first field that does.
    """
    before, now = _flat(recorded), _flat(asked)
    for name in [*now, *before]:
        if before.get(name) != now.get(name):
            raise InputError(
                f"{folder} holds a run with other inputs: {name} was {before.get(name, 'not set')},"
                f" now it is {now.get(name, 'not set')}; choose another --out"
            )


def _flat(value: Mapping[str, Any], front: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        flat |= _flat(item, f"{front}{name}.") if isinstance(item, Mapping) else {front + name: item}
    return flat
