"""Problems, jobs and outcomes: the words in which every part of the project speaks.

Covers: what a benchmark hands to the runner and what the runner hands back.
Does not cover: how a program is run (`harness.runner`) or what counts as equal (`harness.compare`).

Units everywhere: seconds for time, MiB for memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, Protocol

from harness.problem_tests import (
    AssertTest,
    CallTest,
    Checker,
    PreamblePart,
    StdinTest,
    Test,
    TestKind,
    TestSuite,
    ValueTest,
)

__all__ = [
    "AssertTest", "Benchmark", "CallTest", "Checker", "ErrorInfo", "ExtractionRule", "Job", "Limits",
    "Listed", "Outcome", "Pick", "Piece", "PreamblePart", "Problem", "PromptFormat", "Status", "StdinTest",
    "Test", "TestKind", "TestOutcome", "TestSuite", "ValueTest",
]  # fmt: skip


class Status(StrEnum):
    """What happened to one test, or to a whole program."""

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"
    """An exception, a non-zero exit, or a death by a signal that no limit of ours explains."""
    SYNTAX_ERROR = "syntax_error"
    """The program does not compile; no test was run."""
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    NOT_RUN = "not_run"
    """Skipped: an earlier test timed out, or the grader itself failed (`Outcome.infrastructure_error`)."""
    LOST = "lost"
    """The grader's processes were lost whenever the program ran, at last alone between two checks that held:
    it has failed, for no line's fault. Never kept for later runs, and tried again where a run is resumed."""


@dataclass(frozen=True, eq=False)
class Problem:
    """One problem of a benchmark."""

    task_id: str
    """`mbpp/11`, `apps/test/65`, `mini/test/3`."""
    question: str
    """The statement, as the data gives it."""
    load_suite: Callable[[], TestSuite] = field(repr=False)
    """Makes the tests when asked: most of a benchmark's bytes are tests."""
    difficulty: str | None = None
    starter_code: str = ""
    code_prompt: str = ""
    """Code that a completion goes on from: in front of a completion, it makes a whole program."""
    load_solutions: Callable[[], Sequence[str]] = field(default=tuple, repr=False)
    """The benchmark's own solutions, possibly none."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What the benchmark's own code wants to know; nobody else reads it."""
    public_tests: Sequence[Test] = ()
    """Tests that a prompt may show. What is not here is hidden: it decides, and no model may see it."""

    @property
    def suite(self) -> TestSuite:
        """The tests; a suite of `count` 0 makes the problem unscorable."""
        return self.load_suite()

    def loaded(self) -> Problem:
        """The same with its tests in memory: each look at `suite` may load them anew, in a millisecond."""
        suite = self.suite
        return replace(self, load_suite=lambda: suite)

    @property
    def solutions(self) -> Sequence[str]:
        """Reference programs, possibly none."""
        return self.load_solutions()


class Listed(Protocol):
    """What a problem can be chosen by: a `Problem`, or less of it."""

    @property
    def task_id(self) -> str:
        """As of `Problem`."""

    @property
    def difficulty(self) -> str | None:
        """As of `Problem`."""


Pick = Callable[[str, Sequence[Listed]], Set[str]]
"""Task ids that are wanted of all that a benchmark has, in its order. The first argument is the benchmark's
name, for the `InputError` that is raised where something wanted is not there."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a prompt."""

    text: str
    cut: bool = False
    """May be shortened where the prompt is too long for the model; the rest is what gives it its form."""
    role: Literal["system", "user"] = "user"
    """Whose message it is part of, where the format is a chat format."""


