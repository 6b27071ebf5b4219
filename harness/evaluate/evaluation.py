"""Grade programs on a benchmark: the main path of the harness, from top to bottom.

A run's programs come from a source: a file, whose samples exist already, or a model, which makes them. Its
steps are the same for both: open the run folder, sample what is missing, grade the samples as they appear,
summarise, report. Each step leaves its file in the folder. Any process may be killed between any two bytes:
the same call continues where it stood, makes and grades nothing twice, and ends with the same `samples.jsonl`
and `metrics.json`. So does a call that asks a model for more samples, as far as its samples are a function of
their number. Does not cover: loading benchmarks and models, or running programs (the runner is an argument).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.evaluate.coverage import CoverageRules, cover
from harness.evaluate.generation import GenerationPlan
from harness.evaluate.grader import Grader
from harness.evaluate.grading_thread import BesideSampling
from harness.evaluate.results import metrics_of, read_results, write_reports
from harness.evaluate.sources import ExistingPrograms, ProgramSource
from harness.models.distributed import Processes
from harness.programs.source import Programs
from harness.report.progress import Progress, Silent
from harness.run_store import environment
from harness.run_store.manifest import Session
from harness.run_store.run_folder import RunFolder, open_or_resume
from harness.run_store.sample_files import SampleFiles, sample_rows
from harness.types import Benchmark, Limits

__all__ = ["ALONE", "Grader", "Plan", "evaluate", "identity_of"]

ALONE = Processes()


@dataclass(frozen=True)
class Plan:
    """Everything that a run's numbers depend on."""

    benchmark: Benchmark
    programs: Programs | GenerationPlan
    """Programs that exist, or how a model is to make them."""
    limits: Limits
    profiles: Mapping[str, str]
    """Comparison profiles by name, with their versions."""
    grader: Mapping[str, str] = field(default_factory=dict)
    """Versions of the grader and of what programs may import: two are not mixed in one folder."""
    ks: Sequence[int] | None = None
    """For pass@k; `None` takes those of `DEFAULT_KS` that every problem's samples allow."""
    seed: int = 0
    """Of the bootstrap."""
    allow_missing: bool = False
    """Count problems without samples as failed instead of refusing the file."""
    ignore_missing: bool = False
    """Leave problems without samples out of every number."""
    command: str = ""
    """For manifest and report."""
    page: bool = True
    """Write `report.html`, which holds programs and may have 16 MiB; `report.md` is written anyway."""

    @cached_property
    def source(self) -> ProgramSource:
        """Where the programs come from."""
        if isinstance(self.programs, GenerationPlan):
            return self.programs
        return ExistingPrograms(self.programs)


def evaluate(
    plan: Plan,
    folder: Path,
    start_runner: Callable[[], AbstractContextManager[Grader]],
    progress: Progress | None = None,
    *,
    processes: Processes = ALONE,
) -> dict[str, Any]:
    """Sample and grade in `folder`, or continue, and return the content of `metrics.json`.

    Args:
        plan: What to sample, or which programs exist, and how to grade them.
        folder: Made if it does not exist; shared by all processes.
        start_runner: Called in a thread once the programs or the model are found good, and only if a sample
            has no verdict yet. To use a runner that is running already, pass `lambda: nullcontext(runner)`.
        progress: Told of every sample and every outcome, from two threads.
        processes: Those that share the sampling; the main one grades. The others get an empty dict.

    Raises:
        InputError: If a program, `k`, the model or the folder is not what it should be; what was sampled and
            graded is kept.
    """
    if not processes.leads:
        _help_sampling(plan, folder, processes)
        return {}
    with ExitStack() as stack:
        with processes.main_process_first():
            opened = open_or_resume(folder, identity_of(plan), plan.source, plan.benchmark)
            run = stack.enter_context(opened)
            coverage = cover(plan.benchmark, run.keys, _coverage_rules(plan))
        stats = _sample_and_grade(plan, run, start_runner, progress or Silent(), processes)
        run.finish_samples(stats)
        results = read_results(run, plan.benchmark, list(plan.profiles), coverage, page=plan.page)
        metrics = metrics_of(run, plan.benchmark, results, coverage, seed=plan.seed)
        run.write_metrics(metrics)
        run.manifest["measured"] = results.costs.measured()
        run.manifest |= {"command": plan.command, "k": coverage.ks, "seed": plan.seed}
        run.write_manifest()
        write_reports(run, plan.benchmark, results, metrics)
    return metrics


