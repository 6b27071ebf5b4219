"""What a reader must know of a run: most of its programs cannot be solutions, or samples are missing.

Most is more than half. Does not cover: counting (`harness.metrics.unusable`, `harness.metrics.lost_samples`),
or why programs are unusable: the completions tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report.columns import percent
from harness.run_store.metrics_file import Metrics

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


def lost_samples(metrics: Metrics) -> list[str]:
    """A sentence for each reason why samples are missing."""
    lost: Mapping[str, Any] = metrics.get("lost_samples", {})
    failed = "; ".join(
        f"{name} {percent(score)} under {profile}"
        for profile, scores in lost.get("filtered_as_failed", {}).items()
        for name, score in sorted(scores.items(), key=lambda item: int(item[0].partition("@")[2]))
    )
    sentences = {
        "server": "{} ANSWERS ARE MISSING: the server failed on them, again and again. They are in no number"
        " above; see lost.jsonl, and run the same command again to ask for them once more.",
        "too_long": "{} ANSWERS ARE MISSING: their prompts do not fit the server's window. They are in no"
        " number above; serve the model with a longer one and run the same command again.",
        "filtered": "{} answers were withheld by a content filter, and are in no number above; with them as"
        f" failures: {failed}.",
        "problems_without_answer": "{} problems are left without any answer by that.",
    }
    return [text.format(f"{lost[name]:,}") for name, text in sentences.items() if lost.get(name)]
