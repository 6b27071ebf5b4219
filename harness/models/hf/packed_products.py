"""Matrix products of a float32 model on a CPU by oneDNN, from weights that it has laid out for itself once.

Sampling multiplies few rows with the same weights again and again, where `torch.nn.functional.linear` lays
them out anew each time, and leaves them to MKL, which on AMD's processors is the slower library. Measured by
`make sampling-speed`. A product differs from torch's own by rounding alone. Covers: `torch.nn.Linear`, for
good or for as long as a model that is trained samples; weights that have changed since are multiplied as they
are. Does not cover: what needs gradients, half precision, GPUs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from harness.machine_limits import available_memory

_MEMORY_SHARE = 0.25
"""Of a machine's memory, for a second copy of weights; above it they are multiplied as they are."""
_OPERATIONS = ("_reorder_linear_weight", "_linear_pointwise")
"""Of `torch.ops.mkldnn`: what torch's own compiler calls for the same purpose."""


def pack_products(model: Any) -> int:
    """Have a model's linear layers use packed weights from now on; how many do: 0 where there are none.

    Args:
        model: Its own weights are kept.
    """
    return len(_pack(model))


@contextlib.contextmanager
def packed(model: Any) -> Iterator[None]:
    """Have a model's linear layers use packed weights in the block; those that have some keep them."""
    layers = _pack(model)
    try:
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def _pack(model: Any) -> list[nn.Linear]:
    layers = [each for each in model.modules() if type(each) is nn.Linear and _can_be_packed(each)]
    if not _available() or sum(each.weight.nbytes for each in layers) > _most_bytes():
        return []
    for layer in layers:
        vars(layer)["forward"] = _product(layer)  # the module stays, hooks and all
    return layers


def _can_be_packed(layer: nn.Linear) -> bool:
    # What has a forward of its own already was changed by a library.
    weight = layer.weight
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.is_inference()
    return plain and weight.numel() > 0 and "forward" not in vars(layer)


def _available() -> bool:
    found: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return found and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATIONS)


def _most_bytes() -> float:
    try:
        return _MEMORY_SHARE * available_memory()
    except (ValueError, OSError):  # another system
        return 0.0


def _product(layer: nn.Linear) -> Callable[[Tensor], Tensor]:
    weight = layer.weight.detach()
    bias = None if layer.bias is None else layer.bias.detach()
    version = layer.weight._version  # counts changes in place: an optimiser's, a loaded state's
    packed = torch.ops.mkldnn._reorder_linear_weight(weight)

    def forward(input: Tensor) -> Tensor:  # the name that callers may give
        odd = input.dtype != torch.float32 or input.dim() < 2 or not input.numel()
        if odd or torch.is_grad_enabled() or layer.weight._version != version:
            return nn.functional.linear(input, layer.weight, layer.bias)
        found: Tensor = torch.ops.mkldnn._linear_pointwise(input, packed, bias, "none", [], "")
        return found

    return forward
