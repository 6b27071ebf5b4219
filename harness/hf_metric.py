"""The runner as an `evaluate.Metric`, for code that uses Hugging Face's `code_eval`.

    from harness.hf_metric import ProgramsPass
    scores, details = ProgramsPass().compute(predictions=[[code, …], …], references=[tests, …], k=[1, 10])

Differences from `code_eval`, each on purpose:

- programs run in the sandbox of `harness.runner`, so no `HF_ALLOW_CODE_EVAL=1` is asked for: that switch is
  the user's consent to run untrusted code with nothing in its way;
- the verdict is the grader's: the expected value of an assert that compares by `==` or `is` with a literal
  does not enter the program's process, and neither `sys.exit(0)` nor an object that equals everything passes.
  Tests of another form (`check(f)`, `abs(f(1) - 7) < 1e-6`) run inside as a whole, where a program could
  cheat: a warning says which share, and each of them has `ran_inside`;
- `k` beyond the number of programs of a task is refused, where `code_eval` silently leaves it out of the
  result; left alone, `k` means those of 1, 10 and 100 that fit;
- a failure of the grader is neither right nor wrong: the program is left out, with a warning.

Does not cover: references other than preparing statements followed by tests; they are refused.
Importing this module imports `evaluate` (the extra `rltf-harness[metric]`), which takes about a second.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from math import fsum
from typing import Any

import datasets
import evaluate

from harness.compare import PROFILES
from harness.errors import InfrastructureError, InputError
from harness.metrics.pass_at_k import pass_at_k
from harness.programs.task_ids import TaskIndex, UnknownTask, WrongSplit
from harness.service import GradingService
from harness.types import AssertTest, Benchmark, Job, Limits, Outcome, Problem, TestKind, TestSuite

DEFAULT_KS = (1, 10, 100)
"""As in `code_eval`."""

_DESCRIPTION = "pass@k of programs on unit tests, run in a sandbox and judged outside of it."
_INPUTS = """
Args:
    predictions: For each task, a list of programs.
    references: For each task, its tests as text: statements that prepare (imports, functions, values), then
        asserts or calls such as HumanEval's `check(f)`. With a benchmark, its task ids instead.
    k: Budgets for pass@k; default those of 1, 10 and 100 that every task has programs for.
    num_workers: Programs that run at a time; default the processors available.
    timeout: CPU seconds for loading a program and for each test; `code_eval` counts wall seconds of them all.
    profile: Comparison that decides, `strict` or `apps`. They are the same for asserts.
Returns:
    `{"pass@1": …, …}`, and by task a list of `(number of the program, details)` as in `code_eval`, where the
    details also hold the `outcome` of `harness.types`.
"""


class ProgramsPass(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """pass@k for `evaluate`; see the module."""

    def __init__(self, *args: Any, benchmark: Benchmark | None = None, **kwargs: Any) -> None:
        """`benchmark` makes references task ids of it; the rest is `evaluate.Metric`'s."""
        self._benchmark = benchmark
        super().__init__(*args, **kwargs)

    def _info(self) -> Any:
        text = datasets.Value("string")
        features = {"predictions": datasets.Sequence(text), "references": text}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features(features),
        )

    def _compute(
        self,
        predictions: Sequence[Sequence[str]],
        references: Sequence[str],
        k: Sequence[int] | None = None,
        num_workers: int | None = None,
        timeout: float = 3.0,
        *,
        profile: str = "strict",
    ) -> tuple[dict[str, float], dict[int, list[tuple[int, dict[str, Any]]]]]:
        ks = _budgets(predictions, k)
        if profile not in PROFILES:
            raise InputError(f"unknown profile {profile!r}; available: {', '.join(PROFILES)}")
        find = _reader(self._benchmark)
        problems = [find(task, reference) for task, reference in enumerate(references)]
        limits = Limits(cpu_seconds=timeout, load_cpu_seconds=timeout)
        with GradingService(workers=num_workers, limits=limits, profiles=(profile,)) as service:
            outcomes = sorted(service.run(_jobs(predictions, problems)), key=_place)
        _warn_of_insiders(outcomes)
        details: dict[int, list[tuple[int, dict[str, Any]]]] = {task: [] for task in range(len(problems))}
        for outcome in outcomes:
            details[int(outcome.task_id)].append((int(outcome.sample_id), _details(outcome, profile)))
        return _scores(details, ks), details


def _budgets(predictions: Sequence[Sequence[str]], k: Sequence[int] | None) -> list[int]:
    if not predictions:
        raise InputError("no predictions; give a list of programs for each reference")
    counts = [len(programs) for programs in predictions]
    fewest = min(counts)
    if fewest == 0:
        raise InputError(f"task {counts.index(0)} has no programs, so its pass@k is undefined; leave it out")
    if k is None:
        return [each for each in DEFAULT_KS if each <= fewest]
    for each in k:
        if not 1 <= each <= fewest:
            raise InputError(
                f"pass@{each} is undefined: task {counts.index(fewest)} has {fewest} programs;"
                f" pass k between 1 and {fewest}"
            )
    return list(k)


