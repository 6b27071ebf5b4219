"""Weights as one flat array of bytes and a layout: what crosses from the learner to samplers elsewhere.

The bytes are those of the tensors, whatever their dtype. Does not cover: how the array travels
(`rltf.rollout.ray_samplers`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import InputError

_ALIGNMENT = 64
"""Bytes: of a cache line, and of the widest load of a processor."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor is in the array."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    first: int
    """Byte."""

    @property
    def size(self) -> int:
        """Bytes."""
        each: int = getattr(torch, self.dtype).itemsize
        return math.prod(self.shape) * each


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the tensors of a model are."""

    places: tuple[Place, ...]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Layout:
        """One after the other."""
        places, first = [], 0
        for name, tensor in tensors.items():
            dtype = str(tensor.dtype).removeprefix("torch.")
            places.append(Place(name, dtype, tuple(tensor.shape), first))
            first += -(-places[-1].size // _ALIGNMENT) * _ALIGNMENT
        return cls(tuple(places))

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return self.places[-1].first + self.places[-1].size if self.places else 0

    def check(self, tensors: Mapping[str, Tensor]) -> None:
        """Hold that `tensors` are those of the layout.

        Raises:
            InputError: If they are others: the model that was built is not the one that is trained.
        """
        wanted = {place.name: place.shape for place in self.places}
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        other = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        if other:
            name = other[0]
            raise InputError(
                f"the model built from its config is not the trained one: {name} is {found.get(name)} there"
                f" and {wanted.get(name)} here ({len(other)} such); pass sampler=process"
            )


def tensors_of(model: Any) -> dict[str, Tensor]:
    """All that a model's predictions depend on, by name; tied weights once."""
    return dict([*model.named_parameters(), *model.named_buffers()])


def pack(tensors: Mapping[str, Tensor], layout: Layout) -> np.ndarray[Any, Any]:
    """`[bytes]` uint8: a copy of the tensors, from whatever device they are on."""
    flat = np.empty(layout.size, np.uint8)
    with torch.no_grad():
        for place, part in _parts(flat, layout.places):
            part.copy_(tensors[place.name])
    return flat


def unpack(flat: np.ndarray[Any, Any], layout: Layout, tensors: Mapping[str, Tensor]) -> None:
    """Copy an array that `pack` made into `tensors`, which get the dtypes of the layout."""
    with torch.no_grad():
        for place, part in _parts(flat, layout.places):
            own = tensors[place.name]
            if own.dtype != part.dtype:
                own.data = own.data.to(part.dtype)
            own.copy_(part)


def _parts(flat: np.ndarray[Any, Any], places: Sequence[Place]) -> list[tuple[Place, Tensor]]:
    """The array's memory, as tensors."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nothing is written there
        return [
            (
                place,
                torch.from_numpy(flat[place.first : place.first + place.size])
                .view(getattr(torch, place.dtype))
                .view(place.shape),
            )
            for place in places
        ]
