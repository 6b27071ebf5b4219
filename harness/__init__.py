"""rltf-harness: say of any program whether it solves a problem, and of any code model how good it is.

    from harness import Job, Runner, load_benchmark

    problem = load_benchmark("mini").problems[0]
    with Runner() as runner:
        for outcome in runner.run([Job(problem.task_id, 0, "print(1)", problem)]):
            print(outcome.verdicts["strict"])

The public API is what this module exports; it is imported when asked for, so that `rltf --help` is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.registry import load_benchmark
    from harness.runner import Runner, VerdictCache
    from harness.runner.execution import Execution
    from harness.service import GradingService
    from harness.types import (
        Benchmark,
        ErrorInfo,
        Job,
        Limits,
        Outcome,
        Problem,
        Status,
        TestOutcome,
        TestSuite,
    )

__all__ = [
    "Benchmark",
    "ErrorInfo",
    "Execution",
    "GradingService",
    "Job",
    "Limits",
    "Outcome",
    "Problem",
    "Runner",
    "Status",
    "TestOutcome",
    "TestSuite",
    "VerdictCache",
    "load_benchmark",
]


_HOMES = {
    "load_benchmark": "harness.registry",
    "Runner": "harness.runner",
    "Execution": "harness.runner.execution",
    "GradingService": "harness.service",
    "VerdictCache": "harness.runner",
}
"""Where a public name comes from, unless from `harness.types`."""


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    from importlib import import_module  # noqa: PLC0415 - all of this is about importing late

    if name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "harness.types")), name)
