"""What went wrong between us and a server, in one line that says what to do.

Every option that is named here exists, and what it changes may be changed in the folder of the run: some
(`--concurrency`, `--request-timeout`, the address, the key) are no input of a sample, and of the others a
folder without a sample takes any.
Does not cover: retries, what is one sample's fault and what the server's (`harness.models.api.client`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.errors import InputError
from harness.models.api.answer import NoAnswer
from harness.models.api.body_limits import EndlessAnswerError
from harness.models.api.error_words import loss_of, words_of
from harness.models.unanswered import Loss
from harness.text import one_line as text_on_one_line

_SHOWN = 240
"""Characters of a server's own words that are shown; some answer with a whole page or a traceback."""

_RESUME = "finished samples are kept: the same command goes on from there"
_KEY = "set $OPENAI_API_KEY to a key that it takes"
_ENDING_STATUSES = (401, 402, 403, 404, 429)
"""Of no single request: who may ask, what for, and how often."""

_BY_WORDS = (
    (r"chat template|not a chat model", "the model takes no chat: send prompts as they are, with --chat off"),
    (r"is a chat model|only .{0,40}chat", "it takes every prompt as chat only: pass --chat on"),
    (r"temperature.*only the default \(1\)|temperature.*(?:must be|only) 1\b",
     "it samples at temperature 1 only: pass --temperature 1, without --greedy"),
    (r"\btemperature\b", "pass a --temperature that it takes, without --greedy"),
    (r"\btop_p\b", "leave the nucleus whole, with --top-p 1"),
    (r"\btop_k\b", "leave the number of tokens open, with --top-k 0"),
)  # fmt: skip
_BY_STATUS = {
    401: _KEY,
    402: f"it asks for money: top up the account that $OPENAI_API_KEY belongs to; {_RESUME}",
    403: _KEY,
    429: f"send fewer requests at once with --concurrency, or wait; {_RESUME}",
}


def failure(error: Exception) -> NoAnswer:
    """What an error of the client library, after its retries, means."""
    import openai  # noqa: PLC0415 - a second to import, and optional

    endless = next((e for e in (error, error.__cause__) if isinstance(e, EndlessAnswerError)), None)
    if endless is not None:
        return NoAnswer(Loss.SERVER, str(endless), kind="slow" if "took more" in str(endless) else "unusable")
    if isinstance(error, openai.APITimeoutError):
        return NoAnswer(Loss.SERVER, "no answer in time", kind="slow")
    if isinstance(error, openai.APIStatusError):
        words = words_of(error.response.content.decode(errors="replace"))
        status = int(error.status_code)
        return NoAnswer(loss_of(status, words), words, status, "refused")
    return NoAnswer(Loss.SERVER, str(error.__cause__ or error), kind="away")


def ends_the_run(found: NoAnswer) -> bool:
    """Whether what came says that no other request will fare better."""
    return found.loss is Loss.SERVER and found.status in _ENDING_STATUSES


def ending(found: NoAnswer, url: str, model: str, *, what: str, served: Sequence[str]) -> InputError:
    """The line with which a run ends; `what` was asked."""
    words = one_line(found.words)
    if found.kind == "slow":
        return InputError(
            f"{url} did not answer {what} in time ({words}); allow more seconds for one request with"
            f" --request-timeout, or send fewer at once with --concurrency; {_RESUME}"
        )
    if found.kind == "away":
        return InputError(
            f"no answer from {url} ({words}); start the server or correct its address; {_RESUME}"
        )
    if found.status is None:
        return InputError(
            f"{url} answered {what} with {words}; is this the address of an OpenAI-compatible server, as in"
            f" http://localhost:8000/v1, and is it well (see its log)? {_RESUME}"
        )
    said = f"{url} answered {found.status} to {what} ({words})"
    return InputError(f"{said}; {_advice(found.status, found.words, model, served)}")


def _advice(status: int, words: str, model: str, served: Sequence[str]) -> str:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    for pattern, advice in _BY_WORDS if status < 500 else ():
        if re.search(pattern, words, re.IGNORECASE | re.DOTALL):
            return advice
    known = f"it serves {', '.join(served)}" if served else "it does not say which models it serves"
    if status == 404:
        return (
            f"it has no model {model!r} ({known}; choose with --api-model) or no such address (a server"
            " without completions takes every prompt with --chat on)"
        )
    if status < 500 and model in served:
        return f"it does have the model {model!r}: see its log, or what it says of the request"
    if status < 500:
        return f"model {model!r}: {known}; choose with --api-model"
    return f"see the server's log; model {model!r}: {known}; {_RESUME}"


def one_line(text: str, limit: int = _SHOWN) -> str:
    """Text on one line, shortened."""
    text = text_on_one_line(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
