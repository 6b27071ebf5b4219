"""What a reader must know before any number: most programs of the run cannot be solutions.

Most is more than half. Does not cover: counting them (`harness.metrics.unusable`), or why they are so: the
completions tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ADVICE = {
    "lacking": "whether the prompt is right (a chat model wants --format chat, a base model does not)",
    "empty": "what the model wrote instead (stop strings, --stop, end an answer)",
    "cut": "whether --max-new-tokens is enough",
}


def warnings(metrics: Mapping[str, Any]) -> list[str]:
    """What a reader must know before any number of the run; nothing for most runs."""
    counts = metrics.get("programs", {})
    if not counts or 2 * counts["unusable"] <= counts["of"]:
        return []
    said = {
        "lacking": "define nothing that the tests call",
        "empty": "are empty",
        "cut": "were cut at the length limit",
    }
    found = [name for name in said if counts[name]]
    parts = ", ".join(f"{counts[name]:,} {said[name]}" for name in found)
    advice = "; ".join(_ADVICE[name] for name in found if 4 * counts[name] > counts["of"])
    look = f" Look into samples.jsonl{f', and see {advice}' if advice else ''}."
    return [
        f"MOST PROGRAMS ARE NO ANSWERS, so that the score says little: of {counts['of']:,}, {parts}.{look}"
    ]