def identity_of(plan: Plan) -> dict[str, Any]:
    """What must be the same for two runs to share a folder: all that a sample or a verdict depends on."""
    benchmark = plan.benchmark
    selection = "\n".join(problem.task_id for problem in benchmark.problems)
    programs = plan.source.identity()
    return {
        "programs": programs["programs"],
        "benchmark": {
            "name": benchmark.name,
            "split": benchmark.split,
            "version": benchmark.version,
            "dataset_hash": benchmark.dataset_hash,
            "problems": len(benchmark),
            "selection_sha256": sha256(selection.encode()).hexdigest(),
        },
        "limits": asdict(plan.limits),
        "profiles": dict(plan.profiles),
        "grader": dict(plan.grader),
        "python": environment.versions()["python"],
        **programs,
    }


def _coverage_rules(plan: Plan) -> CoverageRules:
    return CoverageRules(plan.source.label, plan.ks, plan.allow_missing, plan.ignore_missing)


def _sample_and_grade(
    plan: Plan,
    run: RunFolder,
    start_runner: Callable[[], AbstractContextManager[Grader]],
    progress: Progress,
    processes: Processes,
) -> Mapping[str, Any]:
    """Make the samples that are missing and give every sample a verdict; returns the sampler's stats."""
    source, ungraded = plan.source, run.ungraded()
    requests = source.missing(plan.benchmark, run.keys, run.samples)
    processes.barrier()  # nobody writes before everybody has read what is there
    own = requests[:: processes.count]
    progress.start_sampling(sum(len(request.sample_ids) for request in own), processes.count)
    progress.start(len(run.keys), len(run.keys) - len(ungraded))
    grading = BesideSampling(
        start_runner,
        sample_rows(run.path, read=False),
        run.outcomes,
        plan.benchmark,
        wanted=ungraded,
        noted=_SessionNote(plan, run),
        progress=progress,
    )

    def sampled() -> None:
        progress.sampled()
        grading.check()

    try:
        with grading if ungraded else nullcontext():
            source.sample(own, run.samples, sampled)
            processes.barrier()
        if processes.count > 1:
            run.samples.scan()
    finally:
        progress.stop()
    return source.stats() if own else {}


def _help_sampling(plan: Plan, folder: Path, processes: Processes) -> None:
    """Be one of the processes that only sample."""
    processes.wait_for_main()
    source = plan.source
    files = SampleFiles(folder, processes.index)
    try:
        keys = source.wanted(plan.benchmark) or []
        requests = source.missing(plan.benchmark, keys, files)
        processes.barrier()
        source.sample(requests[processes.index :: processes.count], files, lambda: None)
    finally:
        files.close()
    processes.barrier()


class _SessionNote:
    """Says in the manifest who grades: a run may go on after a kill, even on another machine."""

    def __init__(self, plan: Plan, run: RunFolder) -> None:
        self._plan, self._run = plan, run
        self._session: Session | None = None

    def __call__(self, runner: Grader) -> None:
        """Add the session when it begins; renew what it says of the runner later."""
        described = dict(runner.describe())
        if self._session is None:
            self._session = {
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "command": self._plan.command,
                "runner": described,
                "versions": environment.versions(*self._plan.source.packages),
                "commit": environment.commit(),
                "hardware": environment.hardware(),
            }
            self._run.manifest["sessions"] = [*self._run.manifest["sessions"], self._session]
        elif self._session["runner"] == described:
            return
        self._session["runner"] = described
        self._run.write_manifest()
