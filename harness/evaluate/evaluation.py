"""Grade programs on a benchmark: the main path of the harness, from top to bottom.

Read, grade, summarise, report; each step is a function below and leaves its file in the run folder. The
process may be killed between any two bytes: the same call continues where it stood and ends with the same
`samples.jsonl` and `metrics.json`. Does not cover: programs that a model makes on the way
(`harness.evaluate.model_evaluation`, which shares the steps), loading benchmarks, or running programs (the
runner is an argument).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from harness.errors import InputError
from harness.metrics.completions import recorded
from harness.metrics.lost_samples import count_lost
from harness.metrics.summary import Summary
from harness.programs.source import Programs
from harness.report.markdown import markdown
from harness.report.progress import Progress, Silent
from harness.report.run_page import write_page
from harness.report.warnings import count_unusable
from harness.run_store import environment
from harness.run_store.records import Key, read_outcomes, read_samples
from harness.run_store.run_folder import RunFolder
from harness.types import Benchmark, Job, Limits, Outcome

DEFAULT_KS = (1, 5, 10, 100)


class Grader(Protocol):
    """What evaluation needs of `harness.runner.Runner`."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Outcomes in any order, one for each job; jobs are taken as needed."""

    def describe(self) -> Mapping[str, Any]:
        """Layers of isolation and versions, as plain JSON values."""


class Source(Protocol):
    """Where programs come from."""

    @property
    def label(self) -> str:
        """Short name for folders and reports."""

    def fingerprint(self) -> str:
        """Equal only for equal programs; what a resumed run must match."""


SourceT_co = TypeVar("SourceT_co", bound=Source, covariant=True)


@dataclass(frozen=True)
class Plan(Generic[SourceT_co]):
    """Everything that a run's numbers depend on."""

    benchmark: Benchmark
    programs: SourceT_co
    limits: Limits
    profiles: Mapping[str, str]
    """Comparison profiles by name, with their versions."""
    grader: Mapping[str, str] = field(default_factory=dict)
    """Versions of the grader and of what programs may import: two are not mixed in one folder."""
    ks: Sequence[int] | None = None
    """Budgets for pass@k; `None` takes those of `DEFAULT_KS` that every problem's samples allow."""
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


