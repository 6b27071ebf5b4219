"""What transformers, PEFT and torch say when they cannot do what they were asked, in one line.

Covers: files that are no checkpoint, the hub, packages that are missing, a device that fails or is full. The
library's own error stays the cause of ours, so a traceback in Python still names where it happened.
Does not cover: what a model computes (`harness.models.hf.forward`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, InputError

_DEVICE = ("CUDA", "cuDNN", "CUBLAS", "NCCL", "HIP error", "MPS backend", "Torch not compiled with")
"""Words of errors that lie with a device or its driver, not with what was loaded."""
_LONGEST = 400
"""Characters of a library's words that are worth a line of ours."""


def asked(name: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What the library gives; its complaints about `name` in one line.

    Raises:
        InputError: Whatever the library raised, which stays the cause: what it stumbles over is what was
            given to it, and no list of its exceptions is complete (safetensors' and jinja's are of no
            common kind).
    """
    try:
        return call(*args, **options)
    except HarnessError:
        raise
    except Exception as error:
        raise InputError(explained(name, error)) from error


def explained(name: str, error: Exception) -> str:
    """One line on why `name` could not be loaded."""
    said = cause(error)
    reasons = (
        (out_of_memory(error), f"{name} does not fit on the device ({said}); try --dtype bfloat16"),
        (isinstance(error, ImportError), f"{name} needs a package that is not installed: {said}"),
        (of_a_device(error), f"{name}: the device failed while the model was loaded: {said}"),
        (
            type(error).__name__ == "SafetensorError",
            f"{name}: a file of weights is damaged or was cut off: {said}; fetch the checkpoint again",
        ),
        (
            "trust_remote_code" in str(error),
            f"{name} brings code of its own; read it, then run again with --trust-remote-code",
        ),
        (
            isinstance(error, OSError) and not Path(name).exists(),
            f"{name}: no such folder, and the hub did not give it: {said}; check the name and the network,"
            " and HF_TOKEN if the model is gated",
        ),
    )
    return next(
        (line for holds, line in reasons if holds), f"{name}: not a checkpoint that can be loaded: {said}"
    )


def cause(error: BaseException) -> str:
    """An error's words in one line, with its kind where the words alone say little."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else ""
    for line in lines[1:]:
        # "Error(s) in loading state_dict for X:", and what went wrong only below.
        if not said.endswith(":"):
            break
        said = f"{said} {line}"
    if not isinstance(error, OSError | ValueError | RuntimeError | ImportError) or not said:
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def of_a_device(error: BaseException) -> bool:
    """Whether a GPU, or the way to it, failed."""
    if isinstance(error, _of_torch("AcceleratorError")):
        return True
    return isinstance(error, RuntimeError | AssertionError) and any(sign in str(error) for sign in _DEVICE)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or in the host."""
    if isinstance(error, (MemoryError, *_of_torch("OutOfMemoryError"))):
        return True
    signs = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def _of_torch(name: str) -> tuple[type[BaseException], ...]:
    """A class of errors of torch's; none where torch was not imported, and so raised nothing.

    It need not be installed: models behind a server are asked without.
    """
    kind = getattr(sys.modules.get("torch"), name, None)
    return () if kind is None else (kind,)
