"""slime's `async_rm` and `batched_async_rm`, which load our function by name and hand their `Sample` over."""

import asyncio
from types import SimpleNamespace

from callers import answers, bare, told

bare("slime", "slime.rollout")
from slime.rollout.rm_hub import async_rm, batched_async_rm  # noqa: E402
from slime.utils.types import Sample  # noqa: E402

ARGS = SimpleNamespace(custom_rm_path="harness.integrations.slime.custom_rm", rm_type=None)


async def rewards():
    """One by one for the first half, as a group for the other."""
    samples = [Sample(prompt=each.prompt, response=each.text, label=each.tests) for each in answers()]
    half = len(samples) // 2
    single = await asyncio.gather(*(async_rm(ARGS, each) for each in samples[:half]))
    return [*single, *await batched_async_rm(ARGS, samples[half:])]


told(asyncio.run(rewards()), "async_rm, batched_async_rm")
