"""Programs read out of completions, and graded while the next completions are made.

Does not cover: what is asked of the model, or what the verdicts are worth (`rltf.rollout.rollout`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from harness.evaluate.evaluation import Grader
from harness.extraction import extract_program
from harness.models import Completion, Finish
from harness.service import GradingService
from harness.types import Job, Outcome, Problem

Key = tuple[str, int, bool]
"""Problem, number of the sample, whether it is the greedy one."""


@dataclass(frozen=True, slots=True)
class Program:
    """A completion, and the program in it."""

    completion: Completion
    code: str
    temperature: float | None
    """`None` for the greedy one."""

    @property
    def key(self) -> Key:
        return self.completion.task_id, self.completion.sample_id, self.temperature is None


def read_program(completion: Completion, temperature: float | None) -> Program:
    """The program in a completion that was made at `temperature`."""
    truncated = completion.finish is Finish.LENGTH
    code = extract_program(completion.text, completion.prompt, truncated=truncated).code
    return Program(completion, code, temperature)


def grade_beside(
    programs: Iterable[Program],
    problems: Mapping[str, Problem],
    grader: Grader,
    seconds: dict[str, float],
) -> Callable[[], list[tuple[Program, Outcome]]]:
    """Take all `programs`, and have each graded while the next are made.

    Args:
        programs: Made as they are taken.
        problems: By task id.
        grader: Used in a thread, until what is returned has been called.
        seconds: Gets the time of taking, `sampling`, and of waiting for the verdicts then, `grading`.

    Returns:
        What waits for the verdicts and gives them.
    """

    service = GradingService(runner=grader)
    graded: list[tuple[Program, Future[Outcome]]] = []
    try:
        with timed(seconds, "sampling"):
            for number, program in enumerate(programs):
                task_id = program.completion.task_id
                job = Job(task_id, number, program.code, problems[task_id])
                graded.append((program, service.submit(job)))
    except BaseException:
        service.close()
        raise

    def verdicts() -> list[tuple[Program, Outcome]]:
        with timed(seconds, "grading"):
            try:
                return [(program, future.result()) for program, future in graded]
            finally:
                service.close()

    return verdicts


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the time of the block to `seconds`."""
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
