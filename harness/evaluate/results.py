"""What a graded run adds up to: one pass over its samples and outcomes feeds every number, table and page.

The files are read, not memory: a resumed run and a straight one read the same. Covers: `metrics.json`,
`report.md` and `report.html`. Does not cover: what each of the readers makes of a sample (`harness.metrics`,
`harness.report`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from harness.evaluate.coverage import Coverage
from harness.metrics.completions import CompletionCounts
from harness.metrics.costs import Costs
from harness.metrics.lost_samples import count_lost
from harness.metrics.summary import Summary
from harness.metrics.unusable import UnusableCounts
from harness.report.browser import RunPrograms
from harness.report.markdown import Notable, markdown
from harness.report.run_page import write_page
from harness.run_store.finished_run import profiles_in_order
from harness.run_store.metrics_file import Metrics
from harness.run_store.rows import graded_samples, prompts_of
from harness.run_store.run_folder import RunFolder
from harness.types import Benchmark, Outcome


@dataclass
class Results:
    """The readers of a run's samples and outcomes."""

    summary: Summary
    completions: CompletionCounts
    unusable: UnusableCounts
    costs: Costs
    notable: Notable
    programs: RunPrograms | None
    """For the page; `None` if there is to be none."""


def read_results(
    run: RunFolder, benchmark: Benchmark, profiles: Sequence[str], coverage: Coverage, *, page: bool
) -> Results:
    """Read the samples and outcomes of a run whose files are complete, each once."""
    results = Results(
        Summary(benchmark, profiles, missing=coverage.missing, unscorable=coverage.unscorable),
        CompletionCounts(),
        UnusableCounts(benchmark),
        Costs(benchmark),
        Notable(benchmark, profiles),
        RunPrograms(run.path, profiles_in_order(profiles), benchmark) if page else None,
    )
    for sample, outcome_of in graded_samples(run.path):
        outcome = outcome_of()
        for reader in (results.summary, results.costs, results.notable):
            reader.add(outcome)
        results.completions.add(sample)
        results.unusable.add(sample)
        if results.programs is not None:
            results.programs.add(sample, partial(_same, outcome))
    return results


def _same(outcome: Outcome) -> Outcome:
    return outcome


def metrics_of(
    run: RunFolder, benchmark: Benchmark, results: Results, coverage: Coverage, *, seed: int
) -> dict[str, Any]:
    """The content of `metrics.json`."""
    metrics = results.summary.metrics(
        coverage.ks,
        seed=seed,
        left_out=coverage.left_out,
        skipped=run.manifest.get("skipped_samples", 0),
    )
    if "generation" in run.manifest:
        shortened = [bool(row["shortened"]) for row in prompts_of(run.path)]
        metrics["prompts"] = {"shortened": sum(shortened), "of": len(shortened)}
    metrics |= count_lost(run.path, results.summary, coverage.ks, seed)
    # From the manifest: a run that goes on does not read the programs' file again.
    if notices := [*run.manifest.get("notices", []), *benchmark.notes]:
        metrics["notices"] = notices
    metrics["programs"] = results.unusable.metrics()
    if completions := results.completions.metrics():
        metrics["answers"] = completions
    return metrics


def write_reports(run: RunFolder, benchmark: Benchmark, results: Results, metrics: Mapping[str, Any]) -> None:
    """Write `report.md` and, if it was asked for, `report.html`."""
    run.write_report(markdown(cast(Metrics, metrics), run.manifest, results.notable))
    if results.programs is not None:
        write_page(run.path, benchmark, results.programs)
