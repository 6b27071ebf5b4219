"""A loss, gradient or weight that is not finite ends training at its step, before anything of it is saved.

Covers: what is looked at and when, and what the message says. Looking costs one wait for the device before
the optimiser's step and one after it. With fp16 a gradient may overflow: its scaler leaves that step out and
lowers the scale; only overflow without end is refused.
Does not cover: losses that are finite and grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from harness.errors import InputError
from rltf.run import checkpoints

_PATIENCE = 30
"""Steps in a row that fp16's scaler may leave out: it halves each time, and starts at 65,536."""


class Finite(TrainerCallback):
    """Looks at each step; the first of the callbacks, so that no program is sampled from broken weights."""

    def __init__(self) -> None:
        self._terms: list[Mapping[str, Tensor]] = []
        self._overflows = 0

    def saw(self, terms: Mapping[str, Tensor]) -> None:
        """Note the terms of a micro-batch's loss, detached."""
        self._terms.append(terms)

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **_: Any,
    ) -> None:
        """All losses of the step are known, and their gradient."""
        terms, self._terms = self._terms, []
        losses = [term for each in terms for term in each.values()]
        parameters = dict(model.named_parameters()) if model is not None else {}
        gradients = {name: each.grad for name, each in parameters.items() if each.grad is not None}
        if are_finite([*losses, *gradients.values()]):
            self._overflows = 0
            return
        step = state.global_step + 1
        values = [(name, float(term)) for each in terms for name, term in each.items()]
        bad = [f"{name} {value}" for name, value in values if not math.isfinite(value)]
        if bad:
            raise _stopped(args, step, f"the loss is not finite ({', '.join(dict.fromkeys(bad))})")
        self._overflows += 1
        if not args.fp16 or self._overflows >= _PATIENCE:
            loss = sum(value for _, value in values)
            raise _stopped(args, step, f"the gradient is not finite (of a loss of {loss:.4g})")

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **_: Any,
    ) -> None:
        """The optimiser has changed the weights."""
        if model is not None:
            check_weights(model, args, state.global_step)


def check_weights(model: nn.Module, args: TrainingArguments, step: int) -> None:
    """Refuse weights that are not finite.

    Raises:
        InputError: If a trained weight is not, after `step`.
    """
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
    if not are_finite(trained.values()):
        first = next(name for name, each in trained.items() if not are_finite([each]))
        raise _stopped(args, step, f"the update makes weights that are not finite (first in {first})")


@torch.no_grad()
def are_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all numbers are; each tensor is read once and nothing of its size is made."""
    # Of a part where it is cut over processes; the others look at theirs.
    parts = [each.to_local() if hasattr(each, "to_local") else each for each in tensors]
    # Not by their norms: on a CPU these take six times as long.
    ends = [end.float() for each in parts if each.numel() for end in each.aminmax()]
    if not ends:
        return True
    device = ends[0].device
    return bool(torch.stack([each.to(device) for each in ends]).isfinite().all())


def _stopped(args: TrainingArguments, step: int, what: str) -> InputError:
    good = checkpoints.newest(Path(str(args.output_dir)))
    kept = (
        "no checkpoint had been written"
        if good is None
        else f"{good} holds the last good weights, and --resume goes on from there"
    )
    again = "if it comes to this again, " if good is not None else ""
    return InputError(
        f"step {step}: {what}; training has stopped there, and {kept}; {again}start anew in another --out"
        f" with a lower learning_rate (it is {args.learning_rate:g}) or a max_grad_norm above 0 (it is"
        f" {args.max_grad_norm:g})"
    )
