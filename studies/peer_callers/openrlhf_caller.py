"""OpenRLHF's `SingleTurnAgentExecutor.execute`, with our function in a file and a recorded engine.

Its tokenizer is one of characters: what it decodes is what was recorded.
"""

import asyncio
import tempfile
from pathlib import Path
from types import SimpleNamespace

from callers import answers, bare, told

bare("openrlhf", "openrlhf.utils")
from openrlhf.utils.agent import SingleTurnAgentExecutor  # noqa: E402


class Ids(list):
    """A row of token ids, where torch would have a tensor."""

    def tolist(self):
        """Itself."""
        return list(self)


class Tokenizer:
    """A token is a character."""

    def __call__(self, text, **_):
        return {"input_ids": [Ids(map(ord, text))]}

    def decode(self, ids, **_):
        """The text."""
        return "".join(map(chr, ids))


class Engine:
    """Answers as recorded."""

    def __init__(self, text):
        self.text = text

    async def generate(self, *_, **__):
        """Its one answer."""
        tokens = SimpleNamespace(token_ids=list(map(ord, self.text)), finish_reason="stop", logprobs=None)
        return SimpleNamespace(outputs=[tokens])


async def rewards(file):
    """All at once."""
    executor = SingleTurnAgentExecutor(str(file))
    sampling = SimpleNamespace(max_tokens=100_000, logprobs=None)
    outputs = [
        executor.execute(each.prompt, each.tests, sampling, 1_000_000, Tokenizer(), Engine(each.text))
        for each in answers()
    ]
    return [float(each["reward"][0]) for each in await asyncio.gather(*outputs)]


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "reward.py")
    path.write_text("from harness.integrations.openrlhf import reward_func\n", encoding="utf-8")
    told(asyncio.run(rewards(path)), "SingleTurnAgentExecutor")
