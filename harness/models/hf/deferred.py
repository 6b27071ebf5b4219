"""A checkpoint whose weights are loaded when a completion is asked for, and not to say what it is.

A run that has all its samples is found by what the model is (`LocalSampler.describe`), which its config and
the hash of its files tell in a second; its weights take gigabytes and minutes. Does not cover: checkpoints
whose config does not tell enough (`harness.models.hf.loading.outline`), which are loaded at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.errors import InputError
from harness.models.base import Completion, Decoding, Request
from harness.models.chat_template import ChatChoice
from harness.models.hf.loading import load, outline
from harness.models.hf.packed_products import pack_products
from harness.models.hf.prompt_reader import load_reader
from harness.models.hf.sampler import LocalSampler, settled

_DTYPE, _DEVICE = "dtype", "device"


class DeferredSampler:
    """A `harness.models.Sampler` of a checkpoint."""

    def __init__(
        self,
        name: str,
        *,
        chat: str = "auto",
        truncation: str = "end",
        source_tokens: int | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        """
        Args:
            name: As of `harness.models.hf.loading.load`.
            chat: As of `LocalSampler`, like the two that follow.
            truncation: The same.
            source_tokens: The same.
            batch_size: The same.
            options: Others of `harness.models.hf.loading.load`.

        Raises:
            InputError: If it is not there, or is known not to write text without a look at its weights.
        """
        self._name, self._options, self._batch_size = name, options, batch_size
        self._settings: dict[str, Any] = {
            "chat": chat,
            "truncation": truncation,
            "source_tokens": source_tokens,
        }
        self._sampler: LocalSampler | None = None
        self._outline = found = outline(name, **options)
        self._settled: dict[str, Any] = {}
        if found is None:
            self.load()
        else:
            about = found.description
            self._settled = settled(about, found.kind, found.dtype, found.device, **self._settings)

    def load(self) -> LocalSampler:
        """The sampler with its weights, loaded at the first call.

        Raises:
            InputError: As `loading.load`, or if the model is not what its config says.
        """
        if self._sampler is None:
            about = None if self._outline is None else self._outline.description
            found = load(self._name, **self._options, description=about)
            pack_products(found.model)
            sampler = LocalSampler(
                found.model,
                found.tokenizer,
                description=found.description,
                batch_size=self._batch_size,
                **self._settings,
            )
            self._refuse_another(sampler.describe())
            self._sampler = sampler
        return self._sampler

    def _refuse_another(self, loaded: Mapping[str, Any]) -> None:
        for field, told in self._settled.items():
            if loaded[field] != told:
                raise InputError(
                    f"{self._name}: by its config its {field} is {told}, and what was loaded has"
                    f" {loaded[field]}; name a --dtype, or mend config.json"
                )

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion]:
        """As `LocalSampler.complete`."""
        return self.load().complete(requests, decoding)

    def chat_choice(self) -> ChatChoice:
        """As `LocalSampler.chat_choice`."""
        if self._sampler is not None:
            return self._sampler.chat_choice()
        known = {name: value for name, value in self._options.items() if name not in (_DTYPE, _DEVICE)}
        return load_reader(self._name, **known).chat_choice()

    def describe(self) -> Mapping[str, Any]:
        """As `LocalSampler.describe`; nothing is `measured` before a completion was asked for."""
        return self._settled if self._sampler is None else self._sampler.describe()
