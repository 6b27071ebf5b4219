"""A program that costs the grader a process whenever it runs, alone too, has failed: its outcome.

Does not cover: finding that out (`runner.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.runner.backend import Task
from harness.types import ErrorInfo, Outcome, Status, TestOutcome


def lost_outcome(task: Task, tests: int, profiles: Sequence[str], reason: str) -> Outcome:
    """An outcome with `Status.LOST`, for no line's fault.

    Args:
        task: The program.
        tests: Of its problem, at least 1.
        profiles: Names.
        reason: What became of the grader's process.
    """
    message = f"the process that graded it was lost whenever it ran, at last alone: {reason}"
    error = ErrorInfo("GraderLost", message, None)
    first = TestOutcome(dict.fromkeys(profiles, Status.LOST), error)
    rest = TestOutcome(dict.fromkeys(profiles, Status.NOT_RUN))
    verdicts = dict.fromkeys(profiles, Status.LOST)
    return Outcome(task.task_id, task.sample_id, verdicts, (first, *[rest] * (tests - 1)), error)