def _reader(benchmark: Benchmark | None) -> Callable[[int, str], Problem]:
    """What turns a reference into a problem."""
    if benchmark is None:
        return problem_from_tests
    index, problems = TaskIndex(benchmark), benchmark.by_id()

    def find(task: int, reference: str) -> Problem:
        try:
            problem = problems[index.resolve(reference)]
        except (UnknownTask, WrongSplit) as error:
            raise InputError(f"reference {task}: {error}") from None
        if not problem.suite.count:
            raise InputError(f"reference {task}: {problem.task_id} has no tests; leave it out")
        return problem

    return find


def problem_from_tests(task: int, reference: str) -> Problem:
    """A problem whose tests are the asserts and calls of a reference text.

    Args:
        task: Its place among the references; becomes the task id.
        reference: Preparing statements, then tests. Each assert is a test of its own. A bare call is one
            too, passed if it raises nothing; it has to run inside the program's process as a whole.

    Raises:
        InputError: If the text is not Python, has no test, or prepares something after the first test.
    """
    try:
        statements = ast.parse(reference).body
    except (SyntaxError, ValueError) as error:
        raise InputError(f"reference {task} is not Python: {error}") from None
    for statement in statements:
        if _hides_a_test(statement):
            raise InputError(
                f"reference {task}, line {statement.lineno}: a test inside a statement; write asserts on"
                " their own, or put them into a function and call it"
            )
    tests = [_test(statement) for statement in statements]
    first = next((place for place, test in enumerate(tests) if test is not None), None)
    if first is None:
        raise InputError(f"reference {task} has no test: write asserts, or a call such as `check(f)`")
    for statement, test in zip(statements[first:], tests[first:], strict=True):
        if test is None:
            raise InputError(
                f"reference {task}, line {statement.lineno}: only asserts and calls may follow the first"
                " test; move what prepares them to the top"
            )
    suite = TestSuite.pack(
        TestKind.ASSERTS,
        [AssertTest(test) for test in tests if test is not None],
        setup="\n".join(map(ast.unparse, statements[:first])),
    )
    return Problem(str(task), "", lambda: suite)


def _test(statement: ast.stmt) -> str | None:
    """The statement as an assert; `None` if it prepares instead."""
    if isinstance(statement, ast.Assert):
        return ast.unparse(statement)
    # A docstring or any other constant tests nothing.
    if isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
        return f"assert ({ast.unparse(statement.value)}, True)[1]"
    return None


def _hides_a_test(statement: ast.stmt) -> bool:
    """Whether a loop, condition or the like holds an assert, which would then prepare and not test."""
    if isinstance(statement, ast.Assert | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return any(isinstance(node, ast.Assert) for node in ast.walk(statement))


def _jobs(predictions: Sequence[Sequence[str]], problems: Sequence[Problem]) -> Iterator[Job]:
    for task, (programs, problem) in enumerate(zip(predictions, problems, strict=True)):
        for number, code in enumerate(programs):
            yield Job(str(task), number, code, problem)


def _warn_of_insiders(outcomes: Sequence[Outcome]) -> None:
    tests = [test for outcome in outcomes for test in outcome.tests]
    inside = sum(test.ran_inside for test in tests)
    if inside:
        warnings.warn(
            f"{inside} of {len(tests)} tests ({inside / len(tests):.0%}) ran inside the program's process"
            " as a whole: a program that means to could pass them unsolved; write `assert f(...) == literal`"
            " where that matters",
            stacklevel=4,
        )


def _place(outcome: Outcome) -> tuple[int, int]:
    return int(outcome.task_id), int(outcome.sample_id)


def _details(outcome: Outcome, profile: str) -> dict[str, Any]:
    return {
        "task_id": int(outcome.task_id),
        "passed": outcome.passed(profile),
        "result": outcome.infrastructure_error or _result(outcome, profile),
        "completion_id": int(outcome.sample_id),
        "ran_inside": sum(test.ran_inside for test in outcome.tests),
        "outcome": outcome,
    }


def _result(outcome: Outcome, profile: str) -> str:
    error = f": {outcome.error.type}: {outcome.error.message}" if outcome.error else ""
    return str(outcome.verdicts[profile]) + error


def _scores(details: dict[int, list[tuple[int, dict[str, Any]]]], ks: Sequence[int]) -> dict[str, float]:
    counts, lost = [], 0
    for results in details.values():
        graded = [each["passed"] for _, each in results if each["outcome"].infrastructure_error is None]
        lost += len(results) - len(graded)
        counts.append((len(graded), sum(graded)))
    if lost:
        warnings.warn(f"the grader failed on {lost} programs; they are left out of pass@k", stacklevel=3)
    scores = {}
    for k in ks:
        shares = [pass_at_k(n, c, k) for n, c in counts if n >= k]
        if not shares:
            raise InfrastructureError(f"pass@{k} is undefined: the grader failed on too many")
        scores[f"pass@{k}"] = fsum(shares) / len(shares)
    return scores
