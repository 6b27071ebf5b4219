"""What several tests of the trainer share: a grader that needs no processes, and a small configuration."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from harness.types import ErrorInfo, Job, Limits, Outcome, Status, TestOutcome


class LengthGrader:
    """Passes a third of all programs, fails a third, blames the first line of a third: by their length."""

    limits = Limits()
    profiles = ("strict",)

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        for job in jobs:
            yield self.outcome(job)

    def outcome(self, job: Job) -> Outcome:
        status = (Status.PASSED, Status.WRONG_ANSWER, Status.RUNTIME_ERROR)[len(job.code) % 3]
        error = ErrorInfo("NameError", "x", 1) if status is Status.RUNTIME_ERROR else None
        tests = (TestOutcome({"strict": status}, error),)
        return Outcome(job.task_id, job.sample_id, {"strict": status}, tests, error)

    def describe(self) -> Mapping[str, Any]:
        return {"grader_version": "length"}


@pytest.fixture
def length_grader() -> LengthGrader:
    """A grader whose verdicts depend on a program's length alone."""
    return LengthGrader()


SMALL = (
    "buffer_size=24", "buffer_fill=12", "refresh_every=2", "samples_per_problem=4", "max_new_tokens=10",
    "per_device_train_batch_size=4", "logging_steps=1", "save_steps=3", "warmup_steps=0",
    "max_prompt_tokens=64", "learning_rate=1e-3", "seed=0",
)  # fmt: skip


@pytest.fixture
def small_settings() -> tuple[str, ...]:
    """Options for a run of a second."""
    return SMALL
