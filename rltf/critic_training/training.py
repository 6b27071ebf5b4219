"""Train a critic from graded programs and say how good it is: the main path of `rltf critic`.

Covers: loading, training by transformers' Trainer, the accuracy on problems that it has not seen beside that
of a constant guess, and the folder, which gets its name when it is whole. A run that is stopped starts anew.
Does not cover: the arguments (`rltf.commands.critic`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, ProgressCallback, Trainer, set_seed

from harness.errors import InputError
from harness.models.hf.loading import load
from harness.models.prompt_choice import format_of_model
from harness.run_store.lock import locked
from harness.types import Benchmark
from rltf.build import check_split
from rltf.critic.classes import names_of
from rltf.critic.files import CONFIG, save_critic
from rltf.critic.fitting import judged
from rltf.critic.model import Critic
from rltf.critic.reading import reading_of
from rltf.critic.values import class_loss, class_report
from rltf.critic_training.config import CriticConfig
from rltf.critic_training.labelled import LabelledData, Labelling, check_vocabulary, checkpoint_of
from rltf.data.batch import Tokens
from rltf.rewards.critic_options import CriticOptions


@dataclass(frozen=True)
class CriticTraining:
    """What `rltf critic` was asked for."""

    out: Path
    config: CriticConfig
    model: str
    """Hub id or folder: the policy's checkpoint, or another of its family with its tokenizer."""
    benchmark: Benchmark
    samples: Sequence[Path]
    """Folders of graded programs."""
    command: str = ""
    say: Callable[[str], None] = lambda line: None


class CriticTrainer(Trainer):
    """Cross-entropy of the pooled class; everything else is Trainer's."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean over the micro-batch's programs."""
        logits = model(inputs)
        critic = self.accelerator.unwrap_model(model)
        loss = class_loss(critic.class_logits(logits, inputs), inputs["labels"])
        return (loss, logits) if return_outputs else loss


def train_critic(training: CriticTraining) -> dict[str, Any]:
    """Train and save; returns what `critic.json` says of it.

    Raises:
        InputError: If model, programs, options or folder are not what they should be.
    """
    check_split(training.benchmark)
    if training.config.world_size > 1:
        raise InputError("a critic is trained in one process; start rltf critic without accelerate launch")
    with locked(training.out):
        if any(training.out.iterdir()):
            raise InputError(f"{training.out} is not empty; choose another --out")
        return _trained(training)


def _trained(training: CriticTraining) -> dict[str, Any]:
    config = training.config
    for folder in training.samples:
        checkpoint_of(folder)  # before the model is loaded
    loaded = load(training.model, dtype=config.dtype, device=str(config.device))
    tokens = Tokens(
        loaded.model,
        loaded.tokenizer,
        max_prompt_tokens=config.max_prompt_tokens,
        max_target_tokens=config.max_new_tokens,
    )
    form = format_of_model(training.benchmark, loaded.model, loaded.tokenizer, name=config.prompt_format)
    data = Labelling(training.benchmark, form, tokens, config).data(training.samples)
    check_vocabulary(data, loaded.model)
    training.say(
        f"{data.sampled:,} sampled programs and {len(data.training) - data.sampled:,} reference solutions;"
        f" {len(data.validation):,} programs of other problems for validation; {data.left_out:,} left out"
    )
    set_seed(config.seed)  # the head starts at random
    critic = Critic(loaded.model, _reading(config, loaded.model), pad_id=tokens.pad_id).to(config.device)
    _fit(critic, data, config)
    record = {
        "model": training.model,
        "benchmark": f"{training.benchmark.name} {training.benchmark.split} {training.benchmark.version}",
        "prompt": f"{form.name}@{form.version}",
        "programs": len(data.training),
        "references": len(data.training) - data.sampled,
        "validation": _accuracy(critic, data),
        "command": training.command,
    }
    _save(critic, loaded.tokenizer, training.out, record)
    return record


def _reading(config: CriticConfig, model: Any) -> Any:
    options = CriticOptions(
        critic="frozen",
        critic_classes=config.critic_classes,
        critic_pooling=config.critic_pooling,
        critic_state=config.critic_state,
        critic_scaled=config.critic_scaled,
    )
    return reading_of(options, model, width=config.max_new_tokens)


def _fit(critic: Critic, data: LabelledData, config: CriticConfig) -> None:
    trainer = CriticTrainer(
        model=critic,
        args=config,
        train_dataset=data.training,
        data_collator=critic.collate,
    )
    for theirs in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(theirs)
    trainer.train()
    critic.eval()


def _accuracy(critic: Critic, data: LabelledData) -> dict[str, Any] | None:
    """On the validation programs; `None` if there are none."""
    if not data.validation:
        return None
    _, predicted = judged(critic, data.validation)
    report = class_report(predicted, [each.label for each in data.validation])
    names = names_of(critic.reading.classes)
    return {
        "programs": len(data.validation),
        "accuracy": report.accuracy,
        "constant_guess": report.constant_guess,
        "per_class": {
            names[number]: {"programs": report.counts[number], "accuracy": share}
            for number, share in report.per_class.items()
        },
    }


def _save(critic: Critic, tokenizer: Any, out: Path, record: dict[str, Any]) -> None:
    temporary = out.with_name(out.name + ".tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_critic(critic, tokenizer, temporary, record)
        temporary.rename(out)  # over the empty folder that has been locked
    except OSError as error:
        raise InputError(
            f"{out / CONFIG} cannot be written: {error.strerror}; choose another --out"
        ) from None
