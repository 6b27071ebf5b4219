"""This project's own grader as a function of Python, `grade(code, tests) -> bool`."""

from __future__ import annotations

from typing import Any

from harness.errors import InfrastructureError
from harness.integrations.ground_truth import problem_of
from harness.service import GradingService
from harness.types import Job, Limits

_LIMITS = Limits(cpu_seconds=2.0, load_cpu_seconds=2.0)


def grade(code: str, tests: Any) -> bool:
    """Whether a program passes tests under the profile `strict`.

    Raises:
        InputError: If the tests can't be read.
        InfrastructureError: If the grader failed.
    """
    problem = problem_of(tests, {})
    service = GradingService.shared(1, _LIMITS, ("strict",))
    outcome = service.submit(Job(problem.task_id, 0, code, problem)).result()
    if outcome.infrastructure_error is not None:
        raise InfrastructureError(outcome.infrastructure_error)
    return outcome.passed("strict")
