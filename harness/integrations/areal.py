"""AReaL: `reward_fn`, to be handed to a workflow.

The ground truth is the row's `task_id`, else its `answer`, else its `tests`. AReaL calls it in a pool of
processes, with 15 seconds for each call and a reward of 0 after four: give the first calls time with a
larger time-out, or grade with `RLTF_URL`. Options come from the environment, see `options`. Imports nothing
of AReaL's.
"""

from __future__ import annotations

from typing import Any

from harness.errors import InputError
from harness.integrations.options import reward_or_raise, scorer_from_environment

_FIELDS = ("task_id", "answer", "tests")


def reward_fn(prompt: Any, completions: str, prompt_ids: Any, completion_ids: Any, **row: Any) -> float:
    """The reward of one completion.

    Args:
        prompt: Not looked at.
        completions: The text, one.
        prompt_ids: Not looked at.
        completion_ids: Not looked at.
        row: The data set's other fields.

    Raises:
        InputError: If the row has no ground truth.
        InfrastructureError: If there is no reward.
    """
    truth = next((row[name] for name in _FIELDS if row.get(name) is not None), None)
    if truth is None:
        raise InputError(
            f"no ground truth: one of {', '.join(_FIELDS)} is needed, the row has {', '.join(row)}"
        )
    (scored,) = scorer_from_environment().score_all([(completions, truth)])
    return reward_or_raise(scored)
