"""Models beside the policy: a frozen reference, and what an objective brings (critic, value head).

Covers: the reference's log-probabilities, training an objective's models with the policy, their part of a
checkpoint. Does not cover: several processes for models that are trained, which are refused.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

_FOLDER = "objective"


def pad_id_of(tokenizer: Any) -> int:
    """What fills up rows: the padding token, or where there is none the end token."""
    pad = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id if pad is None else pad)


class ReferencePolicy:
    """The policy as it was when training began.

    With LoRA it is the policy without its adapters, and takes no memory; otherwise a copy.
    """

    def __init__(self, model: Any, *, narrow: bool = False) -> None:
        """
        Args:
            model: The policy before its first step, not wrapped.
            narrow: Keep the copy in bfloat16.
        """
        self._adapted = model if hasattr(model, "disable_adapter") else None
        self._copy = None
        if self._adapted is None:
            self._copy = copy.deepcopy(model).eval().requires_grad_(False)
            if narrow:
                self._copy.bfloat16()

    def __call__(self, predict: Callable[[Any], Tensor]) -> Tensor:
        """What `predict` makes of the reference, without a gradient."""
        if self._adapted is None:
            return predict(self._copy).detach()
        with without_dropout(self._adapted), self._adapted.disable_adapter():
            return predict(self._adapted).detach()


@contextmanager
def without_dropout(model: Any) -> Iterator[None]:
    """The model in evaluation mode, and its modules in their own modes afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def trained_parameters(models: Mapping[str, nn.Module]) -> list[nn.Parameter]:
    """What of an objective's models is trained with the policy."""
    return [each for model in models.values() for each in model.parameters() if each.requires_grad]


def check_processes(parameters: Iterable[nn.Parameter], processes: int, *, wrapped: bool = False) -> None:
    """Refuse what would drift apart, or would not be trained at all.

    Gradients of these are not averaged over processes, and an optimiser of DeepSpeed or FSDP takes the
    parameters of the model that it wraps.

    Args:
        parameters: Of an objective's own models, those that are trained.
        processes: Of the launch.
        wrapped: DeepSpeed or FSDP has the policy.

    Raises:
        InputError: If there is something to train, and several processes, or a wrapper.
    """
    if not any(True for _ in parameters):
        return
    if processes > 1:
        raise InputError("this method trains a model of its own, which works in one process only")
    if wrapped:
        raise InputError(
            "this method trains a model of its own, of which DeepSpeed and FSDP know nothing; leave them out"
        )


def save_models(models: Mapping[str, nn.Module], checkpoint: Path) -> None:
    """Write the models into a checkpoint; nothing if there are none."""
    if not models:
        return
    from safetensors.torch import save_model  # noqa: PLC0415 - imports torch

    folder = checkpoint / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in models.items():
        save_model(model, str(folder / f"{name}.safetensors"))  # weights that are tied stand there once


def load_models(models: Mapping[str, nn.Module], checkpoint: Path) -> None:
    """Read them again.

    Raises:
        InputError: If one of them is not there, or is another.
    """
    if not models:
        return
    from safetensors.torch import load_model  # noqa: PLC0415 - imports torch

    for name, model in models.items():
        path = checkpoint / _FOLDER / f"{name}.safetensors"
        try:
            load_model(model, str(path))
        except (OSError, RuntimeError) as error:
            raise InputError(f"{path} cannot be read ({error}); start anew in another --out") from None