@dataclass(frozen=True, slots=True)
class ExtractionRule:
    """How a program is read out of a model's answer; see `harness.extraction`."""

    name: str
    version: str
    """Raised whenever another program comes out for some answer; goes into the manifest."""
    steps: tuple[Callable[[str, Any], str], ...]
    """Each from text to text, with a `harness.extraction.steps.Context`; each only takes away."""


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """How a problem is put to a model, and how a program is read out of the answer."""

    name: str
    version: str
    """Raised with every change of what the model gets, of `stop` or of `extraction`."""
    build: Callable[[Problem], Sequence[Piece]]
    source: str
    """Whose spelling it is, in a line."""
    stop: tuple[str, ...] = ()
    """The answer ends before the first of them."""
    extraction: str | ExtractionRule = "answer"
    """How the program is read out of the answer: a rule of `harness.extraction.RULES`, or one of your own."""
    in_program: bool = False
    """The prompt is the program's beginning, and the answer goes on from it."""
    chat: bool = False
    """The text is what a user says, and a system message before it where pieces have that role; a model with
    a chat template gets it through that."""
    kinds: tuple[TestKind, ...] = tuple(TestKind)
    """Kinds of problem that it can put."""


@dataclass(frozen=True)
class Benchmark:
    """A named, versioned set of problems, and the rules by which they are put to models and graded."""

    name: str
    split: str
    version: str
    """Raised whenever prompt, extraction or comparison changes scores."""
    problems: Sequence[Problem]
    dataset_hash: str
    """Hex SHA-256 of the data as read."""
    source: str
    """Where the data came from, for the manifest."""
    errata: Mapping[str, str] = field(default_factory=dict)
    """Known bad problems: task id to cause. Never edited into the data."""
    prompts: Mapping[str, PromptFormat | str] = field(default_factory=dict)
    """Its formats by name, the default first; `"module:attribute"` names one of another benchmark."""
    profiles: Sequence[str] = ("strict", "apps")
    """Comparison profiles that it is graded under: names of `harness.compare.PROFILES`, or
    `"package.module:ATTRIBUTE"` of a `harness.compare.Profile` of its own."""
    limits: Limits | None = None
    """What its programs may use where the user says nothing else; `None` for the commands' own defaults."""
    difficulties: Sequence[str] = ()
    """Its words for difficulty, from easy to hard; tables keep that order."""
    notes: Sequence[str] = ()
    """Sentences on it that belong beside every score; reports show them."""
    foreign_ids: Mapping[str, str] = field(default_factory=dict)
    """Spellings of task ids (a regular expression) that another data set has for other problems, and what to
    tell whoever hands in programs for them."""

    def __len__(self) -> int:
        return len(self.problems)

    def by_id(self) -> dict[str, Problem]:
        """Problems by task id."""
        return {problem.task_id: problem for problem in self.problems}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. The defaults are the evaluation's; part of the cache key."""

    cpu_seconds: float = 4.0
    """Per test, user plus system, read from the kernel. 4 s is the reference graders' wall limit. CPU time
    is not exact: a test is timed out if three runs were all over by a tenth, or the first by a quarter."""
    load_cpu_seconds: float = 4.0
    """For compiling and importing the program."""
    program_cpu_seconds: float | None = None
    """For all tests of a program together; `None` for no such limit. The reference APPS grader stops at 11 s
    (of wall time), and then counts every test as failed; here those that had passed stay passed."""
    wall_factor: float = 3.0
    """Idle time (neither running nor waiting for a processor) allowed, in multiples of the CPU limit."""
    memory_mib: int = 2048
    """Address space beyond what the child starts with: absolute limits once zeroed whole runs."""
    output_mib: int = 16
    """Per file written, stdout included, and per set of returned values."""
    program_idle_seconds: float = 60.0
    """Idle time allowed for all tests of a program together."""
    stop_at_first_timeout: bool = True
    """Report the tests after a time-out as `not_run`, so an endless loop costs one limit, not twenty."""
    stop_at_first_failure: bool = False
    """Report the tests after the first that fails under every profile as `not_run`. Verdicts, and pass@k, are
    the same, and known sooner; pass ratios are not, so rewards that count tests need the default."""
    costly_tests_after_failure: int | None = 4
    """Tests that a program gets after it has failed under every profile, of those that use half a limit or
    more, or that go beyond what it may use in all (`harness.runner.failed_costs`); `None` for all. The one
    beyond them is `timed_out`, the rest `not_run`; see `Outcome.cut_short`."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not isinstance(value, bool) and not value > 0:
                raise ValueError(f"{name} must be positive, got {value!r}")


@dataclass(frozen=True, slots=True)
class Job:
    """One program to grade."""

    task_id: str
    sample_id: int | str
    code: str
    problem: Problem
    limits: Limits | None = None
    """What it may use; `None` for the runner's limits."""
    files: Mapping[str, bytes] = field(default_factory=dict, hash=False)
    """Small files that each of its processes finds in its folder, by name; see `harness.runner.execution`."""


