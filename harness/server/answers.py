"""Answers: JSON of plain data, and how refusals are described on the OpenAPI page.

Does not cover: when something is refused (`guard`, `engine`).
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse


class Json(JSONResponse):
    """A body that is JSON already made of plain data; text of any kind in it is escaped."""

    def render(self, content: Any) -> bytes:
        """The body: ASCII, so that a lone surrogate of a program's output is no error."""
        return json.dumps(content, separators=(",", ":")).encode()


class Detail(BaseModel):
    """Why a request was refused."""

    detail: str


class Fault(BaseModel):
    """What is wrong at one place of a request."""

    loc: list[str | int]
    msg: str


class Invalid(BaseModel):
    """A request that is not of the form that the route takes."""

    detail: list[Fault]


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Invalid if status == 422 else Detail, "description": why}
    for status, why in {
        400: "The request is wrong: `detail` says how.",
        401: "A token is needed.",
        403: "This host name or origin is not served.",
        408: "It came too slowly.",
        413: "Too large.",
        415: "The body is not JSON.",
        422: "The request is not of this form.",
        503: "Full: `Retry-After` says when to come again.",
        504: "The grader failed, which is no verdict: ask again.",
    }.items()
}
"""By status; of every route that takes a body."""
