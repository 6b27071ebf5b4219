"""What went wrong between us and a server, in one line that says what to do.

Does not cover: retries, which the client library makes before it raises anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.errors import InputError
from harness.text import one_line as text_on_one_line

_SHOWN = 240
"""Characters of a server's own words that are shown; some answer with a whole page or a traceback."""

_RESUME = "finished samples are kept: the same command goes on from there"

_TOO_LONG = (
    "the prompt and the new tokens do not fit the model: shorten prompts with --source-tokens and"
    " --tokenizer, or allow fewer --max-new-tokens"
)

_BY_WORDS = {
    **dict.fromkeys(("context length", "context size", "too long", "too large"), _TOO_LONG),
    "chat template": "the model takes no chat: send prompts as they are, with --chat off",
}
_KEY = "set $OPENAI_API_KEY to a key that it takes"
_BY_STATUS = {
    401: _KEY,
    403: _KEY,
    429: f"send fewer requests at once with --concurrency, or wait; {_RESUME}",
}


def refused(error: Any, url: str, model: str, *, what: str, served: Sequence[str]) -> InputError:
    """For an `openai.APIError` that retries did not mend; `what` was asked."""
    import openai  # noqa: PLC0415 - a second to import, and optional

    if isinstance(error, openai.APITimeoutError):
        return InputError(
            f"{url} did not answer {what} in time; allow more seconds for one request, or"
            f" send fewer at once with --concurrency; {_RESUME}"
        )
    if isinstance(error, openai.APIConnectionError):
        cause = one_line(str(error.__cause__ or error))
        return InputError(
            f"no answer from {url} ({cause}); start the server or correct its address; {_RESUME}"
        )
    if not isinstance(error, openai.APIStatusError):
        return InputError(f"{url} could not be asked ({one_line(str(error))}); {_RESUME}")
    words = server_words(error)
    said = f"{url} answered {error.status_code} to {what} ({one_line(words)})"
    return InputError(f"{said}; {_advice(error.status_code, words, model, served)}")


def _advice(status: int, words: str, model: str, served: Sequence[str]) -> str:
    for part, advice in _BY_WORDS.items():
        if part in words.lower():
            return advice
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    known = f"it serves {', '.join(served)}" if served else "it does not say which models it serves"
    if status == 404:
        return (
            f"it has no model {model!r} ({known}; choose with --api-model) or no such address (a server"
            " without completions takes every prompt with --chat on)"
        )
    if status < 500:
        return f"model {model!r}: {known}; choose with --api-model"
    return f"see the server's log; model {model!r}: {known}; {_RESUME}"


def unreadable(text: str, url: str, *, task_id: str) -> InputError:
    """For an answer that is no completion."""
    return InputError(
        f"{url} answered the request for {task_id} with no completion but {one_line(text, 80)!r}; is this the"
        f" address of an OpenAI-compatible server, as in http://localhost:8000/v1? {_RESUME}"
    )


def server_words(error: Any) -> str:
    """The message in a server's refusal: servers put it in different places."""
    text = error.response.text
    try:
        found = json.loads(text)
    except ValueError:
        return str(text)
    while isinstance(found, dict):
        found = next((found[key] for key in ("error", "message", "detail") if found.get(key)), str(found))
    return str(found)


def one_line(text: str, limit: int = _SHOWN) -> str:
    """Text on one line, shortened."""
    text = text_on_one_line(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
