"""Finished run folders for tests of reports (the real `evaluate`, a stand-in for the grader), and kills."""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import NO_TESTS, ONE_TEST, FakeGrader, lost, not_run, outcome_of

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
)


def _says(overrides: Mapping[str, str], profiles: Sequence[str]) -> Callable[[Job], Outcome]:
    """A program says how it ends: `passed`, `wrong_answer`, `runtime_error TypeName`, `lost`, …"""

    def grade(job: Job) -> Outcome:
        first = job.code.splitlines()[0]
        word, _, name = overrides.get(first, first).partition(" ")
        if word == "lost":
            return lost(job, profiles)
        if job.problem.suite.count == 0:
            return not_run(job, profiles)
        error = ErrorInfo(name, "", 1) if name else None
        return replace(outcome_of(job, Status(word), error, profiles), cpu_seconds=0.1)

    return grade


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
        profiles = tuple(options["profiles"])
        evaluate(plan, folder, lambda: nullcontext(FakeGrader(_says(verdicts or {}, profiles))))
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
