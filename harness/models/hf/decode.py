"""Decodes one batch, from its prompts to the end of each row: predict, choose a token, drop finished rows.

A choice that rounding could change is made again from logits of the row alone (`Forward.unbatched_logits`,
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
from harness.models.hf.kv_batch import start_batch
from harness.models.hf.noise import step_seeds
from harness.models.hf.token_sampling import TokenChooser, choose_exact


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
    """The decoding of one batch; `advance` until `rows` is empty."""

    def __init__(
        self,
        rows: Sequence[Row],
        forward: Forward,
        decoding: Decoding,
        precision: Precision,
        *,
        log_probs: bool = False,
    ) -> None:
        """`log_probs`: note each token's in its row."""
        self.rows = list(rows)
        """Not ended yet."""
        self._forward = forward
        self._decoding = decoding
        self._chooser = TokenChooser(decoding)
        self._precision = precision
        self._log_probs = log_probs
        self._batch = start_batch(forward, [row.ids for row in rows])
        self._held: list[Row | None] = list(rows)
        """The batch's rows; None where one has ended and is still computed."""
        for row in rows:
            row.tokens.clear()
            row.log_probs.clear()
        self._logits: Tensor | None = None

    @property
    def cached(self) -> bool:
        """Whether what was computed of a text is kept for its next token."""
        return self._batch.cached

    @torch.no_grad()  # not inference_mode: buffers that a model makes on the way would be unfit for training
    def advance(self) -> list[Row]:
        """Go on until at least one row ends; those that have."""
        ended: list[Row] = []
        while self.rows and not ended:
            ended = self._step()
        return ended

    def _step(self) -> list[Row]:
        logits = self._batch.first() if self._logits is None else self._next()
        self._logits = logits
        places = [place for place, row in enumerate(self._held) if row is not None]
        if len(places) < len(self._held):
            logits = logits[torch.tensor(places, device=logits.device)]
        chosen = self._chosen(logits)
        for row, token in zip(self.rows, chosen, strict=True):
            row.tokens.append(token)
        if self._log_probs:
            for row, value in zip(self.rows, _log_probs(logits, chosen), strict=True):
                row.log_probs.append(value)
        ended = [row for row in self.rows if self._ends(row)]
        self._drop(ended)
        return ended

    def _next(self) -> Tensor:
        self._shrink()
        # The newest token alone: handing over whole rows at each step grows with the square of their length.
        newest = [[0 if row is None else row.tokens[-1]] for row in self._held]
        return self._batch.after(self._forward.tensor(newest))

    def _chosen(self, logits: Tensor) -> list[int]:
        if not bool(torch.isfinite(logits.amax(dim=-1)).all()):
            raise InputError(
                "the model's predictions are not numbers (overflow, or damaged weights); load it with"
                " another dtype, such as float32"
            )
        seeds = step_seeds(
            [row.key for row in self.rows], [len(row.tokens) for row in self.rows], logits.device
        )
        choice = self._chooser.choose(logits, seeds, self._precision.tolerance)
        tokens: list[int] = choice.tokens.tolist()
        self._precision.steps += len(tokens)
        for place in (~choice.batch_invariant).nonzero()[:, 0].tolist() if self._precision.exact else []:
            tokens[place] = self._choose_unbatched(self.rows[place], logits[place], seeds[place : place + 1])
        return tokens

    def _choose_unbatched(self, row: Row, logits: Tensor, seeds: Tensor) -> int:
        """The choice from the row's own text: what it would be in every batch."""
        alone = self._forward.unbatched_logits(row.ids, row.tokens)
        self._precision.again += 1
        difference = (alone[0].float() - logits.float()).abs().nan_to_num(
            0.0
        ).amax() / alone.float().abs().amax()
        self._precision.saw(float(difference))
        return int(choose_exact(alone, seeds, self._decoding)[0])

    def _ends(self, row: Row) -> bool:
        return row.endings.ended(row.tokens) or len(row.tokens) >= row.limit

    def _drop(self, ended: Sequence[Row]) -> None:
        gone = set(map(id, ended))
        self.rows = [row for row in self.rows if id(row) not in gone]
        self._held = [None if row is None or id(row) in gone else row for row in self._held]

    def _shrink(self) -> None:
        """Take ended rows out of the batch when they are an eighth of it: taking out copies the cache."""
        if (len(self._held) - len(self.rows)) * 8 < len(self._held) or len(self._held) == len(self.rows):
            return
        self._batch.keep([place for place, row in enumerate(self._held) if row is not None])
        self._held = list(self.rows)


def _log_probs(logits: Tensor, tokens: Sequence[int]) -> list[float]:
    """Of each row's token, from logits `[B, V]`."""
    places = torch.tensor(tokens, device=logits.device)[:, None]
    logits = logits.float()
    found: list[float] = (logits.gather(1, places)[:, 0] - logits.logsumexp(dim=-1)).tolist()
    return found
