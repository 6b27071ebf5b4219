"""verl's `get_custom_reward_fn` and its reward managers, from a configuration as its users write it."""

import asyncio
import os

import numpy as np
import torch
from callers import answers, told
from omegaconf import OmegaConf
from transformers import ByT5Tokenizer
from verl import DataProto
from verl.trainer.ppo.reward import get_custom_reward_fn, resolve_reward_manager_cls

CONFIG = """
data: {max_response_length: 4096}
reward:
  custom_reward_function:
    path: pkg://harness.integrations.verl
    name: compute_score
    reward_kwargs: {reward: passed, workers: %s}
  reward_manager: {source: register, name: %s}
  reward_kwargs: {}
"""
KEYS = {
    "score",
    "passed",
    "pass_ratio",
    "timed_out",
    "runtime_error",
    "syntax_error",
    "no_program",
    "infra_error",
}


def batch(answer, tokenizer):
    """A batch of one, as the rollout hands it over."""
    prompt, response = (
        tokenizer(text, add_special_tokens=False).input_ids for text in (answer.prompt, answer.text)
    )
    ids = torch.tensor([prompt + response])
    return DataProto.from_dict(
        tensors={
            "prompts": ids[:, : len(prompt)],
            "responses": ids[:, len(prompt) :],
            "attention_mask": torch.ones_like(ids),
        },
        non_tensors={
            "data_source": np.array(["my/data"], dtype=object),
            "reward_model": np.array([{"style": "rule", "ground_truth": answer.tests}], dtype=object),
            "extra_info": np.array([{"index": 0}], dtype=object),
        },
    )


async def rewards(name):
    """All at once."""
    config, tokenizer = OmegaConf.create(CONFIG % (os.environ["RLTF_WORKERS"], name)), ByT5Tokenizer()
    cls = resolve_reward_manager_cls(config)
    cls.init_class(config, tokenizer)
    manager = cls(config, tokenizer, get_custom_reward_fn(config))
    done = await asyncio.gather(*(manager.run_single(batch(each, tokenizer)) for each in answers()))
    for each in done:
        if not set(each["reward_extra_info"]) >= KEYS:
            raise SystemExit(f"{name}: keys {sorted(each['reward_extra_info'])}")
    return [each["reward_score"] for each in done]


async def main():
    """The same from each of its managers."""
    found = {name: await rewards(name) for name in ("naive", "dapo", "rate_limited")}
    if len({tuple(each) for each in found.values()}) != 1:
        raise SystemExit(f"its reward managers disagree: {found}")
    told(found["naive"], f"get_custom_reward_fn, reward managers {', '.join(found)}")


asyncio.run(main())
