"""From what a program left behind to what the outcome says: pure functions, no process in sight.

What arrives here was made by a hostile process. It may claim any return value and any error; it can't
claim a verdict, since it was never told what is expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from harness.compare import CheckError, Profile
from harness.runner.asserts import Split
from harness.runner.child_report import Ending, error_of, fields_of, raised, signal_name, too_much, value_of
from harness.runner.comparison_budget import Allowance, OverBudgetError, budget, stop
from harness.runner.sandbox.borderline import RETRY_AT
from harness.runner.sandbox.protocol import clamped_records, split_records
from harness.runner.split_suite import Checked, PreparedSuite, UnsplitAssert, ran_inside
from harness.types import ErrorInfo, Limits, Outcome, Status, TestKind, TestOutcome


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """What the fork server says of one process."""

    first: int
    """Index of the first test that it was to run."""
    killed: str | None
    status: int
    cpu: float
    rss_kib: int
    report: bytes
    stdout: bytes
    refused: bytes = b""
    """The report that it does not compile as a script, where it was run as the body of a function."""
    idle: float = 0.0
    """Seconds neither running nor waiting for a processor."""
    stderr: bytes = b""
    """The last of it, where it was asked for."""

    def without_data(self) -> ProcessResult:
        """The numbers alone."""
        return ProcessResult(self.first, self.killed, self.status, self.cpu, self.rss_kib, b"", b"")


_T = TypeVar("_T")
_NO_PREAMBLE = "preamble_error"
"""What a record is called that says that the benchmark's own code before the program failed."""
_REFUSALS = ("syntax_error", "outside_function")
"""What a record is called that says that the program does not compile."""


