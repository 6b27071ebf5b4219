"""OpenRLHF: `reward_func`, for `--reward.remote_url FILE.py` with one line in that file:

    from harness.integrations.openrlhf import reward_func

A label is a ground truth. Options come from the environment, see `options`. Where nothing can be said, it
raises; OpenRLHF then leaves the sample without a reward. Imports nothing of OpenRLHF's, but torch where
that is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from harness.integrations.options import reward_or_raise, scorer_from_environment


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> dict[str, Any]:
    """Rewards of a batch.

    Args:
        queries: Prompts with the responses behind them.
        prompts: As long; what is taken off.
        labels: As long.

    Returns:
        `rewards`, `scores` and `extra_logs`; tensors of one number for each query, lists without torch.

    Raises:
        InfrastructureError: If there is no reward for one of them.
    """
    answers = [query.removeprefix(prompt) for query, prompt in zip(queries, prompts, strict=True)]
    scored = scorer_from_environment().score_all(list(zip(answers, labels, strict=True)))
    rewards = _numbers([reward_or_raise(each) for each in scored])
    return {"rewards": rewards, "scores": rewards, "extra_logs": {"passed": rewards}}


def _numbers(values: list[float]) -> Any:
    torch = sys.modules.get("torch")
    return values if torch is None else torch.tensor(values)
