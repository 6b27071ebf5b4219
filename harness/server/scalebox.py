"""ScaleBox's `/common_evaluate_batch` and `/common_evaluate`: a completion with its tests, one request each.

Differences: tests are compared by our profile; all tests are run unless `extra.run_all_cases` is false.
"""

from __future__ import annotations

from fastapi import APIRouter, Request

from harness.server.answers import Json
from harness.server.engine import Engine
from harness.server.guard import Refusal
from harness.server.sandbox_fusion import Submit, evaluated


def routes(engine: Engine) -> APIRouter:
    """Both routes, which differ in the form of their tests only; either is read by both."""
    router = APIRouter(tags=["ScaleBox"])

    @router.post("/common_evaluate_batch")
    @router.post("/common_evaluate")
    async def common_evaluate(body: Submit, request: Request) -> Json:
        """Grade a model's answer on tests that come with it."""
        data = body.config.provided_data or {}
        if "test_cases" not in data:
            raise Refusal(400, "config.provided_data.test_cases: the tests are missing")
        tests = {"test_cases": data["test_cases"]}
        return Json(await evaluated(engine, request, body, lambda: engine.problem(tests)))

    return router