class VerdictMaker:
    """Makes verdicts of what programs did, under some profiles."""

    def __init__(
        self, profiles: Sequence[Profile], limits: Limits, make_room: Callable[[], object] | None = None
    ) -> None:
        """
        Args:
            profiles: To judge by.
            limits: Of the programs.
            make_room: Frees memory, if some is held that is no program's doing.
        """
        self._profiles = tuple(profiles)
        self._make_room = make_room
        self._assert_matches = {profile.assert_matches for profile in self._profiles}
        self._limits = limits

    def outcomes(self, suite: PreparedSuite, runs: Sequence[ProcessResult]) -> tuple[TestOutcome, ...]:
        """One outcome for each test of the suite, in order."""
        tests: list[TestOutcome] = []
        for run in runs:
            self.add(tests, suite, run)
        return self.complete(tests, suite)

    def add(self, tests: list[TestOutcome], suite: PreparedSuite, run: ProcessResult) -> None:
        """Give verdicts on the next run of a program, and put its outcomes behind the earlier ones."""
        # A failed load speaks for all tests, yet a forger may have had the rest run all the same.
        del tests[run.first :]
        if suite.kind is TestKind.STDIN:
            found = self._script(suite, run)
        else:
            found = self._imported(suite, run, failed=any(map(self.failed, tests)))
        for test in found:
            tests.append(self._as_refused(test, run) if run.refused else test)
            if self._ends(tests[-1]):
                return  # whatever a report holds behind it, nothing is compared for nothing

    def _ends(self, test: TestOutcome) -> bool:
        """Whether no test after this one is to be run."""
        at_limit = self._limits.stop_at_first_timeout and _is_at_limit(test)
        return at_limit or (self._limits.stop_at_first_failure and VerdictMaker.failed(test))

    @staticmethod
    def failed(test: TestOutcome) -> bool:
        """Whether a test has failed under every profile."""
        return Status.PASSED not in test.statuses.values()

    def cut(self, tests: Sequence[TestOutcome], number: int) -> list[TestOutcome]:
        """The tests up to one that was one too many for a program that has failed: its time is up."""
        return [*tests[:number], self._all(Ending(Status.TIMED_OUT), tests[number].cpu_seconds)]

    def decided(self, tests: Sequence[TestOutcome]) -> bool:
        """Whether no further test is to be run."""
        return any(map(self._ends, tests))

    def complete(self, tests: Sequence[TestOutcome], suite: PreparedSuite) -> tuple[TestOutcome, ...]:
        """One outcome for each test of the suite: the given ones, and what stands for those not run."""
        end = next((number for number, test in enumerate(tests) if self._ends(test)), len(tests))
        tests = tests[: end + 1]
        missing = len(suite.expected) - len(tests)
        rest = [_after(tests[-1]) if tests else self._all(Ending(Status.NOT_RUN))] * missing
        return self._counted((*tests, *rest), suite)

    def _counted(self, tests: tuple[TestOutcome, ...], suite: PreparedSuite) -> tuple[TestOutcome, ...]:
        """The tests, those that a profile does not count with a status that decides nothing under it."""
        for profile in self._profiles:
            if profile.counts is None:
                continue
            counts = [not isinstance(each, Checked) or profile.counts(each.test) for each in suite.expected]
            statuses = {test.statuses[profile.name] for test, its in zip(tests, counts, strict=True) if its}
            idle = Status.PASSED if statuses == {Status.PASSED} else Status.NOT_RUN
            tests = tuple(
                test if its else replace(test, statuses={**test.statuses, profile.name: idle})
                for test, its in zip(tests, counts, strict=True)
            )
        return tests

    def _as_refused(self, test: TestOutcome, run: ProcessResult) -> TestOutcome:
        """The outcome of a run as the body of a function: a syntax error where the profile wants a script."""
        statuses = {
            profile.name: test.statuses[profile.name] if profile.runs_in_function else Status.SYNTAX_ERROR
            for profile in self._profiles
        }
        if Status.SYNTAX_ERROR not in statuses.values():
            return test
        _, first = next(split_records(run.refused))
        error = error_of(fields_of(first))
        own = {profile.name: test.error for profile in self._profiles if profile.runs_in_function}
        return replace(test, statuses=statuses, error=error, errors=own if test.error != error else {})

    def _all(self, ending: Ending, cpu: float = 0.0, *, inside: bool = False) -> TestOutcome:
        statuses = {profile.name: ending.status for profile in self._profiles}
        return TestOutcome(statuses, ending.error, round(cpu, 6), inside)

    # --- standard input --------------------------------------------------------------------------

    def _script(self, suite: PreparedSuite, run: ProcessResult) -> Iterator[TestOutcome]:
        records = clamped_records(run.report, run.cpu, 2)
        compiled_at = records[0][0] if records else 0.0
        cpu = run.cpu - compiled_at
        if not records or (first := _claims(records[0][1])).get("kind") in _REFUSALS:
            yield self._all(self._failed_compile(run, error_of(first) if records else None), run.cpu)
            return
        if first.get("kind") == _NO_PREAMBLE:  # nothing of the program has run
            yield self._all(self._death(run) or raised(error_of(first)), run.cpu)
            return
        ended = _claims(records[1][1]) if len(records) > 1 else {}
        # What the program says of its exit is known to be true where the kernel has seen none.
        exit_code = run.status or exit_status(ended)
        died = self._death(run, over=self._over(suite, cpu)) or self._full(run)
        error = error_of(ended) or ErrorInfo("SystemExit", f"exit status {run.status}", None)
        if died is None and exit_code != 0 and error.type != "SystemExit":
            died = raised(error)
        if died is not None:
            yield self._all(died, cpu)
            return
        statuses, over = self._compared_output(suite, run, failed=exit_code != 0)
        yield TestOutcome(statuses, over or (error if exit_code != 0 else None), round(cpu, 6))

    def _compared_output(
        self, suite: PreparedSuite, run: ProcessResult, *, failed: bool
    ) -> tuple[dict[str, Status], ErrorInfo | None]:
        """By profile, whether the output is what is expected; and why not, if that took too much."""
        statuses = {p.name: Status.RUNTIME_ERROR for p in self._profiles if failed and p.exit_code_fails}
        expected = suite.expected[run.first]

        def compare() -> None:
            with budget(len(run.stdout)):
                output = run.stdout.decode("utf-8", errors="surrogateescape")
                for profile in self._profiles:
                    if profile.name not in statuses:
                        if isinstance(expected, Checked):
                            right = expected.check(output, expected.test, profile.name)
                            statuses[profile.name] = _graded(right)
                            continue
                        right = profile.stdout_matches(output, expected, reals=suite.reals)
                        statuses[profile.name] = _graded(right)

        try:
            self._with_room(compare)
        except (OverBudgetError, MemoryError, CheckError) as error:
            missing = [profile.name for profile in self._profiles if profile.name not in statuses]
            return statuses | dict.fromkeys(missing, Status.WRONG_ANSWER), _not_compared(error)
        return statuses, None

    def _with_room(self, judge: Callable[[], _T]) -> _T:
        """What it returns; once more with more memory, since what is held may be other problems' tests."""
        try:
            return judge()
        except MemoryError:
            if self._make_room is None:
                raise
        self._make_room()
        return judge()

    def _failed_compile(self, run: ProcessResult, error: ErrorInfo | None) -> Ending:
        """A compiler that died of the program is the program's syntax error, unless it ran out of time."""
        died = self._death(run)
        if died is not None and died.status is not Status.RUNTIME_ERROR:
            return died
        return Ending(Status.SYNTAX_ERROR, error or (died.error if died else None))

    def _full(self, run: ProcessResult) -> Ending | None:
        return Ending(Status.OUTPUT_LIMIT) if len(run.stdout) >= self._limits.output_mib << 20 else None

    def _over(self, suite: PreparedSuite, cpu: float) -> bool:
        """Whether a test that took so many CPU seconds is surely over its limit."""
        return cpu >= RETRY_AT * suite.cpu_factor * self._limits.cpu_seconds

    def _death(self, run: ProcessResult, *, over: bool = False) -> Ending | None:
        """How the process was ended from outside, if it was."""
        if run.killed == "stopped":
            return Ending(Status.RUNTIME_ERROR, ErrorInfo("SIGSTOP", "the program stopped itself", None))
        if run.killed or over:
            return Ending(Status.TIMED_OUT)
        if run.status >= 0:
            return None
        name = signal_name(-run.status)
        if name == "SIGXCPU":
            return Ending(Status.TIMED_OUT)
        error = ErrorInfo(name, "killed by a signal", None)
        if name == "SIGKILL" and run.rss_kib > self._limits.memory_mib << 9:
            # Nobody here sent it, and the process held over half its limit: the kernel was out of memory.
            return Ending(Status.OUT_OF_MEMORY, error)
        return Ending(Status.RUNTIME_ERROR, error)

    # --- imported programs -----------------------------------------------------------------------

    def _imported(self, suite: PreparedSuite, run: ProcessResult, *, failed: bool) -> Iterator[TestOutcome]:
        remaining = len(suite.expected) - run.first
        records = clamped_records(run.report, run.cpu, remaining + 2)
        ending = self._failed_load(run, [_claims(data) for _, data in records[:2]])
        if ending is not None:
            yield from [self._all(ending, run.cpu)] * (1 if ending.status is Status.TIMED_OUT else remaining)
            return
        before = records[1][0]
        allowance = Allowance(len(run.report))
        cheaply = self._limits.costly_tests_after_failure is not None
        if failed and cheaply:
            allowance.shorten()
        for offset, (after, data) in enumerate(records[2:]):
            test = self._test(suite.expected[run.first + offset], suite, data, after - before, allowance.left)
            yield test
            before = after
            if cheaply and not failed and self.failed(test):
                failed = True
                allowance.shorten()
        done = len(records) - 2
        if done < remaining:
            cpu = run.cpu - before
            left = ErrorInfo("SystemExit", f"the program ended the process, exit status {run.status}", None)
            inside = ran_inside(suite.expected[run.first + done])
            died = self._death(run, over=self._over(suite, cpu))
            yield self._all(died or Ending(Status.RUNTIME_ERROR, left), cpu, inside=inside)

    def _failed_load(self, run: ProcessResult, records: Sequence[Mapping[str, Any]]) -> Ending | None:
        """Why no test was run, if none was; from the fields of the first two records."""
        if records and records[0].get("kind") in _REFUSALS:
            return Ending(Status.SYNTAX_ERROR, error_of(records[0]))
        if records and records[0].get("kind") == _NO_PREAMBLE:
            return self._death(run) or raised(error_of(records[0]))
        if len(records) >= 2:
            loaded = records[1].get("kind") == "loaded"
            return None if loaded else raised(error_of(records[1]) or ErrorInfo("ForgedReport", "", None))
        if not records:
            return self._failed_compile(run, None)
        ended = ErrorInfo("SystemExit", f"the program ended the process, exit status {run.status}", None)
        return self._death(run) or Ending(Status.RUNTIME_ERROR, ended)

    def _test(self, expected: Any, suite: PreparedSuite, data: bytes, cpu: float, most: float) -> TestOutcome:
        inside = ran_inside(expected)

        def judge() -> TestOutcome:
            with budget(len(data), most):
                return self._judged(expected, suite, data, cpu)

        try:
            return self._with_room(judge)
        except (OverBudgetError, MemoryError, CheckError) as error:
            return self._all(Ending(Status.WRONG_ANSWER, _not_compared(error)), cpu, inside=inside)

    def _judged(self, expected: Any, suite: PreparedSuite, data: bytes, cpu: float) -> TestOutcome:
        """What a record says of a test."""
        inside = ran_inside(expected)
        if self._over(suite, cpu):
            return self._all(Ending(Status.TIMED_OUT), cpu, inside=inside)
        if too_much(data):
            raise MemoryError
        fields = fields_of(data)
        kind = fields.get("kind")
        if kind == "too_large":
            return self._all(Ending(Status.OUTPUT_LIMIT), cpu, inside=inside)
        if kind == "raised":
            return self._all(raised(error_of(fields)), cpu, inside=inside)
        if isinstance(expected, UnsplitAssert):
            right = kind == "held" and fields.get("nonce") == expected.nonce
            return self._all(Ending(_graded(right)), cpu, inside=True)
        if kind != "value":
            forged = ErrorInfo("ForgedReport", "", None)
            return self._all(Ending(Status.RUNTIME_ERROR, forged), cpu, inside=inside)
        value = value_of(fields.get("value"))
        return TestOutcome(
            self._compared(value, expected, wrapped=suite.wrapped), None, round(cpu, 6), inside
        )

    def _compared(self, value: Any, expected: Any, *, wrapped: bool) -> dict[str, Status]:
        """By profile, whether the value is what is expected; profiles that share a comparison share it."""
        if isinstance(expected, Checked):
            check = expected.check
            return {p.name: _graded(check(value, expected.test, p.name)) for p in self._profiles}
        if not isinstance(expected, Split):
            return {
                p.name: _graded(p.value_matches(value, expected, wrapped=wrapped)) for p in self._profiles
            }
        if expected.identical:
            return dict.fromkeys((p.name for p in self._profiles), _graded(value is expected.expected))
        found = {match: _graded(match(value, expected.expected)) for match in self._assert_matches}
        return {p.name: found[p.assert_matches] for p in self._profiles}


