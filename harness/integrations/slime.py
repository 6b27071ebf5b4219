"""slime: `--custom-rm-path harness.integrations.slime.custom_rm`, with or without `--group-rm`.

A sample's `label` is its ground truth. Options come from the environment, see `options`. Where nothing can be
said, it raises, as slime's own remote reward does after its tries. Imports nothing of slime's.
"""

from __future__ import annotations

from typing import Any

from harness.integrations.options import reward_or_raise, scorer_from_environment


async def custom_rm(args: Any, sample_or_samples: Any, **_: Any) -> Any:
    """The reward of a sample, or of each sample of a list.

    Args:
        args: Not looked at.
        sample_or_samples: With `response` and `label`.

    Raises:
        InfrastructureError: If there is no reward.
    """
    many = isinstance(sample_or_samples, list)
    samples = sample_or_samples if many else [sample_or_samples]
    scorer = scorer_from_environment()
    scored = await scorer.score_all_async([(each.response, each.label) for each in samples])
    rewards = [reward_or_raise(each) for each in scored]
    return rewards if many else rewards[0]
