"""The application: routes, what they stand on, and its life from the first program to the last.

Does not cover: listening on a port (`harness.commands.serve`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from harness.server import native, open_instruct, rewards, sandbox_fusion, scalebox
from harness.server.answers import REFUSALS, Json
from harness.server.engine import Engine
from harness.server.guard import Guard
from harness.server.hang_ups import App
from harness.server.meters import CONTENT_TYPE, Meters
from harness.server.origins import Refusal
from harness.server.settings import Settings
from harness.service import GradingService


def create_app(service: GradingService, settings: Settings, *, workers: int) -> App:
    """The ASGI application of a server.

    Args:
        service: With the limits and profiles of `settings`; started and closed with the application.
        settings: Bounds and benchmarks.
        workers: Of the service.
    """
    meters = Meters()
    engine = Engine(service, settings, meters, workers)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.__enter__)
        try:
            yield
        finally:
            await asyncio.to_thread(service.close)

    app = FastAPI(
        title="rltf serve",
        description="Grades Python programs in a sandbox.",
        lifespan=lifespan,
        default_response_class=Json,
    )
    app.state.service = service
    for module in (native, sandbox_fusion, scalebox, open_instruct, rewards):
        app.include_router(module.routes(engine), responses=REFUSALS)
    _add_own(app, engine, meters)
    _add_handlers(app)
    return Guard(cast("App", app), settings, meters, app.openapi()["paths"])


def _add_own(app: FastAPI, engine: Engine, meters: Meters) -> None:
    @app.get("/v1/ping", tags=["SandboxFusion"])
    async def ping() -> Json:
        """Whether the server is there."""
        return Json("pong")

    @app.get("/health", tags=["native"], responses={503: {"description": "It can't."}})
    async def health() -> Json:
        """Whether it can grade; status 503 where it can't."""
        cause = await engine.cause_of_failure()
        if cause is not None:
            return Json({"status": "broken", "cause": cause}, status_code=503)
        return Json({"status": "ok"})

    @app.get("/metrics", tags=["native"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """For Prometheus."""
        return PlainTextResponse(meters.text(), media_type=CONTENT_TYPE)


def _add_handlers(app: FastAPI) -> None:
    """Errors as JSON with `detail`; nothing of what was sent goes back or into a log."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Json:
        return Json({"detail": error.detail}, status_code=error.status, headers=dict(error.headers))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Json:
        faults = [{"loc": list(each["loc"]), "msg": each["msg"]} for each in error.errors()[:20]]
        return Json({"detail": faults}, status_code=422)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Json:
        return Json({"detail": error.detail}, status_code=error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> Json:
        return Json({"detail": "the server failed"}, status_code=500)  # the guard logs it
