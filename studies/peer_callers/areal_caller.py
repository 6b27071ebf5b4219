"""AReaL's `AsyncRewardWrapper`, with its defaults but for the time of the first call: a pool of processes."""

import asyncio

from callers import answers, bare, told

from harness.integrations.areal import reward_fn

bare("areal", "areal.api", "areal.utils")
from areal.api.reward_api import AsyncRewardWrapper  # noqa: E402


async def rewards():
    """All at once, as its workflows do."""
    wrapper = AsyncRewardWrapper(reward_fn, timeout_seconds=120)
    calls = [wrapper(each.prompt, each.text, [1], [2], tests=each.tests, task_id=None) for each in answers()]
    return await asyncio.gather(*calls)


if __name__ == "__main__":
    told(asyncio.run(rewards()), "AsyncRewardWrapper")
