"""HumanEval+ and MBPP+ (EvalPlus; Liu et al. 2023, arXiv:2305.01210): the tasks with some 100 inputs each.

The data holds inputs and a reference solution. What is expected comes of running that once in the sandbox,
and is kept in the user's cache under the data's hash. Each program is run on the base inputs, then on the
added ones, and gets EvalPlus' base status as `evalplus-base` and its plus status as `evalplus`.

Covers: rows from files, types of inputs that JSON lost, prompts, profiles, errata.
Does not cover: the hub's copies of the data, which have no inputs but a program with all of it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.evalplus.cases import Answer, Task, long_outputs, make_suite
from benchmarks.evalplus.digests import SETUP, digested
from benchmarks.evalplus.prompts import HUMANEVAL_PROMPTS, MBPP_PROMPTS
from benchmarks.evalplus.rows import HUMANEVAL, MBPP, Source, read_tasks
from harness.datasource import DataHash, read_errata
from harness.errors import InputError
from harness.suites import Reference, reference_outputs
from harness.types import Benchmark, Limits, Problem, PromptFormat, TestSuite

VERSION = "1"
"""Raised whenever prompt, extraction or comparison changes scores; README.md logs why."""
PROFILES = ("benchmarks.evalplus.profiles:EVALPLUS", "benchmarks.evalplus.profiles:EVALPLUS_BASE")
LIMITS = Limits(cpu_seconds=4.0, memory_mib=4096)
"""EvalPlus: at least 4 s an input and 4 GiB (its evalplus/config.py and evalplus/eval/__init__.py)."""

_RUNNING = threading.Lock()
"""One run of the references at a time, however many threads ask."""


def load_humaneval(*, split: str = "v0.1.10", data_dir: str | Path | None = None) -> Benchmark:
    """HumanEval+, tasks in id order.

    Args:
        split: version of the data.
        data_dir: folder with `humaneval/` in it, or that folder itself; else `$RLTF_DATA`.

    Raises:
        InputError: If there is no such version.
        DatasetError: If the data is not found or malformed.
    """
    return _load(HUMANEVAL, split, data_dir, HUMANEVAL_PROMPTS)


def load_mbpp(*, split: str = "v0.2.0", data_dir: str | Path | None = None) -> Benchmark:
    """MBPP+, tasks in id order; arguments and errors as for `load_humaneval`, the folder is `mbpp/`."""
    return _load(MBPP, split, data_dir, MBPP_PROMPTS)


@dataclass(eq=False)
class _Expected:
    """What the references return, all of them at once when it is first asked for."""

    name: str
    dataset_hash: str
    tasks: Mapping[int, Task]
    found: Mapping[str, Sequence[Answer]] | None = field(default=None, repr=False)

    def answers(self, task: Task) -> Sequence[Answer]:
        with _RUNNING:
            if self.found is None:
                self.found = self._run()
        return self.found[task.task_id]

    def _run(self) -> dict[str, list[Answer]]:
        """What all return; where that is too long to be compared, its digest."""
        calls = {each.task_id: each.expressions() for each in self.tasks.values()}
        code = {each.task_id: each.solution for each in self.tasks.values()}
        outputs = reference_outputs(
            self.name, self.dataset_hash, [Reference(name, code[name], calls[name]) for name in calls]
        )
        long = {name: places for name in calls if (places := long_outputs(outputs[name]))}
        digests = reference_outputs(
            f"{self.name}-long",
            self.dataset_hash,
            [
                Reference(name, code[name], [digested(calls[name][place]) for place in places], SETUP)
                for name, places in long.items()
            ],
        )
        found = {
            name: [Answer(*pair) for pair in zip(calls[name], outputs[name], strict=True)] for name in calls
        }
        for name, places in long.items():
            for place, output in zip(places, digests[name], strict=True):
                found[name][place] = Answer(digested(calls[name][place]), output, digest=True)
        return found


@dataclass(eq=False, slots=True)
class _Packed:
    """What one task holds in memory beside its statement."""

    task: Task
    expected: _Expected
    suite: TestSuite | None = field(default=None, repr=False)
    """Once it is made, which takes some 20 ms."""

    def load_suite(self) -> TestSuite:
        if self.suite is None:
            self.suite = make_suite(self.task, self.expected.answers(self.task))
        return self.suite

    def load_solutions(self) -> Sequence[str]:
        return (self.task.solution,)


def _load(
    source: Source, split: str, data_dir: str | Path | None, prompts: Mapping[str, PromptFormat]
) -> Benchmark:
    if split not in source.versions:
        raise InputError(
            f"{source.benchmark} has no split {split!r}; available: {', '.join(source.versions)}"
        )
    path, tasks = read_tasks(source, split, data_dir)
    data_hash = DataHash()
    for number, task in tasks.items():
        data_hash.add(number, map(json.dumps, task.fields))
    expected = _Expected(f"{source.benchmark}-{split}", data_hash.hexdigest(), tasks)
    problems = [_problem(tasks[number], expected) for number in sorted(tasks)]
    ids = {problem.task_id for problem in problems}
    errata = read_errata(__name__, f"{source.benchmark}/")
    return Benchmark(
        name=source.benchmark,
        split=split,
        version=VERSION,
        problems=problems,
        dataset_hash=data_hash.hexdigest(),
        source=str(path),
        errata={task_id: cause for task_id, cause in errata.items() if task_id in ids},
        prompts=prompts,
        profiles=PROFILES,
        limits=LIMITS,
        foreign_ids=source.foreign_ids(split),
    )


def _problem(task: Task, expected: _Expected) -> Problem:
    packed = _Packed(task, expected)
    return Problem(
        task_id=task.task_id,
        question=task.prompt,
        code_prompt=task.prompt,
        load_suite=packed.load_suite,
        load_solutions=packed.load_solutions,
    )
