"""`POST /v1/grade`, our own: many programs, tests or task ids, limits, a profile; rows of `outcomes.jsonl`.

Does not cover: taking programs out of answers, but for `extract`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from harness.extraction import RULES, Wanted, extract
from harness.run_store.records import outcome_row
from harness.server.answers import Json
from harness.server.engine import Engine
from harness.server.origins import Refusal
from harness.server.sandbox_fusion import Seconds, client_of
from harness.server.settings import capped
from harness.types import Job, Limits, Outcome, Problem


class AskedLimits(BaseModel):
    """What each program may use; never more than the server's own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    cpu_seconds: Seconds | None = None
    memory_mib: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    stop_at_first_failure: bool = False


class Program(BaseModel):
    """One program."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: str = Field(description="A program, or with `extract` a model's answer.")
    task_id: str | None = Field(None, description="Of a benchmark of this server; its tests are used.")
    tests_digest: str | None = Field(
        None, description="Of the task's tests as the client has them; others are refused."
    )
    sample_id: int | str | None = Field(None, description="Comes back in the outcome; by default the place.")


class Grade(BaseModel):
    """Programs to grade."""

    model_config = ConfigDict(extra="forbid", strict=True)

    programs: list[Program | str]
    task_id: str | None = Field(None, description="Of all programs that name none.")
    tests: Any = Field(
        None,
        description="Of all programs without a task id:"
        ' {"kind": "stdin", "tests": [{"input": "1", "output": "2"}]},'
        ' {"kind": "call", "entry_point": "f", "tests": [{"args": [1], "expected": 2}]},'
        ' {"kind": "asserts", "tests": ["assert f(1) == 2"]}, or any ground truth of the trainers.',
    )
    profile: str | None = Field(None, description="One of the server's comparison profiles; all without it.")
    limits: AskedLimits = AskedLimits()
    extract: str | None = Field(
        None,
        description="Rule by which programs are taken out of answers, `chat`.",
        json_schema_extra={"enum": [*RULES, None]},
    )


class Graded(BaseModel):
    """What came of programs."""

    outcomes: list[dict[str, Any]] = Field(description="Rows as in outcomes.jsonl, in the programs' order.")


class Info(BaseModel):
    """What a server is started with."""

    profiles: list[str]
    benchmarks: list[str]
    limits: dict[str, float]


def routes(engine: Engine) -> APIRouter:
    """`/v1/grade` and `/v1/info`."""
    router = APIRouter(prefix="/v1", tags=["native"])

    @router.post("/grade", responses={200: {"model": Graded}})
    async def grade(body: Grade, request: Request) -> Json:
        """Grade programs: one row as in outcomes.jsonl for each, in their order."""
        if body.profile is not None and body.profile not in engine.settings.profiles:
            raise Refusal(400, f"profile: this server has {', '.join(engine.settings.profiles)}")
        if body.extract is not None and body.extract not in RULES:
            raise Refusal(400, f"extract: one of {', '.join(RULES)}")
        engine.check_count(len(body.programs))
        client = client_of(request)
        jobs = await engine.prepare(client, lambda: _jobs(engine, body))
        outcomes = await engine.grade(client, jobs)
        return Json({"outcomes": [_row(outcome, body.profile) for outcome in outcomes]})

    @router.get("/info", responses={200: {"model": Info}})
    async def info() -> Json:
        """Profiles, benchmarks and limits of this server."""
        limits = engine.settings.limits
        return Json(
            {
                "profiles": list(engine.settings.profiles),
                "benchmarks": [f"{each.name}:{each.split}" for each in engine.settings.benchmarks],
                "limits": {"cpu_seconds": limits.cpu_seconds, "memory_mib": limits.memory_mib},
            }
        )

    return router


def _jobs(engine: Engine, body: Grade) -> list[Job]:
    limits = capped(engine.settings.limits, **body.limits.model_dump())
    found: dict[str | None, Problem] = {}
    return [_job(engine, body, number, limits, found) for number in range(len(body.programs))]


def _job(engine: Engine, body: Grade, number: int, limits: Limits, found: dict[str | None, Problem]) -> Job:
    given = body.programs[number]
    program = _plain(given) if isinstance(given, str) else given
    task_id = program.task_id or body.task_id
    if task_id not in found:
        if task_id is None and body.tests is None:
            raise Refusal(400, f"programs[{number}]: neither tests nor a task_id")
        found[task_id] = engine.problem({"task_id": task_id} if task_id is not None else body.tests)
    problem, code = found[task_id], program.code
    if program.tests_digest is not None:
        if task_id is None:
            raise Refusal(400, f"programs[{number}]: tests_digest goes with a task_id")
        engine.check_tests(problem, program.tests_digest)
    if body.extract is not None:
        code = extract(code, body.extract, wanted=Wanted.of(problem)).code
    sample_id = number if program.sample_id is None else program.sample_id
    return Job(problem.task_id, sample_id, code, problem, limits)


def _plain(code: str) -> Program:
    return Program(code=code, task_id=None, tests_digest=None, sample_id=None)


def _row(outcome: Outcome, profile: str | None) -> Mapping[str, Any]:
    row = outcome_row(outcome)
    if profile is None:
        return row
    for name in set(outcome.verdicts) - {profile}:
        del row["verdicts"][name], row["pass_ratio"][name]
        for test in row["tests"]:
            del test[name]
    return row
