"""A server's answer, read with care: what is the model's, and what is the server's failure.

Servers differ in what they leave out: anything may be missing, null, or of another type.
Does not cover: the words for endings (`harness.models.api.finish_reasons`), refusals by HTTP status
(`harness.models.api.errors`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.models.api.error_words import loss_of, words_in
from harness.models.api.event_stream import is_stream, merged
from harness.models.api.finish_reasons import CUT, FAILED, FILTERED, OWN
from harness.models.base import Finish
from harness.models.unanswered import Loss

_MOST_TOKENS = 10_000_000
"""No model writes as many; a server that says so cannot count."""
_BEFORE_ANSWERS = ("reasoning_content", "reasoning", "tool_calls", "function_call")

Kind = Literal["unusable", "refused", "slow", "away"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion as a server gave it."""

    text: str
    """Of a chat model what it says, not what it thinks (`reasoning_content`); empty if it says nothing."""
    finish: Finish
    tokens: int
    """As the server counts them, mostly with the end token; 0 where it does not say."""
    prompt_tokens: int
    """As the server counts them; 0 where it does not say."""
    model: str | None
    """As the server calls it in the answer."""
    system_fingerprint: str | None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """What came in place of a completion."""

    loss: Loss
    words: str
    """The server's own, or what is wrong with its answer."""
    status: int | None = None
    """Of HTTP, also where it stands in a body that was sent as a success."""
    kind: Kind = "unusable"

    @property
    def again(self) -> bool:
        """Whether asking once more may help, and nobody has done so yet."""
        return self.loss is Loss.FILTERED or (self.loss is Loss.SERVER and self.kind == "unusable")


def read_answer(body: str, *, chat: bool) -> Answer | NoAnswer:
    """The completion in the body of an answer that was sent as a success."""
    try:
        value = merged(body) if is_stream(body) else json.loads(body.lstrip("\ufeff"))
        return _read(value, body, chat=chat)
    except (ValueError, RecursionError):
        return _nothing(body)


def _read(value: Any, body: str, *, chat: bool) -> Answer | NoAnswer:
    if not isinstance(value, dict):
        return _nothing(body)
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if value.get("error") or not isinstance(choice, dict):
        return _error(value, body)
    ending = _ending(choice)
    failed = _failed(choice, ending)
    said = choice.get("message") if chat else choice
    if failed is not None or not isinstance(said, dict):
        return failed or _nothing(body)
    text, tokens, cut = _text(said, chat=chat), _count(value, "completion_tokens"), ending in CUT
    if text is None or not (text or tokens or cut or _speaks(said, ending, chat=chat)):
        return _nothing(body)
    # It thought, or called a tool that nobody offered, and never came to its answer.
    cut = cut or (not text and any(said.get(name) for name in _BEFORE_ANSWERS))
    return Answer(
        text,
        Finish.LENGTH if cut else Finish.STOP,
        tokens,
        _count(value, "prompt_tokens"),
        _name(value, "model"),
        _name(value, "system_fingerprint"),
    )


def _failed(choice: Mapping[str, Any], ending: str | None) -> NoAnswer | None:
    """A choice that is not the model's: of one that ended well, an error beside it says nothing."""
    error = choice.get("error")
    words = words_in(error) if error else f"finish_reason {ending!r}"
    if ending in FILTERED:
        return NoAnswer(Loss.FILTERED, words)
    if ending in FAILED or (error and ending not in {"stop", *OWN}):
        return NoAnswer(loss_of(_code(error), words) if error else Loss.SERVER, words, _code(error))
    return None


def _error(value: Mapping[str, Any], body: str) -> NoAnswer:
    """An answer with an error, or without a choice."""
    error = value.get("error") or (value if value.get("message") or value.get("detail") else None)
    if not error:
        return _nothing(body)
    words, status = words_in(error), _code(error) or _code(value)
    return NoAnswer(loss_of(status, words), words, status)


def _nothing(body: str) -> NoAnswer:
    return NoAnswer(Loss.SERVER, f"no completion but {' '.join(body[:400].split())!r}")


def _ending(choice: Mapping[str, Any]) -> str | None:
    """The finish reason in lower case; Gemini's address adds its own word to OpenAI's behind a colon."""
    reason = choice.get("finish_reason")
    if isinstance(reason, dict):  # SGLang's own address, and proxies of it
        reason = reason.get("type")
    return reason.lower().partition(":")[0].strip() if isinstance(reason, str) and reason else None


def _text(said: Mapping[str, Any], *, chat: bool) -> str | None:
    """Text, or the texts of a list of parts without the thinking ones; `None` if there is neither."""
    content = said.get("content") if chat else said.get("text", 0)
    if content is None:
        refusal = said.get("refusal")  # what a model says instead that declines
        return refusal if isinstance(refusal, str) else ""
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    found = [each if isinstance(each, str) else _part(each) for each in content]
    return "".join(found)


def _part(part: Any) -> str:
    if not isinstance(part, dict) or part.get("type", "text") not in ("text", "output_text"):
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _speaks(said: Mapping[str, Any], ending: str | None, *, chat: bool) -> bool:
    """Whether an answer without text is the model's own: it thought, called a tool, declined, or ended."""
    content = said.get("content" if chat else "text")
    # Text that is empty was read from tokens; null is what servers say that have none.
    return (
        ending in OWN
        or any(said.get(name) for name in (*_BEFORE_ANSWERS, "refusal"))
        or (isinstance(content, list) and bool(content))
        or (content == "" and ending is not None)
    )


def _code(error: Any) -> int | None:
    """A status of HTTP in an error, `code` in most."""
    if isinstance(error, dict):
        for name in ("code", "status", "status_code"):
            value = error.get(name)
            if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
                value = int(value)
            if isinstance(value, int) and 400 <= value < 600:
                return value
    return None


def _count(value: Mapping[str, Any], name: str) -> int:
    usage = value.get("usage")
    count: Any = usage.get(name) if isinstance(usage, dict) else None
    if not isinstance(count, int) or isinstance(count, bool):
        return 0
    return count if 0 <= count <= _MOST_TOKENS else 0


def _name(answer: Mapping[str, Any], key: str) -> str | None:
    value = answer.get(key)
    return value if isinstance(value, str) else None
