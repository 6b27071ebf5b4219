"""SandboxFusion's `/run_code` and `/submit`, as verl, SkyRL, ROLL and its own client speak them.

Differences: Python only, other languages are refused with status 400; `execution_time` is CPU time; times
and memory asked for are capped by the server's; `fetch_files` is refused; memory over the limit is a
`MemoryError`; output over the limit fails. `/submit` compares with our profile, not by lower-cased lines
within 1e-5; its datasets are this server's benchmarks, or tests that travel along (`CommonOJDataset`).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from harness.errors import InputError
from harness.extraction import Extraction, Wanted, extract
from harness.runner.execution import Ending, TestExecution, check_files
from harness.server.answers import Json
from harness.server.bodies import from_base64
from harness.server.engine import Engine
from harness.server.origins import Refusal
from harness.server.settings import capped
from harness.types import ErrorInfo, Job, Outcome, Problem, Status, TestOutcome

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_MEMORY = "memory limit"
_OUTPUT = "output limit"
_LIMITS = {Status.OUT_OF_MEMORY: _MEMORY, Status.OUTPUT_LIMIT: _OUTPUT, Status.LOST: "lost"}


class RunCode(BaseModel):
    """A program to run."""

    code: str
    language: str
    stdin: str | None = None
    compile_timeout: Seconds = 10.0
    run_timeout: Seconds = 10.0
    memory_limit_MB: float = -1
    files: dict[str, str | None] = {}
    fetch_files: list[str] = []


class SubmitConfig(BaseModel):
    """How a completion is graded."""

    language: str | None = "python"
    run_timeout: Seconds | None = None
    mem_limit: float | None = None
    provided_data: dict[str, Any] | None = None
    extra: dict[str, Any] = {}


class Submit(BaseModel):
    """A model's answer to grade."""

    dataset: str = ""
    id: int | str = 0
    completion: str
    config: SubmitConfig = SubmitConfig()


def routes(engine: Engine) -> APIRouter:
    """`/run_code` and `/submit`."""
    router = APIRouter(tags=["SandboxFusion"])

    @router.post("/run_code")
    async def run_code(body: RunCode, request: Request) -> Json:
        """Run one program on one input."""
        if body.fetch_files:
            raise Refusal(400, "fetch_files: no files of a program leave the server")
        only_python(body.language)
        # In the reference the time-out is of the clock: a program that only sleeps has as much again.
        limits = capped(engine.settings.limits, cpu_seconds=body.run_timeout, memory_mib=body.memory_limit_MB)
        limits = replace(limits, wall_factor=1.0)
        files = _files(body.files)
        done = await engine.execute(client_of(request), body.code, body.stdin or "", files, limits)
        return Json(_run_response(done.tests[0] if done.tests else TestExecution(done.status)))

    @router.post("/submit")
    async def submit(body: Submit, request: Request) -> Json:
        """Grade a model's answer: its program is taken out first."""
        return Json(await evaluated(engine, request, body, lambda: _problem(engine, body)))

    return router


def client_of(request: Request) -> str:
    """Whose turn in the queue a request takes: its address."""
    return request.client.host if request.client else ""


def only_python(language: str | None) -> None:
    """Refuse other languages.

    Raises:
        Refusal: With status 400.
    """
    if language not in (None, "", "python", "python3"):
        raise Refusal(400, "language: only python is run here")


async def evaluated(
    engine: Engine, request: Request, body: Submit, find: Callable[[], Problem]
) -> dict[str, Any]:
    """Grade a completion on the problem that `find` gives; SandboxFusion's and ScaleBox's `EvalResult`."""
    only_python(body.config.language)
    client = client_of(request)
    read, job = await engine.prepare(client, lambda: _program(engine, body, find()))
    (outcome,) = await engine.grade(client, [job])
    return {
        "id": body.id,
        "accepted": outcome.passed(engine.profile),
        "extracted_code": read.code,
        "full_code": read.code,
        "test_code": None,
        "tests": [_test(engine.profile, test) for test in outcome.tests],
        "extracted_type": "fenced" if read.changed else "heuristic" if read.code.strip() else "empty",
        "extra": {"verdict": _verdict(engine.profile, outcome)},
    }


def _program(engine: Engine, body: Submit, problem: Problem) -> tuple[Extraction, Job]:
    read = extract(body.completion, "chat", wanted=Wanted.of(problem))
    limits = capped(
        engine.settings.limits,
        cpu_seconds=body.config.run_timeout,
        memory_mib=body.config.mem_limit,
        stop_at_first_failure=body.config.extra.get("run_all_cases") is False,
    )
    return read, Job(problem.task_id, 0, read.code, problem, limits)


