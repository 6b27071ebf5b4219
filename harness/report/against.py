"""Our numbers against published ones: which may be compared, and the status of each comparison.

A published number is only compared with a run if both measure the same thing. That the run repeats the
system and its setting is for its owner to say (`RLTF/CodeT5=FOLDER`); everything a run folder records is
checked: benchmark, split, number of problems, samples, sampling, limits.

- reproduced: the published value lies in the 95 % interval of ours;
- unconfirmed: it does, but is known from one second-hand source alone, which may have it wrong;
- differs: it does not. Both are verdicts on the numbers as printed, whose own error nobody published;
- not comparable: with every reason; a difference is shown where only the owner's word is missing;
- not run: no run on that benchmark was given, or none that claims the system.

Does not cover: whether the base model is the one the paper means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.report.published import Published, published
from harness.run_store.finished_run import Run, generation

PROBLEMS = {"apps": 5000, "humaneval-plus": 164, "mbpp": 500, "mbpp-plus": 378}
"""In the split on which all published numbers are."""
SPLITS = {"humaneval-plus": "v0.1.10", "mbpp-plus": "v0.2.0"}
"""That split, where it is not `test`."""
REFERENCE_CPU_SECONDS = 4.0
"""The reference graders' limit for one test (theirs is wall time)."""
_PROMPTS = {"apps": "inference", "mbpp": "zero-shot-tests"}
"""Where the setting does not name the prompt's format."""


class ComparisonStatus(StrEnum):
    """The status of a comparison with a published number."""

    REPRODUCED = "reproduced"
    UNCONFIRMED = "unconfirmed"
    DIFFERS = "differs"
    NOT_RUN = "not run"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Cell:
    """One published number, and a run's own number for it."""

    published: Published
    run: Run | None
    ours: Mapping[str, Any] | None
    """`{value, low, high, problems}` in shares; `None` where the run has no such number."""
    difference: float | None
    """Ours minus published, in percentage points; `None` where the two measure different things."""
    status: ComparisonStatus
    reasons: tuple[str, ...] = ()
    """Why they cannot be compared, or what to know where they can."""


def compare_with_published(rows: Sequence[Published], runs: Sequence[Run], profile: str) -> list[Cell]:
    """Every published number with each run that is on its benchmark; `not run` where there is none."""
    cells = []
    for row in rows:
        found = [_cell(row, run, profile) for run in runs if _concerns(row, run)]
        cells += found or [Cell(row, None, None, None, ComparisonStatus.NOT_RUN)]
    return cells


def concerns(benchmark: str, run: Run) -> bool:
    """Whether a run is on a benchmark, or a variant of it that has no published numbers of its own."""
    return run.benchmark == benchmark or (
        run.benchmark.startswith(benchmark) and run.benchmark not in PROBLEMS
    )


def _concerns(row: Published, run: Run) -> bool:
    """A run that says whose numbers it repeats is compared with those alone."""
    if not concerns(row.benchmark, run):
        return False
    claim = _claimed(run)
    return claim is None or claim in (row.system, f"{row.system}/{row.base_model}")


def _claimed(run: Run) -> str | None:
    """The run's claim, if it names a published system; any other name is just a name."""
    known = {name for row in published() for name in (row.system, f"{row.system}/{row.base_model}")}
    return run.claim if run.claim in known else None


def _cell(row: Published, run: Run, profile: str) -> Cell:
    ours = run.score(row.profile or profile, row.group, row.metric)
    apart = _other_measure(row, run, ours)
    unclaimed = _other_system(row, run)
    difference = None
    if ours is not None and not apart:
        difference = 100 * ours["value"] - row.value_percent
    if apart or unclaimed or ours is None:
        return Cell(row, run, ours, difference, ComparisonStatus.NOT_COMPARABLE, (*apart, *unclaimed))
    # Printed to two decimals or one, so the interval is compared as it would be printed.
    low, high = (round(100 * ours[name], 2) for name in ("low", "high"))
    status = ComparisonStatus.DIFFERS
    if low <= row.value_percent <= high:
        status = ComparisonStatus.UNCONFIRMED if row.one_source else ComparisonStatus.REPRODUCED
    return Cell(row, run, ours, difference, status, tuple(_to_know(row, run)))


