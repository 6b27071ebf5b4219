"""From a graded program to a rollout: where the program stands in its completion, and what is learned of it.

Does not cover: sampling and grading (`rltf.rollout.rollout`), or credit (`rltf.objectives`).
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.models import Finish, Trace
from harness.types import Outcome
from rltf.rewards.alignment import Place, place
from rltf.rewards.feedback import Feedback
from rltf.rollout.grading import Program
from rltf.rollout.records import Rollout


def make_rollout(group: int, program: Program, outcome: Outcome, said: Feedback, step: int) -> Rollout:
    """The rollout of a program that was graded.

    Args:
        group: Number of the prompt's draw.
        program: With its completion.
        outcome: Of the grader.
        said: What the outcome says.
        step: Optimiser steps that the policy had made.

    Raises:
        ValueError: If the sampler gave no tokens.
    """
    completion, trace = program.completion, program.completion.trace
    if trace is None:
        raise ValueError("the sampler gives no tokens to learn from; make it with trace=True")
    prompt, text = completion.prompt, completion.text
    found = place(text, program.code, prompt.text if prompt.format.in_program else "")
    kept = _kept(trace, text, found)
    return Rollout(
        task_id=completion.task_id,
        group=group,
        sample_id=completion.sample_id,
        prompt_ids=trace.prompt,
        token_ids=trace.ids[:kept],
        log_probs=trace.log_probs[:kept],
        text=text,
        code=program.code,
        outcome=replace(outcome, sample_id=completion.sample_id),
        feedback=said,
        lines_before=None if found is None else found.lines_before,
        truncated=completion.finish is Finish.LENGTH,
        temperature=program.temperature or 0.0,
        step=step,
        offsets=trace.spans[:kept],
    )


_ENDS_PROGRAM = re.compile(r"\s*(?:`{3,}|~{3,})?\s*")
"""What may follow a program without being anything else: blanks, the end of its fence."""


def _kept(trace: Trace, text: str, found: Place | None) -> int:
    """How many of the tokens are learned from: all, unless something else follows the program.

    The reward is the program's and says nothing of what the model went on to write (prose, another question),
    end token and all; what ended the program itself was the model's choice as its lines were.
    """
    if found is None or _ENDS_PROGRAM.fullmatch(text, found.end):
        return len(trace.ids)
    return next((i for i, (first, _) in enumerate(trace.spans) if first >= found.end), len(trace.ids))