def _verdict(profile: str, outcome: Outcome) -> str:
    return outcome.verdicts[profile].value


def _problem(engine: Engine, body: Submit) -> Problem:
    data = body.config.provided_data
    return _named(engine, body.dataset, body.id) if data is None else _provided(engine, data)


def _provided(engine: Engine, data: Mapping[str, Any]) -> Problem:
    """Tests in the form of `CommonOJDataset`, or in any other that is read."""
    tests = data.get("test")
    if not isinstance(tests, list):
        return engine.problem(data)
    try:
        rows = [
            {"input": row["input"].get("stdin") or "", "output": row["output"]["stdout"]} for row in tests
        ]
    except (TypeError, KeyError, AttributeError):
        raise Refusal(400, "provided_data.test: rows with input.stdin and output.stdout are needed") from None
    return engine.problem(rows)


def _named(engine: Engine, dataset: str, number: int | str) -> Problem:
    for task_id in (str(number), f"{dataset}/{number}"):
        if task_id in engine.problems:
            return engine.problem({"task_id": task_id})
    splits = {benchmark.name: benchmark.split for benchmark in engine.settings.benchmarks}
    return engine.problem({"task_id": f"{dataset}/{splits.get(dataset, '')}/{number}"})


def _files(files: Mapping[str, str | None]) -> dict[str, bytes]:
    given = {}
    for name, data in files.items():
        if data is not None:
            try:
                given[name] = from_base64(data)
            except ValueError as error:
                raise Refusal(400, f"files: {error}") from None
    try:
        check_files(given)
    except InputError as error:
        raise Refusal(400, str(error)) from None
    return given


def _run_response(done: TestExecution) -> dict[str, Any]:
    result, message = _run_result(done), ""
    if done.status is Ending.OUT_OF_MEMORY:
        message = _MEMORY
    elif done.status is Ending.OUTPUT_LIMIT:
        message = _OUTPUT
    return _response(result, message)


def _response(result: Mapping[str, Any], message: str) -> dict[str, Any]:
    right = result["status"] == "Finished" and result["return_code"] == 0
    return {
        "status": "Success" if right else "Failed",
        "message": message,
        "compile_result": None,
        "run_result": result,
        "executor_pod_name": None,
        "files": {},
    }


def _run_result(done: TestExecution) -> dict[str, Any]:
    timed_out = done.status is Ending.TIMED_OUT
    return {
        "status": "TimeLimitExceeded" if timed_out else "Finished",
        "execution_time": done.cpu_seconds,
        "cpu_time": done.cpu_seconds,
        "return_code": None if timed_out else _return_code(done),
        "stdout": done.stdout,
        "stderr": done.stderr + _traceback(done),
    }


def _return_code(done: TestExecution) -> int:
    """As of Python's `subprocess`; never 0 for what has not ended well."""
    if done.status is Ending.OK:
        return 0
    if done.status is Ending.LOST:
        return -signal.SIGKILL
    if done.signal is not None:
        return -getattr(signal, done.signal, signal.SIGKILL)
    return done.exit_code or 1


def _traceback(done: TestExecution) -> str:
    """What Python would have printed of an exception, as far as it is known."""
    if done.status is Ending.OUTPUT_LIMIT:
        return f"{_OUTPUT}\n"
    error = done.error
    if done.status is Ending.OUT_OF_MEMORY and (error is None or "Memory" not in error.type):
        error = ErrorInfo("MemoryError", _MEMORY, error.line if error else None)
    if error is None or error.type.startswith("SIG") or error.type == "SystemExit":
        return ""
    where = f'  File "main.py", line {error.line}\n' if error.line is not None else ""
    text = f"{error.type}: {error.message}" if error.message else error.type
    return f"Traceback (most recent call last):\n{where}{text}\n"


def _test(profile: str, test: TestOutcome) -> dict[str, Any]:
    """One test of a graded program; what it printed is not kept."""
    status = test.statuses[profile]
    error = test.error_under(profile)
    timed_out = status is Status.TIMED_OUT
    well = status in (Status.PASSED, Status.WRONG_ANSWER)
    result = {
        "status": "TimeLimitExceeded" if timed_out else "Finished",
        "execution_time": test.cpu_seconds,
        "cpu_time": test.cpu_seconds,
        "return_code": None if timed_out else 0 if well else 1,
        "stdout": None,
        "stderr": f"{error.type}: {error.message}" if error else "",
    }
    return {
        "passed": status is Status.PASSED,
        "exec_info": _response(result, _LIMITS.get(status, "")),
        "test_info": {"status": status.value},
    }
