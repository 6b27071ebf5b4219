"""A server's answer, read with care: servers differ in what they leave out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from harness.generate.types import Finish


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion as a server gave it."""

    text: str
    """Of a chat model what it says, not what it thinks (`reasoning_content`); empty if it says nothing."""
    finish: Finish
    tokens: int
    """As the server counts them, mostly with the end token; 0 where it does not say."""
    model: str | None
    """As the server calls it in the answer."""
    system_fingerprint: str | None


def read_answer(body: str, *, chat: bool) -> Answer | None:
    """The completion in an answer's body; `None` if there is none."""
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        text = choice["message"]["content"] if chat else choice["text"]
        tokens = (answer.get("usage") or {}).get("completion_tokens")
        # All servers say `length`; every other reason is the model's own end or a stop string.
        finish = Finish.LENGTH if choice.get("finish_reason") == "length" else Finish.STOP
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    if not (text is None or isinstance(text, str)):
        return None
    return Answer(
        text or "", finish, _count(tokens), _name(answer, "model"), _name(answer, "system_fingerprint")
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _name(answer: dict[str, Any], key: str) -> str | None:
    value = answer.get(key)
    return value if isinstance(value, str) else None