def _other_system(row: Published, run: Run) -> list[str]:
    claim = _claimed(run)
    if claim is None:
        return [f"the run does not say whose number it repeats: write '{row.system}/{row.base_model}=FOLDER'"]
    models = {
        each.base_model for each in published() if (each.system, each.benchmark) == (claim, row.benchmark)
    }
    if len(models) > 1:
        return [
            f"{claim} is published with {', '.join(sorted(models))}: write '{claim}/{row.base_model}=FOLDER'"
        ]
    return []


def _other_measure(row: Published, run: Run, ours: Mapping[str, Any] | None) -> list[str]:
    """Everything that a run folder records and that makes its number another quantity."""
    identity, counts = run.manifest["identity"], run.metrics["counts"]
    split, problems = run.metrics["benchmark"]["split"], counts["problems"]
    asked = SPLITS.get(row.benchmark, "test")
    full, limit = PROBLEMS[row.benchmark], identity["limits"]["cpu_seconds"]
    found = {
        f"other benchmark: {run.benchmark}": run.benchmark != row.benchmark,
        f"other split: {split}": split != asked,
        f"subset: {problems:,} of {full:,} problems": split == asked and problems != full,
        f"{counts['problems_left_out']:,} problems were left out": counts["problems_left_out"],
        f"{counts['infrastructure_errors']:,} programs could not be graded": counts["infrastructure_errors"],
        "some answers are missing or were filtered": "lost_samples" in run.metrics,
        "reference solutions, not a model's programs": str(identity["programs"]).startswith("reference"),
        "published with critic sampling, which no run does": row.critic_sampling,
        "published with beam search, not sampling": row.beam_search,
        "published for programs that pass the example tests": row.filtered,
        "published for programs that a reward model ranks": row.ranked,
        f"CPU limit of {limit:g} s, not {REFERENCE_CPU_SECONDS:g} s": limit != REFERENCE_CPU_SECONDS,
    }
    reasons = [text for text, holds in found.items() if holds] + _other_sampling(row, run)
    if ours is None:
        reasons.append(_no_score(row, run))
    return reasons


def _no_score(row: Published, run: Run) -> str:
    has = run.samples_per_problem
    if row.k > has:
        return f"other sample count: {row.metric} needs {row.k:,} samples a problem, the run has {has:,}"
    return f"{row.metric} was not computed for {row.group}: run the run's command again with --k {row.k}"


def _other_sampling(row: Published, run: Run) -> list[str]:
    known, reasons = generation(run.manifest), []
    for name, value in (("temperature", row.temperature), ("top_p", row.top_p)):
        if value is not None and known.get(name, value) != value:
            reasons.append(f"other sampling: {name} {known[name]}, published {value:g}")
    prompt = known.get("prompt")
    asked = row.prompt or _PROMPTS[row.benchmark]
    if prompt is not None and _prompt_name(prompt) != asked:
        reasons.append(f"other prompt: {prompt}")
    return reasons


def _prompt_name(prompt: object) -> str:
    """`zero-shot-tests` for `zero-shot-tests@2`: another format may be called by a longer name."""
    return str(prompt).split("@", 1)[0]


def _to_know(row: Published, run: Run) -> list[str]:
    counts = run.metrics["counts"]
    found = {
        "sampling and prompt are not in the run's manifest, taken on its owner's word": not generation(
            run.manifest
        ),
        f"{counts['unscorable_problems']:,} problems have no tests here": counts["unscorable_problems"],
        "published value from one transcription": row.one_source,
        row.note: row.note,
    }
    return [text for text, holds in found.items() if holds]