def _is_at_limit(test: TestOutcome) -> bool:
    """Whether it was ended for its time, its output, or its memory (not for a MemoryError that it raised)."""
    statuses = test.statuses.values()
    if Status.OUT_OF_MEMORY in statuses:
        return test.error is not None and test.error.type == "SIGKILL"
    return was_too_much(test) or Status.TIMED_OUT in statuses or Status.OUTPUT_LIMIT in statuses


def _claims(data: bytes) -> Mapping[str, Any]:
    """The fields of a record in which an honest program has few: nothing, where they fill the memory."""
    try:
        return fields_of(data)
    except MemoryError:
        return {}


def was_too_much(test: TestOutcome) -> bool:
    """Whether its answer took more to compare than it may."""
    # An exception of the program's own may have that name, but is no wrong answer.
    named = test.error is not None and test.error.type == _TOO_MUCH
    return named and Status.WRONG_ANSWER in test.statuses.values()


def exit_status(ended: Mapping[str, Any]) -> int:
    """What the program says of its end, where the kernel saw nothing; a forgery counts as a failure."""
    status = ended.get("exit", 0)
    return status if isinstance(status, int) and not isinstance(status, bool) else 1


_TOO_MUCH = "ComparisonBudget"
"""The name of an error: the program's own answer, and too much of it to be compared."""


