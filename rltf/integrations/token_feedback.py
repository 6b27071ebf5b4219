"""Which tokens of a completion a failed program's error is blamed on, as advantages of tokens.

RLTF's fine-grained feedback (arXiv:2307.04349, section 3.2): the line of the error, or all tokens where no
line is to blame. Does not cover: any trainer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.integrations.scoring import Scored
from harness.types import TestKind
from rltf.rewards.alignment import place
from rltf.rewards.feedback import Feedback, Scope, feedback
from rltf.rewards.line_tokens import feedback_mask

Span = tuple[int, int]


def token_advantages(
    scored: Scored,
    text: str,
    spans: Sequence[Span],
    *,
    profile: str,
    penalty: float,
    length_ratio: bool = False,
    truncated: bool = False,
) -> list[float]:
    """What each token of a completion gets beside the advantage of the whole.

    Args:
        scored: What the grader said of it.
        text: The completion.
        spans: Per token, its first character in `text` and the one behind its last.
        profile: Comparison profile.
        penalty: For each blamed token; the paper's is -0.3.
        length_ratio: Scale it by tokens of the completion / tokens blamed, as the paper's α.
        truncated: The length limit ended the completion.

    Returns:
        As many numbers as spans; zeros where nothing is blamed, or nothing could be said.
    """
    nothing = [0.0] * len(spans)
    if scored.outcome is None or scored.reward is None:
        return nothing
    kind = scored.problem.suite.kind if scored.problem is not None else TestKind.STDIN
    said = feedback(scored.outcome, scored.code, truncated=truncated, profile=profile, kind=kind)
    mask = feedback_mask(_in_text(said, text, scored.code), text, list(spans))
    blamed = sum(mask)
    if not blamed:
        return nothing
    scale = len(spans) / blamed if length_ratio else 1.0
    return [penalty * scale * is_blamed for is_blamed in mask]


def _in_text(said: Feedback, text: str, code: str) -> Feedback:
    """The same with its line as a line of the completion; nothing is blamed where that is not there."""
    if said.scope is not Scope.LINE or said.line is None:
        return said
    found = place(text, code)
    line = 0 if found is None else found.lines_before + said.line
    return replace(said, line=line) if line > 0 else replace(said, scope=Scope.IGNORE, line=None)
