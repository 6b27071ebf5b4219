"""Decodes rows, from their prompts to their ends: predict, choose a token, let waiting rows into free slots.

A choice that rounding could change is made again from logits of the row alone (`harness.models.hf.unbatched`,
`harness.models.hf.token_sampling`), so that a sample does not depend on the other rows of its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import InputError
from harness.models.base import Decoding
from harness.models.hf.batching import Row
from harness.models.hf.forward import Forward
from harness.models.hf.kv_kinds import start_batch
from harness.models.hf.noise import step_seeds
from harness.models.hf.token_sampling import TokenChooser, choose_exact
from harness.models.hf.unbatched import Unbatched


@dataclass(slots=True)
class Precision:
    """How far predictions of one text may be apart from batch to batch, and what was seen of it."""

    exact: bool
    """Make unsure choices again; without it a batch may decide them."""
    tolerance: float = 2e-5
    """Share of a row's largest absolute logit. fp32 differences measured on models of six classes were below
    3e-6; when a larger one is seen, 4 times that becomes the tolerance."""
    largest_seen: float = 0.0
    steps: int = 0
    again: int = 0
    """Of the steps, those made again."""

    def saw(self, difference: float) -> None:
        """Note a difference between the logits of a batch and of a text alone, as a share."""
        self.largest_seen = max(self.largest_seen, difference)
        self.tolerance = max(self.tolerance, 4 * difference)


class Session:
    """The decoding of rows, so many at a time; `advance` until `rows` is empty.

    A row that ends leaves its slot to one that waits, if the model allows that (`Batch.open`).
    """

    def __init__(
        self,
        waiting: Sequence[Row],
        slots: int,
        forward: Forward,
        decoding: Decoding,
        precision: Precision,
        *,
        log_probs: bool = False,
    ) -> None:
        """
        Args:
            waiting: Longest prompts first; the first `slots` of them begin.
            slots: Most rows at a time.
            forward: Of the model.
            decoding: Settings.
            precision: Of the model's predictions; is told what was seen.
            log_probs: Note each token's in its row.
        """
        self.waiting = list(waiting)
        """Not begun yet; what is left when `rows` is empty needs another session."""
        self._forward = forward
        self._unbatched = Unbatched(forward)
        self._decoding = decoding
        self._chooser = TokenChooser(decoding)
        self._precision = precision
        self._log_probs = log_probs
        slots = min(slots, len(waiting))
        self._batch = start_batch(forward, slots)
        self._held: list[Row | None] = [None] * slots
        """The slots' rows; None where one has ended and no other has begun."""
        self._begun = False

    @property
    def rows(self) -> list[Row]:
        """Begun, and not ended."""
        return [row for row in self._held if row is not None]

    @property
    def done(self) -> bool:
        """Nothing is left to do here."""
        return not self.rows and not self._may_join()

    @property
    def cached(self) -> bool:
        """Whether what was computed of a text is kept for its next token."""
        return self._batch.cached

    @torch.no_grad()  # not inference_mode: buffers that a model makes on the way would be unfit for training
    def advance(self) -> list[Row]:
        """Go on until at least one row ends; those that have."""
        ended: list[Row] = []
        while not ended and not self.done:
            ended = self._join() if self._may_join() else self._continue()
        return ended

    def _may_join(self) -> bool:
        """An eighth of the slots at a time: a prompt alone is read at a worse rate."""
        if not self.waiting or (self._begun and not self._batch.open):
            return False
        return self._held.count(None) * 8 >= len(self._held)

    def _join(self) -> list[Row]:
        free = [slot for slot, row in enumerate(self._held) if row is None]
        rows, self.waiting = self.waiting[: len(free)], self.waiting[len(free) :]
        slots, self._begun = free[: len(rows)], True
        for slot, row in zip(slots, rows, strict=True):
            self._held[slot] = row
            row.tokens.clear()
            row.log_probs.clear()
        return self._append(slots, self._batch.join([row.ids for row in rows], slots))

    def _continue(self) -> list[Row]:
        self._shrink()
        # The newest token alone: handing over whole rows at each step grows with the square of their length.
        logits = self._batch.after([0 if row is None else row.tokens[-1] for row in self._held])
        slots = [slot for slot, row in enumerate(self._held) if row is not None]
        if len(slots) < len(self._held):
            logits = logits[torch.tensor(slots, device=logits.device)]
        return self._append(slots, logits)

    def _append(self, slots: Sequence[int], logits: Tensor) -> list[Row]:
        """Choose the next token of the rows in `slots`; those of them that end with it."""
        rows = [row for row in (self._held[slot] for slot in slots) if row is not None]
        chosen = self._chosen(rows, logits)
        for row, token in zip(rows, chosen, strict=True):
            row.tokens.append(token)
        if self._log_probs:
            for row, value in zip(rows, _log_probs(logits, chosen), strict=True):
                row.log_probs.append(value)
        ended = {slot: row for slot, row in zip(slots, rows, strict=True) if self._ends(row)}
        self._batch.leave(ended)
        self._held = [None if slot in ended else row for slot, row in enumerate(self._held)]
        return list(ended.values())

    def _chosen(self, rows: Sequence[Row], logits: Tensor) -> list[int]:
        seeds = step_seeds([row.key for row in rows], [len(row.tokens) for row in rows], logits.device)
        choice = self._chooser.choose(logits, seeds, self._precision.tolerance)
        finite = torch.isfinite(logits.amax(dim=-1))
        # Together: each of them alone would wait for the device.
        found = torch.stack([choice.tokens, choice.batch_invariant.long(), finite.long()])
        tokens, batch_invariant, numbers = found.tolist()
        if not all(numbers):
            raise InputError(
                "the model's predictions are not numbers (overflow, or damaged weights); load it with"
                " another dtype, such as float32"
            )
        self._precision.steps += len(tokens)
        if self._precision.exact:
            for place in (place for place, sure in enumerate(batch_invariant) if not sure):
                own = seeds[place : place + 1]
                tokens[place] = self._choose_unbatched(rows[place], logits[place], own)
        chosen: list[int] = tokens
        return chosen

    def _choose_unbatched(self, row: Row, logits: Tensor, seeds: Tensor) -> int:
        """The choice from the row's own text: what it would be in every batch."""
        alone = self._unbatched.logits(row.ids, row.tokens)
        self._precision.again += 1
        difference = (alone[0].float() - logits.float()).abs().nan_to_num(
            0.0
        ).amax() / alone.float().abs().amax()
        self._precision.saw(float(difference))
        return int(choose_exact(alone, seeds, self._decoding)[0])

    def _ends(self, row: Row) -> bool:
        return row.endings.ended(row.tokens) or len(row.tokens) >= row.limit

    def _shrink(self) -> None:
        """Give up slots that stay free when they are an eighth: giving up copies the cache."""
        free = self._held.count(None)
        if not free or free * 8 < len(self._held) or (self.waiting and self._batch.open):
            return
        self._batch.keep([slot for slot, row in enumerate(self._held) if row is not None])
        self._held = list(self.rows)


def _log_probs(logits: Tensor, tokens: Sequence[int]) -> list[float]:
    """Of each row's token, from logits `[B, V]`."""
    places = torch.tensor(tokens, device=logits.device)[:, None]
    logits = logits.float()
    found: list[float] = (logits.gather(1, places)[:, 0] - logits.logsumexp(dim=-1)).tolist()
    return found
