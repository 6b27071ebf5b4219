"""Answers that come as a stream of events though none was asked for: some proxies stream always.

Covers: the pieces of one choice put together to the answer that would have come in one body.
Does not cover: showing pieces as they come; nobody waits for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_FIELDS = ("data:", "event:", "id:", "retry:", ":")
_LINE_END = re.compile(r"\r\n|\n|\r")
"""Of events; JSON strings may hold the other line ends of Unicode."""
_JOINED = ("content", "reasoning_content", "reasoning", "refusal", "text")


def is_stream(body: str) -> bool:
    """Whether a body is a stream of events."""
    return body.lstrip("\ufeff \r\n\t").startswith(_FIELDS)


def merged(body: str) -> dict[str, Any]:
    """One answer made of the events in `body`; one with an error if an event is one, or the end is missing.

    Raises:
        ValueError: If an event is no JSON.
    """
    whole: dict[str, Any] = {}
    parts: dict[str, list[str]] = {}
    choice: dict[str, Any] = {"finish_reason": None}
    for event in _events(body):
        whole |= {name: value for name, value in event.items() if name != "choices" and value is not None}
        for piece in _pieces(event):
            choice |= {name: piece[name] for name in ("finish_reason", "error") if piece.get(name)}
            _join(parts, piece)
    joined = {name: "".join(texts) for name, texts in parts.items()}
    if choice["finish_reason"] is None and not whole.get("error"):
        whole["error"] = {"message": "the stream of the answer ended before the answer did"}
    return {**whole, "choices": [{**choice, **joined, "message": {"content": None, **joined}}]}


def _events(body: str) -> Iterator[dict[str, Any]]:
    for line in _LINE_END.split(body):
        name, _, data = line.partition(":")
        if name.strip("\ufeff ") == "data" and data.strip() not in ("", "[DONE]"):
            event = json.loads(data)
            if isinstance(event, dict):
                yield event


def _pieces(event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Of the first choice; a single one is asked for."""
    choices = event.get("choices")
    for piece in choices if isinstance(choices, list) else ():
        if isinstance(piece, dict) and piece.get("index") in (0, None):
            yield piece


def _join(parts: dict[str, list[str]], piece: Mapping[str, Any]) -> None:
    delta = piece.get("delta") or piece.get("message")
    for source in (delta, piece):
        for name in _JOINED:
            value = source.get(name) if isinstance(source, dict) else None
            if isinstance(value, str):
                parts.setdefault(name, []).append(value)
            elif isinstance(value, list):  # content in parts
                parts.setdefault(name, []).extend(
                    str(each["text"])
                    for each in value
                    if isinstance(each, dict) and each.get("type") == "text" and "text" in each
                )
    if isinstance(delta, dict) and (delta.get("tool_calls") or delta.get("function_call")):
        parts.setdefault("tool_calls", []).append("called")
