"""What a program that has failed may still cost: few tests that use a good part of a limit.

Its verdict is settled, and only its share of passed tests is still asked for. Counted in tests, and not in
seconds, so that the load of the machine does not move it.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.runner.sandbox.dispatcher import COSTLY, FAILED_CPU_SECONDS
from harness.runner.split_suite import PreparedSuite
from harness.runner.verdicts import ProcessResult, VerdictMaker
from harness.types import Limits, TestKind, TestOutcome


class Costs:
    """Keeps the costs of one program."""

    def __init__(self, limits: Limits, suite: PreparedSuite) -> None:
        self._limits = limits
        self._suite = suite
        self._cpu_limit = limits.cpu_seconds * suite.cpu_factor
        self._costly: dict[int, bool] = {}
        """By test, whether it used half a limit or more."""

    def copy(self) -> Costs:
        """One to try something with."""
        copy = Costs(self._limits, self._suite)
        copy._costly = dict(self._costly)
        return copy

    def add(self, run: ProcessResult, tests: Sequence[TestOutcome]) -> None:
        """Take the next run of the program.

        Args:
            run: The run.
            tests: All tests so far, those of this run at the end.
        """
        script = self._suite.kind is TestKind.STDIN
        for number in range(run.first, len(tests)):
            self._costly[number] = tests[number].cpu_seconds >= COSTLY * self._cpu_limit or (
                script
                and (
                    run.idle >= COSTLY * self._limits.wall_factor * self._cpu_limit
                    or len(run.stdout) >= COSTLY * (self._limits.output_mib << 20)
                )
            )

    def cut_at(self, tests: Sequence[TestOutcome]) -> int | None:
        """The test that was one too many; `None` if there was none."""
        allowed = self._limits.costly_tests_after_failure
        if allowed is None:
            return None
        failed = False
        count, cpu = 0, 0.0
        for number, test in enumerate(tests):
            cpu += test.cpu_seconds
            if failed:
                count += self._costly.get(number, False)
                if count > allowed or cpu >= FAILED_CPU_SECONDS:
                    return number
            failed = failed or VerdictMaker.failed(test)
        return None
