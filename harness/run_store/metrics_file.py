"""`metrics.json`: its fields (`harness.run_store.manifest.read_record` checks a file against them).

Covers: the record as it stands in the file; shares are 0 to 1. Does not cover: computing it
(`harness.metrics.summary`).
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict, cast


class Score(TypedDict):
    """A mean over problems with its 95 % interval, in shares."""

    value: float
    low: float
    high: float
    problems: int
    """In the mean."""


class GroupMetrics(TypedDict):
    """The problems of a difficulty, or all of them, under one profile. `score_in` reads `pass@k`."""

    problems: int
    samples: int
    strict_accuracy: Score | None
    """Share of problems with all tests of all samples passed (Hendrycks et al. 2021)."""
    test_case_average: Score | None
    """Share of tests passed (the same)."""
    verdicts: dict[str, int]
    """Samples by status."""
    runtime_errors: dict[str, int]
    """Samples by exception type, where the verdict is a runtime error."""


class ProfileMetrics(TypedDict):
    """All numbers under one comparison profile."""

    overall: GroupMetrics
    difficulties: dict[str, GroupMetrics]


class BenchmarkFacts(TypedDict):
    """What was graded."""

    name: str
    split: str
    version: str
    dataset_hash: str
    difficulties: NotRequired[list[str]]
    """Their order, from easy to hard, where it is not by chance the usual one."""


class Counts(TypedDict):
    """Problems and samples; those that are in no number, and why."""

    problems: int
    scored_problems: int
    samples: int
    missing_problems: int
    unscorable_problems: int
    infrastructure_errors: int
    lost_programs: NotRequired[int]
    cut_short: NotRequired[int]
    problems_lost_to_infrastructure: NotRequired[int]
    problems_left_out: int
    skipped_samples: NotRequired[int]


class Metrics(TypedDict):
    """The whole file."""

    format: int
    benchmark: BenchmarkFacts
    k: list[int]
    counts: Counts
    disagreements: dict[str, int]
    profiles: dict[str, ProfileMetrics]
    bootstrap: NotRequired[dict[str, Any]]
    programs: NotRequired[dict[str, int]]
    """`harness.metrics.unusable`."""
    answers: NotRequired[dict[str, Any]]
    """`harness.metrics.completions`."""
    prompts: NotRequired[dict[str, int]]
    lost_samples: NotRequired[dict[str, Any]]
    """`harness.metrics.lost_samples`."""
    notices: NotRequired[list[str]]


def score_in(group: GroupMetrics, metric: str) -> Score | None:
    """`pass@5`, `strict_accuracy`, `test_case_average`; `None` where it was not computed or is undefined."""
    return cast("Score | None", group.get(metric))
