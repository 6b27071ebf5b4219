"""Trainers of tiny models for tests of the methods, and what a run of one left behind.

Importing this imports torch. Does not cover: graders and checkpoints (`fakes.py`, the fixtures).
"""

import json
from pathlib import Path
from typing import Any

import torch

from harness.models.hf.loading import load
from rltf.build import make_trainer, with_adapters
from rltf.options.parse import make_config

WITHOUT_DROPOUT: dict[str, dict[str, Any]] = {
    "gpt2": {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0},
    "t5": {"dropout_rate": 0.0},
    "llama": {},
}
"""Options of a tiny checkpoint, by its kind."""


def build_trainer(checkpoint: Path, settings: Any, folder: Path, benchmark: Any, grader: Any, **fixed: Any):
    """A trainer on a CPU, all of whose problems may reward.

    Args:
        checkpoint: Of the policy.
        settings: `name=value` texts.
        folder: Of the run.
        benchmark: Of the problems.
        grader: Of the programs.
        fixed: Options by value, over those here.
    """
    torch.set_num_threads(1)
    loaded = load(str(checkpoint), device="cpu")
    fixed = {"max_steps": 6, "use_cpu": True, "disable_tqdm": True} | fixed
    config = make_config(None, settings, output_dir=str(folder), **fixed)
    return make_trainer(
        with_adapters(loaded.model, config),
        loaded.tokenizer,
        config,
        benchmark,
        rewarding=benchmark.problems,
        grader=grader,
    )


def rows_of(trainer: Any) -> list[dict[str, Any]]:
    """The lines of its log that are of a step."""
    path = Path(trainer.args.output_dir, "metrics.jsonl")
    return [row for row in map(json.loads, path.read_text().splitlines()) if "loss" in row]


def tensors(trainer: Any) -> dict[str, Any]:
    """Copies of the policy's weights and of all that the objective's own models hold."""
    own = trainer.objective.models.items()
    return {
        **{name: each.detach().clone() for name, each in trainer.model.named_parameters()},
        **{f"{name}.{key}": each.clone() for name, model in own for key, each in model.state_dict().items()},
    }
