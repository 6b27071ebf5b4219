"""What values an option can have: beside each field of ours, and in one table for those of Trainer's.

Numbers are finite and whole ones fit 32 bits, whatever else is said of them. Does not cover: reading a value
from text (`rltf.options.values`), or options that contradict each other (`rltf.config`).
Importing this costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field
from typing import Any

from harness.errors import InputError

_KEY = "bounds"
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one number, or of each in a list; or the words to choose from."""

    at_least: float = -math.inf
    at_most: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> None:
        """
        Raises:
            InputError: If `value`, or something in it, is none of those.
        """
        if isinstance(value, list | tuple):
            for each in value:
                self.check(name, each)
        elif isinstance(value, str):
            if self.choices and value not in self.choices:
                raise InputError(f"unknown {name} {value!r}; available: {', '.join(self.choices)}")
        elif isinstance(value, int | float) and not isinstance(value, bool) and not self._holds(value):
            raise InputError(f"{name} must be {self._words(value)}, got {value!r}")

    def _holds(self, value: float) -> bool:
        if isinstance(value, int) and not -_LARGEST <= value <= max(_LARGEST, self._most):
            return False
        return (
            math.isfinite(value)
            and self.at_least <= value <= self.at_most
            and self.above < value < self.below
        )

    @property
    def _most(self) -> float:
        return self.at_most if math.isfinite(self.at_most) else -math.inf

    def _words(self, value: float) -> str:
        """What is asked of a number."""
        if not math.isfinite(value):
            return "a finite number"
        bounds = (
            ("at least", self.at_least),
            ("above", self.above),
            ("at most", _LARGEST if value > max(_LARGEST, self._most) else self.at_most),
            ("below", self.below),
        )
        return " and ".join(f"{words} {_plain(bound)}" for words, bound in bounds if math.isfinite(bound))


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


NO_BOUNDS = Bounds()


def option(default: Any, *, choices: Iterable[str] = (), **bounds: float) -> Any:
    """A dataclass's field with bounds, in its metadata.

    Args:
        default: Of the field.
        choices: Its words, if it has some.
        bounds: `at_least`, `at_most`, `above` and `below`, as `Bounds` has them.
    """
    return field(default=default, metadata={_KEY: Bounds(choices=tuple(choices), **bounds)})


def bounds_of(each: Field[Any]) -> Bounds:
    """The bounds of an option, ours or Trainer's."""
    found = each.metadata.get(_KEY) or TRAINER.get(each.name)
    if found is None and "choices" in each.metadata:
        return Bounds(choices=tuple(map(str, each.metadata["choices"])))
    return found or NO_BOUNDS


_POSITIVE = Bounds(above=0)
_NOT_NEGATIVE = Bounds(at_least=0)
_COUNT = Bounds(at_least=1)
_SEED = Bounds(at_least=0, at_most=2**32 - 1)  # numpy's

TRAINER: Mapping[str, Bounds] = {
    "per_device_train_batch_size": _COUNT,
    "per_device_eval_batch_size": _COUNT,
    "gradient_accumulation_steps": _COUNT,
    "num_train_epochs": _NOT_NEGATIVE,
    "learning_rate": _NOT_NEGATIVE,
    "warmup_steps": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    "adam_beta1": Bounds(at_least=0, below=1),
    "adam_beta2": Bounds(at_least=0, below=1),
    "adam_epsilon": _NOT_NEGATIVE,
    "max_grad_norm": _NOT_NEGATIVE,
    "neftune_noise_alpha": _NOT_NEGATIVE,
    "logging_steps": _POSITIVE,
    "save_steps": _POSITIVE,
    "save_total_limit": _COUNT,
    "save_strategy": Bounds(choices=("no", "steps", "epoch")),  # the best of what is never evaluated is none
    "seed": _SEED,
    "data_seed": _SEED,
    "torch_empty_cache_steps": _COUNT,
    "dataloader_num_workers": _NOT_NEGATIVE,
    "dataloader_prefetch_factor": _COUNT,
    "dataloader_multiprocessing_context": Bounds(choices=("fork", "spawn", "forkserver")),
    "include_num_input_tokens_seen": Bounds(choices=("all", "non_padding", "no")),
    "ddp_bucket_cap_mb": _COUNT,
    "ddp_timeout": _COUNT,
    "ddp_backend": Bounds(choices=("nccl", "gloo", "mpi", "ccl", "hccl", "cncl", "mccl", "xccl", "hpu")),
}
"""Those of Trainer's whose wrong values it would take, or meet in the middle of training."""

ELSEWHERE: Mapping[str, str] = {
    "output_dir": "it is --out",
    "rewards": "its options are set by their own names: baseline=greedy",
    "objective": "the method's options are set by their own names",
    "term_options": "an option of a reward term is set as fine.penalty=-0.1",
    "resume_from_checkpoint": "it is --resume",
    "auto_find_batch_size": "rl_share says which rows a micro-batch has; lower per_device_train_batch_size",
    "label_smoothing_factor": "neither loss here has any",
    **dict.fromkeys(
        (
            "do_eval", "do_predict", "eval_strategy", "eval_steps", "eval_on_start", "eval_delay",
            "load_best_model_at_end", "metric_for_best_model",
        ),
        "Trainer has nothing to evaluate on here; use --eval-every",
    ),
}  # fmt: skip
"""Options of Trainer's that are not set by name, and what stands in their place."""
