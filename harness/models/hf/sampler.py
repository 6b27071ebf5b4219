"""Sampling from a checkpoint in this process, and from a model in memory.

A completion is a function of model, prompt, decoding, seed, task and sample number: in float32, batch size,
order, number of processes and what was sampled before decide nothing (`harness.models.hf.decode`). In half
precision a batch shifts predictions by more than could be made good, and `describe` says so.

Of the model's own generation settings only the special tokens are used (decoder start, ends); a repetition
penalty, forced tokens or a top-k that a checkpoint brings along are not: what decides stands in `Decoding`.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from harness.errors import InputError
from harness.models.base import Completion, Decoding, Request, Trace
from harness.models.chat_template import ChatChoice, Template, special_ids
from harness.models.end_tokens import chat_choice, decoder_start, end_ids, generation_of
from harness.models.hf.batching import Budget, Row, in_order, start_tokens
from harness.models.hf.decode import Precision, Session
from harness.models.hf.forward import Forward
from harness.models.hf.noise import row_key
from harness.models.hf.packed_products import pack_products, packed
from harness.models.hf.stopping import StopCriteria
from harness.models.library_errors import out_of_memory
from harness.models.positions import ContextWindow, embedding_rows, inner_model, is_seq2seq
from harness.models.prompt_encoder import PromptEncoder

SAMPLER_VERSION = "2"
"""Raised whenever another token may be chosen for some logits and key: runs of two versions do not mix."""


class LocalSampler:
    """Completes prompts with a model of transformers; a `harness.models.Sampler`.

    The model's weights may change between calls of `complete`. While completions are computed the model is in
    eval mode; whenever the caller holds one, it is in the mode that the caller left it in.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        batch_tokens: int | None = None,
        batch_size: int | None = None,
        chat: str = "auto",
        truncation: str = "end",
        source_tokens: int | None = None,
        description: Mapping[str, Any] | None = None,
        trace: bool = False,
    ) -> None:
        """
        Args:
            model: causal or encoder-decoder, on its device, not wrapped for data parallelism.
            tokenizer: the model's.
            batch_tokens: prompt and new tokens computed at once, at first; None for what suits the device.
            batch_size: most rows computed at once; None for no such limit.
            chat: `auto`, `on` or `off`; see `harness.models.prompt_encoder.CHAT`.
            truncation: one of `harness.prompts.TRUNCATIONS`.
            source_tokens: most tokens of a prompt; None for what the model's context allows.
            description: which model it is, for `describe`.
            trace: give each completion's tokens and their log-probabilities, for training.
        """
        self._model = model
        self._tokenizer = tokenizer
        self._description = dict(description or {"name": type(model).__name__})
        self._ends = end_ids(generation_of(model), model.config, tokenizer)
        self._forward = Forward(model, decoder_start(model) if is_seq2seq(model) else None)
        self._context = ContextWindow.of(model)
        self._prompting = PromptEncoder(
            tokenizer,
            self._context,
            chat=chat,
            truncation=truncation,
            source_tokens=source_tokens,
            known_tokens=embedding_rows(model),
        )
        self._trace = trace
        self._settings = {"chat": chat, "truncation": truncation, "source_tokens": source_tokens}
        start = start_tokens(inner_model(model), self._forward.device.type)
        self._budget = Budget(batch_tokens or start, batch_size)
        self._endings_by_stop: dict[tuple[tuple[str, ...], bool], StopCriteria] = {}
        self._uncached: str | None = None
        self._precision = Precision(exact=_is_exact(model.dtype))

    @classmethod
    def load(
        cls,
        name: str,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        adapter: str | None = None,
        trust_remote_code: bool = False,
        gguf_file: str | None = None,
        **options: Any,
    ) -> LocalSampler:
        """A sampler of the checkpoint `name`, a hub id or a folder; `options` as for the class.

        Raises:
            InputError: If it cannot be loaded, or does not write text.
        """
        from harness.models.hf.loading import load  # noqa: PLC0415 - a trainer's model is there already

        found = load(
            name,
            revision=revision,
            dtype=dtype,
            device=device,
            adapter=adapter,
            trust_remote_code=trust_remote_code,
            gguf_file=gguf_file,
        )
        pack_products(found.model)
        return cls(found.model, found.tokenizer, description=found.description, **options)

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion]:
        """As `Sampler.complete`; longest prompts first. All requests are read before the first completion.

        Raises:
            InputError: If a prompt cannot be fitted, or a single row does not fit into memory.
        """
        waiting = in_order([row for request in requests for row in self._rows(request, decoding)])
        with packed(self._model):
            while waiting:
                # Which rows a row is computed with moves the last bits of its log-probabilities, though not
                # its tokens. Where they are learned from, rows join no others: `batches` says who goes with
                # whom.
                count = self._budget.take(waiting) if self._trace else len(waiting)
                begun, later = waiting[:count], waiting[count:]
                waiting = (yield from self._run(begun, decoding)) + later

    def batches(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[list[Request]]:
        """`requests` in the batches that `complete` computes of them, in its order, where memory suffices.

        `complete` of one batch alone gives the same bits as in all of them, log-probabilities included.

        Raises:
            InputError: If a prompt cannot be fitted.
        """
        given = [(request, row) for request in requests for row in self._rows(request, decoding)]
        asked = {id(row): request for request, row in given}
        waiting = in_order([row for _, row in given])
        while waiting:
            count = self._budget.take(waiting)
            batch, waiting = waiting[:count], waiting[count:]
            yield [replace(asked[id(row)], sample_ids=(row.sample_id,)) for row in batch]

    def chat_choice(self) -> ChatChoice:
        """Whether the model is to be asked as a chat model where nobody says how.

        Raises:
            InputError: If it has a chat template that cannot be used.
        """
        return chat_choice(self._model, self._tokenizer)

    def describe(self) -> Mapping[str, Any]:
        """As `Sampler.describe`; `measured` changes while sampling goes on, the rest does not."""
        precision = self._precision
        return {
            **settled(
                self._description,
                type(self._model),
                self._model.dtype,
                self._forward.device,
                **self._settings,
            ),
            "measured": {
                "steps": precision.steps,
                "made_again": precision.again,
                "largest_difference": precision.largest_seen,
                "tolerance": precision.tolerance if precision.exact else None,
                "batch_tokens": self._budget.tokens,
                **({"uncached": self._uncached} if self._uncached else {}),
            },
        }

    def _rows(self, request: Request, decoding: Decoding) -> Iterator[Row]:
        encoded = self._prompting.encode(request.prompt, decoding.max_new_tokens)
        endings = self._endings((*decoding.stop, *request.prompt.format.stop), chat=encoded.chat)
        for number in request.sample_ids:
            key = row_key(decoding.seed, request.task_id, number)
            yield Row(encoded.prompt, encoded.ids, number, key, encoded.limit, endings)

    def _endings(self, stop: tuple[str, ...], *, chat: bool) -> StopCriteria:
        key = (stop, chat)
        if key not in self._endings_by_stop:
            ends = self._ends | self._turn_ends() if chat else self._ends
            self._endings_by_stop[key] = StopCriteria(self._tokenizer, ends, stop)
        return self._endings_by_stop[key]

    def _turn_ends(self) -> frozenset[int]:
        """What closes a turn in the template ends an answer to it, of a base model's too."""
        close = Template(self._tokenizer).closing(self._ends | special_ids(self._tokenizer))
        return frozenset() if close is None else frozenset({close})

    def _run(self, rows: list[Row], decoding: Decoding) -> Generator[Completion, None, list[Row]]:
        """Completions as they end; returns rows that are to be begun, or begun anew: memory did not suffice.

        Some models let no row join others that have begun; then the rest is returned as well.
        """
        slots = self._budget.take(rows)
        session = Session(rows, slots, self._forward, decoding, self._precision, log_probs=self._trace)
        while not session.done:
            try:
                with _evaluating(self._model):
                    ended = session.advance()
                    self._say_uncached(session)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self._refuse_if_alone(session.rows)
                self._budget.halve(session.rows)
                rows = in_order(session.rows + session.waiting)
                del session
                break
            for row in ended:
                yield self._completion(row)
        else:
            return session.waiting
        _free_memory()  # outside of the handler, whose traceback holds some
        return rows

    def _say_uncached(self, session: Session) -> None:
        """Once: without a cache each token costs as much as the whole text before it."""
        if session.cached or self._uncached:
            return
        self._uncached = (
            f"what {type(inner_model(self._model)).__name__} has computed of a text cannot be kept row by"
            " row, so all of it is computed again for each token: slower, the same samples"
        )
        warnings.warn(self._uncached, stacklevel=2)

    def _refuse_if_alone(self, batch: Sequence[Row]) -> None:
        if len(batch) == 1:
            row = batch[0]
            raise InputError(
                f"{row.prompt.task_id}: memory does not suffice for one sample ({len(row.ids)} tokens of"
                f" prompt, up to {row.limit} new); ask for fewer new tokens, shorter prompts or bfloat16"
            ) from None

    def _completion(self, row: Row) -> Completion:
        prompt = row.ids if self._context.shared else ()
        text, finish = row.endings.read(prompt, row.tokens)
        trace = None
        if self._trace:
            spans = row.endings.spans(prompt, row.tokens, text)
            trace = Trace(row.ids, tuple(row.tokens), tuple(row.log_probs), spans)
        return Completion(row.prompt, row.sample_id, text, finish, len(row.tokens), trace)


_INDEPENDENCE = {
    True: "a sample is the same in every batch, order and number of processes on this kind of hardware",
    False: "rounding at this precision differs with the batch, so another batch size may give other samples",
}


def settled(
    about: Mapping[str, Any], kind: type, dtype: torch.dtype, device: torch.device, **settings: Any
) -> dict[str, Any]:
    """What `LocalSampler.describe` says before anything is sampled, and what no sampling changes.

    Args:
        about: Which model it is.
        kind: Its class.
        dtype: Of its weights.
        device: Where it is.
        settings: How it is asked: `chat`, `truncation`, `source_tokens`.
    """
    exact = _is_exact(dtype)
    return {
        "kind": "local",
        "version": SAMPLER_VERSION,
        "model": about,
        "architecture": kind.__name__,
        "dtype": str(dtype).removeprefix("torch."),
        "device": device.type,
        "settings": settings,
        "independent_of_batch": exact,
        "independence": _INDEPENDENCE[exact],
    }


def _is_exact(dtype: torch.dtype) -> bool:
    """Whether sums are so fine that choices made at their last bits can be told, and made again."""
    # "high" and "medium" have products of float32 rounded as if they were of fewer bits (TF32, bfloat16).
    return dtype == torch.float32 and torch.get_float32_matmul_precision() == "highest"


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Eval mode, and each module's own mode back at the end: parts of a model in training may be frozen."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _free_memory() -> None:
    gc.collect()  # what failed hangs on a traceback
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
