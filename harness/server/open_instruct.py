"""open-instruct's `/test_program` (asserts) and `/test_program_stdio`.

Differences: all tests share the server's own time limits where the client asks for more; `runtimes` are CPU
seconds, -1 where a test did not pass, as there.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from harness.server.answers import Json
from harness.server.engine import Engine
from harness.server.sandbox_fusion import Seconds, client_of
from harness.server.settings import capped
from harness.types import Job, Status


class TestProgram(BaseModel):
    """A program and its tests."""

    __test__ = False

    program: str
    tests: str | list[Any]
    max_execution_time: Seconds = 1.0


def routes(engine: Engine) -> APIRouter:
    """Both routes; tests tell by themselves of which kind they are."""
    router = APIRouter(tags=["open-instruct"])

    @router.post("/test_program")
    @router.post("/test_program_stdio")
    async def test_program(body: TestProgram, request: Request) -> Json:
        """Which tests a program passes."""
        client = client_of(request)
        problem = await engine.prepare(client, lambda: engine.problem(body.tests))
        limits = capped(engine.settings.limits, cpu_seconds=body.max_execution_time)
        job = Job(problem.task_id, 0, body.program, problem, limits)
        (outcome,) = await engine.grade(client, [job])
        passed = [test.statuses[engine.profile] is Status.PASSED for test in outcome.tests]
        seconds = [
            test.cpu_seconds if right else -1.0 for test, right in zip(outcome.tests, passed, strict=True)
        ]
        return Json({"results": [int(right) for right in passed], "runtimes": seconds})

    return router
