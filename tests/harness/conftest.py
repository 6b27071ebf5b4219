"""Finished run folders for tests of reports (the real `evaluate`, a stand-in for the grader), and kills."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from harness.evaluate.evaluation import Plan, evaluate
from harness.programs.source import ProgramFile
from harness.types import (
    Benchmark,
    ErrorInfo,
    Job,
    Limits,
    Outcome,
    Problem,
    Status,
    StdinTest,
    TestKind,
    TestOutcome,
    TestSuite,
)

ONE_TEST = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")])
NO_TESTS = TestSuite.pack(TestKind.STDIN, [])


class _Grader:
    """A program says how it ends: `passed`, `wrong_answer`, `runtime_error TypeName`, `lost`, …"""

    def __init__(self, overrides: Mapping[str, str], profiles: Sequence[str] = ("strict", "apps")) -> None:
        self._overrides, self._profiles = overrides, profiles

    def describe(self) -> dict[str, str]:
        return {}

    def cancel(self) -> None:
        pass

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        for job in jobs:
            if job is None:  # none for the moment
                continue
            yield self._grade(job, self._overrides.get(job.code.splitlines()[0], job.code))

    def _grade(self, job: Job, code: str) -> Outcome:
        word, _, name = code.splitlines()[0].partition(" ")
        if word == "lost" or job.problem.suite.count == 0:
            verdicts = dict.fromkeys(self._profiles, Status.NOT_RUN)
            error = "worker lost" if word == "lost" else None
            return Outcome(job.task_id, job.sample_id, verdicts, infrastructure_error=error)
        error = ErrorInfo(name, "", 1) if name else None
        both = dict.fromkeys(self._profiles, Status(word))
        return Outcome(job.task_id, job.sample_id, both, (TestOutcome(both, error),), error, 0.1)


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """`make_run(name, {task: [word, …]})` gives the folder of a finished run of benchmark `mbpp`, `test`."""

    def make(
        name: str,
        programs: Mapping[str, Sequence[str]],
        *,
        benchmark: str = "mbpp",
        split: str = "test",
        levels: Mapping[str, str] | None = None,
        without_tests: Sequence[str] = (),
        verdicts: Mapping[str, str] | None = None,
        **changes: object,
    ) -> Path:
        problems = [
            Problem(
                task,
                "",
                lambda task=task: NO_TESTS if task in without_tests else ONE_TEST,
                difficulty=(levels or {}).get(task),
            )
            for task in programs
        ]
        rows = [
            {"task_id": task, "sample_id": number, "code": f"{word}\n# {task} {number}"}
            for task, words in programs.items()
            for number, word in enumerate(words)
        ]
        source = tmp_path / f"{name.replace('/', '_')[:40]}.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        made = Benchmark(benchmark, split, "1", problems, "hash", "made here")
        options = {"limits": Limits(), "profiles": {"strict": "1", "apps": "1"}} | changes
        plan = Plan(benchmark=made, programs=ProgramFile(source), **options)
        folder = tmp_path / name
        evaluate(plan, folder, lambda: nullcontext(_Grader(verdicts or {}, tuple(options["profiles"]))))
        return folder

    return make


_STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "fcntl.flock", "os.truncate")


@pytest.fixture
def killed_at() -> Callable[[int, Path, Callable[[], object]], bool]:
    """`killed_at(step, folder, work)`: whether a child that kills itself at its `step`-th file operation in
    `folder` got there while it did `work`."""

    def run(step: int, folder: Path, work: Callable[[], object]) -> bool:
        child = os.fork()
        if child == 0:
            left = [step]

            def watch(event, arguments):
                if event in _STEPS and (event != "open" or folder.name in str(arguments[0])):
                    left[0] -= 1
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(watch)
            try:
                work()
            finally:
                os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

    return run