class _PickledAsCall:
    """Is pickled as a call with its fields: as frozen dataclasses with slots do it takes thrice as long."""

    __slots__: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), tuple(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class ErrorInfo(_PickledAsCall):
    """Why a test did not end normally, as data."""

    type: str
    """Exception class name (`ZeroDivisionError`), or a signal's name (`SIGSEGV`)."""
    message: str
    line: int | None
    """1-based line in the user's program: the deepest of its frames; `None` when no line is to blame."""


@dataclass(frozen=True, slots=True)
class TestOutcome(_PickledAsCall):
    """What happened to one test."""

    __test__ = False

    statuses: Mapping[str, Status]
    """By profile name."""
    error: ErrorInfo | None = None
    cpu_seconds: float = 0.0
    ran_inside: bool = False
    """An assert that could not be split, so the expected value entered the program's process."""
    errors: Mapping[str, ErrorInfo | None] = field(default_factory=dict)
    """By profile, where it is not `error`: a stray `return` is an error to profiles that want a script, and
    those that run the body of a function have the run's own."""

    def error_under(self, profile: str) -> ErrorInfo | None:
        """The error that `profile` saw."""
        return self.errors.get(profile, self.error)


@dataclass(frozen=True, slots=True)
class Outcome(_PickledAsCall):
    """What the runner says about one program."""

    task_id: str
    sample_id: int | str
    verdicts: Mapping[str, Status]
    """By profile: `passed` if every test passed, else the status of the first test that did not.

    `not_run` for every profile when `infrastructure_error` is set or the problem has no tests.
    """
    tests: tuple[TestOutcome, ...] = ()
    """One per test, in the problem's order."""
    error: ErrorInfo | None = None
    """Of the first test that has one."""
    cpu_seconds: float = 0.0
    """All of the program's processes, loading included."""
    peak_memory_mib: float = 0.0
    """Largest resident set among the program's processes."""
    infrastructure_error: str | None = None
    """The grader failed, again and again, and not the program: neither a wrong answer nor a reward."""
    unusable_tests: bool = False
    """It failed because the problem's own tests, or its checker, can't be used: no second try helps."""
    cached: bool = False
    cut_short: bool = False
    """It had failed, and was costly: not all of its tests were run; see `Limits.costly_tests_after_failure`.

    Its verdicts are what they would be, its pass ratios may be lower."""

    @property
    def unscorable(self) -> bool:
        """The problem has no tests, so nothing can be said of the program."""
        return not self.tests and self.infrastructure_error is None

    @property
    def lost(self) -> bool:
        """Whether the program failed by costing the grader its processes; see `Status.LOST`."""
        return Status.LOST in self.verdicts.values()

    def passed(self, profile: str) -> bool:
        """Whether every test passed under `profile`."""
        return self.verdicts[profile] is Status.PASSED

    def pass_ratio(self, profile: str) -> float:
        """Share of the tests passed under `profile`, 0 to 1; 0 without tests."""
        if not self.tests:
            return 0.0
        return sum(test.statuses[profile] is Status.PASSED for test in self.tests) / len(self.tests)
