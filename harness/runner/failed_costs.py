"""What a program that has failed may still cost: few tests that use a good part of a limit, and so much in
all.

Its verdict is settled, and only its share of passed tests is still asked for. Tests are counted, and not
seconds, so that the load of the machine does not move it; but times of tests are the program's word where it
is imported, so what all of them together have used is the kernel's, and ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.runner.sandbox.dispatcher import COSTLY, FAILED_CPU_SECONDS, FAILED_OUTPUTS
from harness.runner.split_suite import PreparedSuite
from harness.runner.verdicts import ProcessResult, VerdictMaker, was_too_much
from harness.types import Limits, TestKind, TestOutcome

FAILED_JUDGING_SECONDS = 10.0
"""CPU seconds of ours, comparing its answers, after which a program that has failed gets no more tests. The
costliest honest answer of APPS takes 10 ms."""


class _Cost(NamedTuple):
    """Of one test; what only its process as a whole is known to have used counts as its last test's."""

    costly: bool
    """Whether it used half a limit or more."""
    cpu: float
    output: int
    """Bytes printed and reported."""
    judging: float
    """CPU seconds of ours."""


_NOTHING = _Cost(False, 0.0, 0, 0.0)


class Costs:
    """Keeps the costs of one program."""

    def __init__(self, limits: Limits, suite: PreparedSuite) -> None:
        self._limits = limits
        self._suite = suite
        self._cpu_limit = limits.cpu_seconds * suite.cpu_factor
        self._output_limit = limits.output_mib << 20
        self._costs: dict[int, _Cost] = {}
        """By test."""

    def copy(self) -> Costs:
        """One to try something with."""
        copy = Costs(self._limits, self._suite)
        copy._costs = dict(self._costs)
        return copy

    def add(self, run: ProcessResult, tests: Sequence[TestOutcome], judging: float = 0.0) -> None:
        """Take the next run of the program.

        Args:
            run: The run.
            tests: All tests so far, those of this run at the end.
            judging: CPU seconds that it took to give verdicts on them.
        """
        left, last = run.cpu, len(tests) - 1
        for number in range(run.first, last):
            cpu = min(left, tests[number].cpu_seconds)
            left -= cpu
            self._costs[number] = _Cost(self._is_costly(cpu), cpu, 0, 0.0)
        if run.first <= last:
            # A program that is loaded for one test alone has used the time of that for it as well.
            alone = run.first == last and self._suite.kind is not TestKind.STDIN
            output = len(run.stdout) + len(run.report)
            costly = (
                self._is_costly(left if alone else min(left, tests[last].cpu_seconds))
                or run.idle >= COSTLY * self._limits.wall_factor * self._cpu_limit
                or max(len(run.stdout), len(run.report)) >= COSTLY * self._output_limit
            )
            self._costs[last] = _Cost(costly, left, output, judging)

    def _is_costly(self, cpu: float) -> bool:
        return cpu >= COSTLY * self._cpu_limit

    def cut_at(self, tests: Sequence[TestOutcome]) -> int | None:
        """The test that was one too many; `None` if there was none."""
        allowed = self._limits.costly_tests_after_failure
        if allowed is None:
            return None
        failed = False
        count, cpu, output, judging = 0, 0.0, 0, 0.0
        for number, test in enumerate(tests):
            cost = self._costs.get(number, _NOTHING)
            cpu, output, judging = cpu + cost.cpu, output + cost.output, judging + cost.judging
            if failed:
                count += cost.costly
                if (
                    count > allowed
                    or cpu >= FAILED_CPU_SECONDS
                    or output >= FAILED_OUTPUTS * self._output_limit
                    or judging >= FAILED_JUDGING_SECONDS
                    or was_too_much(test)
                ):
                    return number
            failed = failed or VerdictMaker.failed(test)
        return None
