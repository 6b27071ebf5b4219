"""Where a server is, and what it says it serves.

Does not cover: what is made of the entries (`harness.models.api.context_window`), or asking for completions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from harness.errors import InputError
from harness.models.api.body_limits import HEADERS, EndlessAnswerError, limited
from harness.models.api.errors import ending, failure

_LIST_SECONDS = 60.0
"""Enough for any server to say which models it has."""


def listed_models(options: Mapping[str, Any], *, timeout: float, shown_url: str) -> list[dict[str, Any]]:
    """The entries of the list of models, each with an `id`; none where the server does not list them.

    Args:
        options: of the client library: `base_url` and `api_key`.
        timeout: seconds for a request.
        shown_url: for messages.

    Raises:
        InputError: If the server is away or refuses the key.
    """
    import openai  # noqa: PLC0415 - a second to import, and optional

    seconds = min(_LIST_SECONDS, timeout)
    hooks = {"response": [limited(seconds)]}
    try:
        # One retry only: a user who mistyped an address should not wait for the eighth.
        with openai.OpenAI(
            **options,
            max_retries=1,
            timeout=seconds,
            default_headers=HEADERS,
            http_client=openai.DefaultHttpxClient(event_hooks=hooks),
        ) as client:
            answer = json.loads(client.models.with_raw_response.list().http_response.content)
        entries = answer if isinstance(answer, list) else answer["data"]  # a bare list is Together's
        return [each for each in entries if isinstance(each, dict) and isinstance(each.get("id"), str)]
    except (openai.APIConnectionError, openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ending(failure(error), shown_url, "", what="the request for its models", served=[]) from None
    # Not every server lists its models; `transformers serve` answers 500 without a hub cache.
    except (openai.APIError, EndlessAnswerError, ValueError, TypeError, KeyError, RecursionError):
        return []


def with_version(url: str) -> str:
    """An address with its version; `/v1` is added to a bare host.

    Raises:
        InputError: If it is no address.
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # brackets or a port that are none
        known = False
    if not known:
        raise InputError(f"{url!r} is not the address of a server; write it as http://localhost:8000/v1")
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1"))


def without_secrets(url: str) -> str:
    """Without user, password and query, which may hold keys: for manifests and messages."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