def _not_compared(error: OverBudgetError | MemoryError | CheckError) -> ErrorInfo:
    stop()
    if isinstance(error, CheckError):
        return ErrorInfo("CheckError", str(error), None)
    what = "memory" if isinstance(error, MemoryError) else "time"
    return ErrorInfo(_TOO_MUCH, f"comparing the answer took more {what} than any right one does", None)


def _after(last: TestOutcome) -> TestOutcome:
    """The outcome of the tests after the last that was run: what does not compile fails them all."""
    statuses = {
        name: status if status is Status.SYNTAX_ERROR else Status.NOT_RUN
        for name, status in last.statuses.items()
    }
    if Status.SYNTAX_ERROR not in statuses.values():
        return TestOutcome(statuses)
    ran = {name: None for name, status in statuses.items() if status is not Status.SYNTAX_ERROR}
    return TestOutcome(statuses, last.error, errors=ran if last.error else {})


def summarise(tests: Sequence[TestOutcome], profiles: Sequence[Profile]) -> dict[str, Status]:
    """The verdict under each profile: passed if all did, else the status of the first that did not."""
    verdicts = {}
    for profile in profiles:
        statuses = [test.statuses[profile.name] for test in tests]
        failures = (status for status in statuses if status is not Status.PASSED)
        verdicts[profile.name] = next(failures, Status.PASSED) if statuses else Status.NOT_RUN
    return verdicts


def make_outcome(
    task_id: str,
    sample_id: int | str,
    tests: tuple[TestOutcome, ...],
    runs: Sequence[ProcessResult],
    profiles: Sequence[Profile],
    *,
    cut_short: bool = False,
) -> Outcome:
    """The outcome of a program from its tests and processes."""
    return Outcome(
        task_id=task_id,
        sample_id=sample_id,
        verdicts=summarise(tests, profiles),
        tests=tests,
        error=next((test.error for test in tests if test.error is not None), None),
        cpu_seconds=round(sum(run.cpu for run in runs), 6),
        peak_memory_mib=round(max((run.rss_kib for run in runs), default=0) / 1024, 1),
        cut_short=cut_short,
    )


def _graded(right: bool) -> Status:
    return Status.PASSED if right else Status.WRONG_ANSWER
