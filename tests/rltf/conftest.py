"""What several tests of the trainer share: a grader that needs no processes, and a small configuration."""

import pytest
from fakes import FakeGrader, outcome_of

from harness.types import ErrorInfo, Job, Outcome, Status


def _by_length(job: Job) -> Outcome:
    """Right for a third of all programs, wrong for a third, an error in its first line for a third."""
    status = (Status.PASSED, Status.WRONG_ANSWER, Status.RUNTIME_ERROR)[len(job.code) % 3]
    error = ErrorInfo("NameError", "x", 1) if status is Status.RUNTIME_ERROR else None
    return outcome_of(job, status, error, ("strict",))


@pytest.fixture
def length_grader() -> FakeGrader:
    """A grader whose verdicts depend on a program's length alone."""
    return FakeGrader(_by_length, profiles=("strict",), description={"grader_version": "length"})


SMALL = (
    "buffer_size=24", "buffer_fill=12", "refresh_every=2", "samples_per_problem=4", "max_new_tokens=10",
    "per_device_train_batch_size=4", "logging_steps=1", "save_steps=3", "warmup_steps=0",
    "max_prompt_tokens=64", "learning_rate=1e-3", "seed=0",
)  # fmt: skip


@pytest.fixture
def small_settings() -> tuple[str, ...]:
    """Options for a run of a second."""
    return SMALL
