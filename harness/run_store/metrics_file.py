"""`metrics.json`: its fields, and one reader.

Covers: the record as it stands in the file; shares are 0 to 1. Does not cover: computing it
(`harness.metrics.summary`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from harness.run_store.manifest import no_such_file, read_record
from harness.run_store.typed_json import wrong_field


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
    """From easy to hard, where a run records the order."""


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


class Unusable(TypedDict):
    """`harness.metrics.unusable`."""

    lacking: int
    empty: int
    cut: int
    unusable: int
    of: int


class Share(TypedDict):
    """So many of so many."""

    count: int
    of: int


class Endings(TypedDict):
    """Completions by how they ended."""

    counts: dict[str, int]
    of: int


class Tokens(TypedDict):
    """Of completions."""

    total: int
    most: int
    of: int


class Completions(TypedDict):
    """`harness.metrics.completions`."""

    changed: NotRequired[Share]
    finish: NotRequired[Endings]
    tokens: NotRequired[Tokens]


class Prompts(TypedDict):
    """Prompts that did not fit, and all of them."""

    shortened: int
    of: int


class LostSamples(TypedDict):
    """`harness.metrics.lost_samples`."""

    server: NotRequired[int]
    filtered: NotRequired[int]
    too_long: NotRequired[int]
    problems_without_answer: NotRequired[int]
    filtered_as_failed: NotRequired[dict[str, dict[str, Score | None]]]
    """pass@k by profile, with what a filter withheld as failed."""


class Metrics(TypedDict):
    """The whole file."""

    format: int
    benchmark: BenchmarkFacts
    k: list[int]
    counts: Counts
    disagreements: dict[str, int]
    profiles: dict[str, ProfileMetrics]
    bootstrap: NotRequired[dict[str, Any]]
    programs: NotRequired[Unusable]
    answers: NotRequired[Completions]
    prompts: NotRequired[Prompts]
    lost_samples: NotRequired[LostSamples]
    notices: NotRequired[list[str]]


def read_metrics(path: Path, advice: str) -> Metrics:
    """The content of a `metrics.json`; arguments and errors are those of `read_record`."""
    metrics: Metrics = read_record(path, Metrics, advice)
    for profile, content in metrics["profiles"].items():
        groups = {f"difficulties.{name}": group for name, group in content["difficulties"].items()}
        for name, group in ({"overall": content["overall"]} | groups).items():
            for k in metrics["k"]:
                # A TypedDict has no fields that are computed.
                place = f"profiles.{profile}.{name}.pass@{k}"
                if wrong := wrong_field(group.get(f"pass@{k}"), Score | None, place):
                    raise no_such_file(path, wrong, advice)
    return metrics


def score_in(group: GroupMetrics, metric: str) -> Score | None:
    """`pass@5`, `strict_accuracy`, `test_case_average`; `None` where it was not computed or is undefined."""
    return cast("Score | None", group.get(metric))
