"""TRL's `GRPOTrainer` and `RLOOTrainer`: their own caller of reward functions, on recorded completions."""

import tempfile
from pathlib import Path

from callers import answers, told
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from harness import load_benchmark
from harness.integrations.trl import AsyncCodeReward, CodeReward
from rltf.tiny_model import make_toy


def rewards(trainer_class, config_class, folder, model, found):
    """What the trainer makes of two functions, one of them asynchronous."""
    rows = [{"prompt": each.prompt, "tests": each.tests} for each in found]
    trainer = trainer_class(
        str(model),
        reward_funcs=[
            CodeReward(tests_column="tests", name="ours"),
            AsyncCodeReward(tests_column="tests", name="ours_async"),
        ],
        train_dataset=Dataset.from_list(rows),
        args=config_class(
            str(folder),
            use_cpu=True,
            bf16=False,
            per_device_train_batch_size=2,
            num_generations=2,
            report_to="none",
        ),
    )
    prompts, texts = [each.prompt for each in found], [each.text for each in found]
    table = trainer._calculate_rewards(rows, prompts, texts, [[1]] * len(found)).tolist()
    if any(ours != ours_async for ours, ours_async in table):
        raise SystemExit(f"{trainer_class.__name__}: functions disagree, {table}")
    return [ours for ours, _ in table]


with tempfile.TemporaryDirectory() as folder:
    model = Path(folder, "model")
    make_toy(model, load_benchmark("mini"))
    found = answers()
    grpo = rewards(GRPOTrainer, GRPOConfig, folder, model, found)
    if grpo != rewards(RLOOTrainer, RLOOConfig, folder, model, found):
        raise SystemExit("GRPOTrainer and RLOOTrainer disagree")
    told(grpo, "GRPOTrainer, RLOOTrainer")
