"""Options of `rltf critic`, on top of transformers' `TrainingArguments`.

Does not cover: model, benchmark, programs and folder, which are arguments of the command.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Literal, get_type_hints

from transformers import TrainingArguments

from harness.compare import PROFILES
from harness.errors import HarnessError, InputError
from rltf.bounds import bounds_of, option
from rltf.options.values import read_value
from rltf.rewards.critic_options import Pooling, State
from rltf.rewards.feedback import Compat
from rltf.validation import check_choice


@dataclass
class CriticConfig(TrainingArguments):
    """Options of a critic's training; "released": CodeRL's scripts/train_critic.sh."""

    critic_classes: Literal[4, 2] = 4
    """As `rltf.rewards.critic_options` has it, and so the next three."""
    critic_pooling: Pooling = "all"
    critic_state: State = "family"
    critic_scaled: bool = True
    references: float | None = option(1.0, at_least=0)
    """Reference solutions for each sampled program, in the class of passing programs without being run (ours:
    1); `None`: all (released, where they are the greater part of the data)."""
    validation_share: float = option(0.1, at_least=0, below=1)
    """Problems whose programs are kept for validation (released: none)."""
    prompt_format: str | None = None
    """How problems are put (released: `training`, though the values are read behind the one for sampling);
    `None`: as the policy is asked."""
    max_prompt_tokens: int = option(600, at_least=1)
    """Longer prompts lose the end of their statement (released: 600)."""
    max_new_tokens: int = option(512, at_least=1)
    """Longer programs lose their end (released: 512)."""
    profile: str = option("strict", choices=PROFILES)
    """Comparison of outputs by which a test counts as passed."""
    feedback: Compat = "paper"
    """Whose classes: `paper`, or `released`."""
    dtype: str = option("float32", choices=("float32", "bfloat16"))
    """Of the weights."""

    # Trainer's, with other defaults.
    per_device_train_batch_size: int = 8
    learning_rate: float = 2e-5
    weight_decay: float = 0.05
    num_train_epochs: float = 2
    """Released: 10; ours: fewer, since it over-fits from the second on."""
    lr_scheduler_type: str = "constant_with_warmup"
    report_to: str | list[str] = "none"
    logging_steps: float = 50
    save_strategy: str = "no"
    remove_unused_columns: bool = False
    dataloader_pin_memory: bool = False
    """Batches are made on the model's device."""
    restore_callback_states_from_checkpoint: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: If an option has no such value.
        """
        for each in fields(self):
            bounds_of(each).check(each.name, getattr(self, each.name))
        check_choice("critic_pooling", self.critic_pooling, Pooling)
        check_choice("critic_state", self.critic_state, State)
        check_choice("feedback", self.feedback, Compat)
        if self.save_strategy != "no":
            raise InputError("a critic is saved once, at the end; leave save_strategy out")
        super().__post_init__()  # type: ignore[no-untyped-call]


def make_critic_config(settings: Iterable[str], **fixed: Any) -> CriticConfig:
    """The options from `name=value` texts.

    Raises:
        InputError: If one is not known, or has no such value.
    """
    hints = get_type_hints(CriticConfig)
    names = {each.name for each in fields(CriticConfig) if each.init} - {"output_dir"}
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"{setting!r} is no option; write name=value, for example learning_rate=1e-5")
        if name not in names:
            near = get_close_matches(name, names, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise InputError(f"unknown option {name!r} of rltf critic{hint}")
        given[name] = read_value(name, text, hints[name])
    try:
        return CriticConfig(**(given | fixed))
    except HarnessError:
        raise
    except Exception as error:  # Trainer's options are checked by Trainer, with errors of its own
        raise InputError(f"these options do not go together: {error}") from None
