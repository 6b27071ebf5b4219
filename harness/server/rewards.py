"""Reward calls: slime's `--rm-type remote_rm` at `/rm`, OpenRLHF's `--reward.remote_url` at `/get_reward`.

The label is a ground truth: a task id of this server's benchmarks, or tests. The reward is 1 for a program
that passes all tests, else 0; the program is taken out of the response by the rule `chat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from harness.extraction import Wanted, extract
from harness.server.answers import Json
from harness.server.engine import Engine
from harness.server.origins import Refusal
from harness.server.sandbox_fusion import client_of
from harness.types import Job


class Response(BaseModel):
    """One response of slime's."""

    response: str
    label: Any
    prompt: Any = None


class Batch(BaseModel):
    """OpenRLHF's batch; `query` is the prompt with the response behind it."""

    query: list[str]
    labels: list[Any]
    prompts: list[str] = []


def routes(engine: Engine) -> APIRouter:
    """Both routes."""
    router = APIRouter(tags=["rewards"])

    @router.post("/rm")
    async def rm(body: Response, request: Request) -> Json:
        """The reward of one response: a number."""
        (reward,) = await _rewards(engine, request, [body.response], [body.label])
        return Json(reward)

    @router.post("/get_reward")
    async def get_reward(body: Batch, request: Request) -> Json:
        """The rewards of a batch."""
        engine.check_count(len(body.query))
        if len(body.query) != len(body.labels) or len(body.prompts) not in (0, len(body.query)):
            raise Refusal(400, "query, prompts and labels must have the same length")
        prompts = body.prompts or [""] * len(body.query)
        answers = [query.removeprefix(prompt) for query, prompt in zip(body.query, prompts, strict=True)]
        rewards = await _rewards(engine, request, answers, body.labels)
        return Json({"rewards": rewards, "scores": rewards, "extra_logs": {"passed": rewards}})

    return router


async def _rewards(
    engine: Engine, request: Request, answers: Sequence[str], labels: Sequence[object]
) -> list[float]:
    client = client_of(request)
    jobs = await engine.prepare(client, lambda: _jobs(engine, answers, labels))
    outcomes = await engine.grade(client, jobs)
    return [float(outcome.passed(engine.profile)) for outcome in outcomes]


def _jobs(engine: Engine, answers: Sequence[str], labels: Sequence[object]) -> list[Job]:
    jobs = []
    for number, (answer, label) in enumerate(zip(answers, labels, strict=True)):
        problem = engine.problem(label)
        code = extract(answer, "chat", wanted=Wanted.of(problem)).code
        jobs.append(Job(problem.task_id, number, code, problem, engine.settings.limits))
    return jobs
