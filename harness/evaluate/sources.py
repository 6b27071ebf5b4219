"""Where the programs of a run come from: `ProgramSource`, and its kind whose programs exist already.

Does not cover: reading files of programs (`harness.programs.source`), making programs with a model
(`harness.evaluate.generation`, the other kind).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from harness.models.base import Request
from harness.programs.source import Programs
from harness.run_store.records import Key, write_samples
from harness.run_store.run_folder import Existing, SampleSource
from harness.run_store.sample_files import SampleFiles
from harness.types import Benchmark


class ProgramSource(SampleSource, Protocol):
    """The programs of a run: they exist, or they are made on the way."""

    @property
    def packages(self) -> Sequence[str]:
        """Packages that the programs may depend on; their versions go into the manifest."""

    def identity(self) -> dict[str, Any]:
        """All that the programs depend on, as plain JSON values: two runs that differ in it are not mixed."""

    def missing(self, benchmark: Benchmark, keys: Sequence[Key], files: SampleFiles) -> list[Request]:
        """What to ask the model for, so that all of `keys` are there; problems in the benchmark's order."""

    def sample(self, requests: Sequence[Request], files: SampleFiles, sampled: Callable[[], None]) -> None:
        """Make what `requests` ask for; `sampled` is called after every sample, and may raise."""

    def stats(self) -> Mapping[str, Any]:
        """What the sampler measured while it was at work, for the manifest."""


@dataclass(frozen=True)
class ExistingPrograms:
    """Programs that were made elsewhere: there is nothing to sample."""

    programs: Programs
    packages: Sequence[str] = ()

    @property
    def label(self) -> str:
        """Short name for folders and reports."""
        return self.programs.label

    @cached_property
    def fingerprint(self) -> str:
        """Equal only for equal programs; computed once, since a file is read for it."""
        return self.programs.fingerprint()

    def identity(self) -> dict[str, Any]:
        """The fingerprint of the programs."""
        return {"programs": self.fingerprint}

    def describe(self) -> dict[str, Any]:
        """Nothing: how they were made is not known."""
        return {}

    def wanted(self, benchmark: Benchmark) -> list[Key] | None:
        """`None`: the samples are those that exist."""

    def write_existing(self, path: Path, benchmark: Benchmark) -> Existing:
        """Write `samples.jsonl`; raises `InputError` at the first bad program."""
        ranks = {problem.task_id: rank for rank, problem in enumerate(benchmark.problems)}
        digest = write_samples(path, self.programs.read(benchmark), ranks)
        return Existing(digest, self.programs.skipped, self.programs.notices)

    def missing(self, benchmark: Benchmark, keys: Sequence[Key], files: SampleFiles) -> list[Request]:
        """Nothing."""
        return []

    def sample(self, requests: Sequence[Request], files: SampleFiles, sampled: Callable[[], None]) -> None:
        """Do nothing."""

    def stats(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}
