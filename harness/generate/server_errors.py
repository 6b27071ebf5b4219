"""What went wrong between us and a server, in one line that says what to do.

Does not cover: retries, which the client library makes before it raises anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.errors import InputError

_SHOWN = 240
"""Characters of a server's own words that are shown; some answer with a whole page or a traceback."""

_RESUME = "finished samples are kept: the same command goes on from there"


def refused(error: Any, url: str, model: str, *, what: str, served: Sequence[str]) -> InputError:
    """For an `openai.APIError` that retries did not mend; `what` was asked."""
    import openai  # noqa: PLC0415 - a second to import, and optional

    if isinstance(error, openai.APITimeoutError):
        return InputError(
            f"{url} did not answer {what} in time; allow more seconds for one request, or"
            f" send fewer at once; {_RESUME}"
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
    if status in (401, 403):
        return "set $OPENAI_API_KEY to a key that it takes"
    if any(each in words.lower() for each in ("context length", "context size", "too long", "too large")):
        return (
            "the prompt and the new tokens do not fit the model: name a tokenizer and a number of tokens to"
            " shorten prompts to, or allow fewer new tokens"
        )
    if status == 429:
        return f"send fewer requests at once, or wait; {_RESUME}"
    known = f"it serves {', '.join(served)}" if served else "it does not say which models it serves"
    if status == 404:
        return (
            f"either it has no such address or no model {model!r} ({known}); base models need its completions"
            " address, chat prompts its chat address, and every prompt can be sent as chat"
        )
    if status < 500:
        return f"model {model!r}: {known}"
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
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