def evaluate(
    plan: Plan[Programs],
    folder: Path,
    start_runner: Callable[[], AbstractContextManager[Grader]],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Grade `plan.programs` in `folder`, or continue, and return the content of `metrics.json`.

    Args:
        plan: What to grade.
        folder: Made if it does not exist.
        start_runner: Called once all programs have been read and found good, and only if one of them has no
            verdict yet. To use a runner that is running already, pass `lambda: nullcontext(runner)`.
        progress: Told of every outcome.

    Raises:
        InputError: If a program, `k` or the folder is not what it should be; what was graded is kept.
    """
    with RunFolder(folder) as run:
        run.adopt(identity_of(plan), plan.programs, plan.benchmark)
        coverage = cover(plan, run.keys)
        _grade(plan, run, start_runner, progress or Silent())
        run.outcomes.finish(run.keys)
        metrics = summarise(plan, run, coverage)
        write_report(plan, run, metrics)
    return metrics


def identity_of(plan: Plan[Source]) -> dict[str, Any]:
    """What must be the same for two runs to share a folder: everything that a verdict depends on."""
    benchmark = plan.benchmark
    selection = "\n".join(problem.task_id for problem in benchmark.problems)
    return {
        "programs": plan.programs.fingerprint(),
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
    }


@dataclass(frozen=True)
class Coverage:
    """Which problems the samples cover, and the budgets that they allow."""

    ks: list[int]
    missing: list[str]
    """To count as failed."""
    unscorable: list[str]
    """Without samples and without tests."""
    left_out: int


def cover(plan: Plan[Source], keys: Sequence[Key]) -> Coverage:
    """Hold the samples against the problems, before anything is run.

    Raises:
        InputError: If problems have no samples and the plan does not say what to do then, or some `k` is
            larger than the number of samples of a problem.
    """
    counts = Counter(task_id for task_id, _ in keys)
    absent = [problem for problem in plan.benchmark.problems if not counts[problem.task_id]]
    if plan.ignore_missing:
        return Coverage(_budgets(plan, counts), [], [], len(absent))
    # Only the absent: finding out whether a problem has tests means unpacking them.
    missing = [problem.task_id for problem in absent if problem.suite.count]
    unscorable = [problem.task_id for problem in absent if not problem.suite.count]
    if missing and not plan.allow_missing:
        raise InputError(
            f"{len(missing)} of {len(plan.benchmark)} problems have no program ({_some(missing)}); pass"
            " --allow-missing to count them as failed, --covered-only to leave them out, or select with --ids"
        )
    return Coverage(_budgets(plan, counts), missing, unscorable, 0)


def _budgets(plan: Plan[Source], counts: Counter[str]) -> list[int]:
    if not counts:
        raise InputError(f"nothing to grade: {plan.programs.label} has no program for {plan.benchmark.name}")
    fewest = min(counts.values())
    if plan.ks is None:
        return [k for k in DEFAULT_KS if k <= fewest]
    ks = sorted(set(plan.ks))
    if fewest < ks[-1]:
        for problem in plan.benchmark.problems:
            n = counts[problem.task_id]
            if 0 < n < ks[-1] and problem.suite.count:
                raise InputError(
                    f"pass@{ks[-1]} needs {ks[-1]} samples of every problem, but {problem.task_id} has {n};"
                    f" pass --k with numbers up to {fewest}"
                )
    return ks


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _grade(
    plan: Plan[Programs],
    run: RunFolder,
    start_runner: Callable[[], AbstractContextManager[Grader]],
    progress: Progress,
) -> None:
    """Give every sample without a verdict to the runner, and record each outcome as it comes."""
    pending = set(run.pending())
    progress.start(len(run.keys), len(run.keys) - len(pending))
    try:
        if pending:
            with start_runner() as runner:
                note_session(plan, run, runner)
                for outcome in runner.run(_jobs(plan.benchmark, run, pending)):
                    run.outcomes.append(outcome)
                    progress.update(outcome)
    finally:
        progress.stop()


def _jobs(benchmark: Benchmark, run: RunFolder, pending: Set[Key]) -> Iterator[Job]:
    problems = benchmark.by_id()
    for sample in read_samples(run.samples):
        if sample.key in pending:
            yield Job(sample.task_id, sample.sample_id, sample.code, problems[sample.task_id])


def note_session(plan: Plan[Source], run: RunFolder, runner: Grader, *packages: str) -> None:
    """Add to the manifest who grades from here on: a run may go on after a kill, even on another machine.

    `packages` are those whose versions matter besides the grader's own.
    """
    session = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": plan.command,
        "runner": dict(runner.describe()),
        **environment.describe(),
        "versions": environment.versions(*packages),
    }
    run.manifest["sessions"] = [*run.manifest["sessions"], session]
    run.write_manifest()


def summarise(
    plan: Plan[Source], run: RunFolder, coverage: Coverage, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Add up the outcomes on disk, not those in memory: a resumed run and a straight one read the same.

    Args:
        plan: What was asked.
        run: Its outcomes are finished.
        coverage: Of the problems by samples.
        more: Goes into `metrics.json` as it is.
    """
    summary = Summary(
        plan.benchmark, list(plan.profiles), missing=coverage.missing, unscorable=coverage.unscorable
    )
    for outcome in read_outcomes(run.outcomes.final):
        summary.add(outcome)
    metrics = summary.metrics(
        coverage.ks,
        seed=plan.seed,
        left_out=coverage.left_out,
        skipped=run.manifest["skipped_samples"],
    ) | dict(more or {})
    metrics |= count_lost(run.path, summary, coverage.ks, plan.seed)
    # What was noticed when the programs were read: a run that goes on does not read them again.
    if notices := [*run.manifest.get("notices", []), *plan.benchmark.notes]:
        metrics["notices"] = notices
    with run.samples.open("rb") as lines:
        metrics["programs"] = count_unusable(lines, plan.benchmark)
    with run.samples.open("rb") as lines:
        if answers := recorded(lines):
            metrics["answers"] = answers
    run.write_metrics(metrics)
    return metrics


def write_report(plan: Plan[Source], run: RunFolder, metrics: Mapping[str, Any]) -> None:
    """Complete the manifest and write `report.md` and `report.html`."""
    run.manifest |= {"command": plan.command, "k": metrics["k"], "seed": plan.seed}
    run.write_manifest()
    outcomes = read_outcomes(run.outcomes.final)
    run.write_report(markdown(metrics, run.manifest, plan.benchmark, outcomes))
    if plan.page:
        write_page(run.path, plan.benchmark)
