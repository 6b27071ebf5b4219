"""Whether Trainer could make of a configuration what it makes before the first step; asked before any model.

Covers: optimiser and schedule, made for one weight; reports; where programs are sampled. Does not cover: what
depends on the model or on the memory of the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.publish.tracked_run import TRACKERS

if TYPE_CHECKING:
    from rltf.config import RLTFConfig


def check_buildable(config: RLTFConfig) -> None:
    """Try what costs nothing to try.

    Raises:
        InputError: With the option that is to blame.
    """
    with _blamed_on("optim, optim_args, lr_scheduler_type or lr_scheduler_kwargs"):
        _try_schedule(config)
    if config.torch_compile_backend is not None:
        with _blamed_on("torch_compile_backend"):
            _try_backend(config.torch_compile_backend)
    _check_reports(config.report_to)
    if config.sampler_device is not None:
        with _blamed_on(f"sampler_device={config.sampler_device}"):
            _try_device(config.sampler_device)
    if config.use_liger_kernel:
        _check_liger()


@contextmanager
def _blamed_on(options: str) -> Iterator[None]:
    """Whatever others' code says of values that it was given."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{options}: {str(error) or type(error).__name__}") from None


def _try_schedule(config: RLTFConfig) -> None:
    from torch import nn  # noqa: PLC0415 - slow, and only needed here
    from transformers import Trainer, get_scheduler  # noqa: PLC0415 - the same

    model = nn.Linear(1, 1)
    kind, options = Trainer.get_optimizer_cls_and_kwargs(config, model)  # type: ignore[arg-type]
    if {"params", "model", "optimizer_dict"} & options.keys():
        return  # made of the model's own layers
    get_scheduler(
        config.lr_scheduler_type,
        optimizer=kind(model.parameters(), **options),
        num_warmup_steps=config.get_warmup_steps(config.max_steps),
        num_training_steps=config.max_steps,
        scheduler_specific_kwargs=config.lr_scheduler_kwargs,  # type: ignore[arg-type]  # read by then
    )


def _try_backend(name: str) -> None:
    from accelerate.utils import DynamoBackend  # noqa: PLC0415 - slow, and only needed here

    DynamoBackend(name.upper())


def _check_reports(names: Any) -> None:
    from transformers.integrations.integration_utils import (  # noqa: PLC0415 - slow, and only needed here
        get_available_reporting_integrations,
    )

    here = get_available_reporting_integrations()  # type: ignore[no-untyped-call]
    for name in names:
        if name in here:
            continue
        if name in TRACKERS:
            raise InputError(f"report_to={name}: {name} is missing; pip install {name}, or leave it out")
        available = f"available: {', '.join(here)}" if here else "none is installed"
        raise InputError(f"report_to={name}: not known or not installed; {available}")


def _try_device(name: str) -> None:
    import torch  # noqa: PLC0415 - slow, and only needed here

    torch.empty(0, device=torch.device(name))


def _check_liger() -> None:
    from transformers.utils.import_utils import (  # noqa: PLC0415 - slow, and only needed here
        is_liger_kernel_available,
    )

    if not is_liger_kernel_available():
        raise InputError("use_liger_kernel=true needs it installed; pip install liger-kernel")
