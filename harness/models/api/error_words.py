"""What a server means by the words of an error: a filter, a prompt that is too long, or a failure.

Servers agree on no codes for these, so that words decide. Does not cover: what to do about it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from harness.models.unanswered import Loss

_FILTER = re.compile(
    r"content[ _-]?(?:filter|management|policy|moderation)|responsible ?ai|data_inspection"
    r"|usage polic(?:y|ies)|(?:prompt|input|output|content|response)s?"
    r" (?:was|were|is|are|has been|have been) (?:flagged|filtered|blocked)"
    r"|prohibited[ _]content|inappropriate content|safety (?:system|filter|reasons|settings)|guardrail",
    re.IGNORECASE,
)
_LONG = re.compile(
    r"context[ _-]?(?:length|size|window)|max(?:imum)?[ _](?:model[ _]len|seq[ _]len|num[ _]tokens|context)"
    r"|maximum (?:input|allowed) length|reduce the length|too many (?:input |prompt )?tokens"
    r"|at most \d+ completion tokens|maximum (?:value for|allowed number of output)"
    r"|(?:prompt|inputs?|request|messages?|entity|payload|body|max_tokens|max_completion_tokens|tokens?)\b"
    r"[^.]{0,80}?(?:too (?:long|large|many|big)|\bexceed|longer than|less than \d+ tokens|must be <=)",
    re.IGNORECASE,
)
_MAY_BE_LONG = (None, 400, 413, 422, 500)
"""Statuses of such refusals. A rate limit speaks of tokens, too, and passes with time."""
_MAY_BE_FILTERED = (None, 400, 403, 422, 451, 500)


def loss_of(status: int | None, words: str) -> Loss:
    """What is lost by an error: a sample to a filter or to its own length, else to the server."""
    if status in _MAY_BE_FILTERED and _FILTER.search(words):
        return Loss.FILTERED
    if status == 413 or (status in _MAY_BE_LONG and _LONG.search(words)):
        return Loss.TOO_LONG
    # OpenAI's word for a single request over a whole minute's tokens: no waiting helps.
    if status == 429 and "request too large" in words.lower():
        return Loss.TOO_LONG
    return Loss.SERVER


def words_in(found: Any) -> str:
    """The message in an error's value: servers put it in different places, one in another."""
    try:
        while isinstance(found, dict | list) and found:
            if isinstance(found, list):
                if len(found) > 1:
                    break
                found = found[0]
                continue
            inner = next((found[key] for key in ("error", "message", "detail") if found.get(key)), None)
            if inner is None:
                break
            code = found.get("code") or found.get("type")
            if isinstance(inner, str) and isinstance(code, str) and not code.isdigit():
                return f"{inner} ({code})"
            found = inner
        return str(found)
    except RecursionError:
        return "an error that is nested too deeply"


def words_of(body: str) -> str:
    """The message in the body of an error."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return words_in(found) if isinstance(found, dict | list) else str(found)
