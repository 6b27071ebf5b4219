"""Chooses the next token from logits, and says whether rounding could change the choice.

Logits of the same text differ in their last bits from batch to batch. A choice is *batch-invariant* if all
logits within a tolerance of the given ones lead to the same token. Other choices are made again by
`choose_exact` from logits that were computed without a batch. As long as the tolerance exceeds the
difference, the batch does not influence a sample.

Sampling keeps the tokens that transformers keeps (temperature, then top-k, then top-p on what top-k leaves),
except that tokens of equal weight are kept or dropped together. It needs no sort of the vocabulary: the token
with the largest weight over exponential noise (Gumbel-max) wins, and is then tested for being in the nucleus.
Where a short list contains the nucleus, only its tokens get noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.models.base import Decoding
from harness.models.hf.noise import exponential

_SHORTLIST = 64
_ROUNDING = 1e-5
"""Of a sum of 50,000 fp32 weights, and of noise, as a share; generous."""
_CHUNK = {"cpu": 1 << 18}
"""Logits handled at once: what a CPU's cache holds. A vocabulary of 50,000 takes twice as long without."""
_RETRY = 16
"""Steps after which the shortlist is tried again where it was of no use."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Tokens for a batch of B rows."""

    tokens: Tensor
    """`[B]` int64."""
    batch_invariant: Tensor
    """`[B]` bool: no logits within the tolerance lead to another token."""


class TokenChooser:
    """Chooses for batches; learns whether this model's nuclei fit a short list, which changes no choice."""

    def __init__(self, decoding: Decoding) -> None:
        self._decoding = decoding
        cuts = decoding.top_p < 1 or decoding.top_k
        self._wait = 0 if cuts and not decoding.greedy else math.inf

    def choose(self, logits: Tensor, seeds: Tensor, tolerance: float) -> Choice:
        """The token of each row.

        Args:
            logits: `[B, V]`, as the model gives them.
            seeds: `[B, 2]` of `harness.models.hf.noise.step_seeds`.
            tolerance: how far each logit may be off, as a share of the row's largest absolute logit.
        """
        rows = max(1, _CHUNK.get(logits.device.type, 1 << 26) // logits.shape[1])
        parts = [
            self._choose(some, several, tolerance)
            for some, several in zip(torch.split(logits, rows), torch.split(seeds, rows), strict=True)
        ]
        return Choice(
            torch.cat([each.tokens for each in parts]), torch.cat([each.batch_invariant for each in parts])
        )

    def _choose(self, logits: Tensor, seeds: Tensor, tolerance: float) -> Choice:
        logit_error = _largest(logits) * tolerance
        if self._decoding.greedy:
            best = torch.topk(logits.float(), 2, dim=-1)
            return Choice(best.indices[:, 0], best.values[:, 0] - best.values[:, 1] > 2 * logit_error)
        every = _Candidates.of(logits, self._decoding, logit_error)
        self._wait -= 1
        if self._wait >= 0:
            return _winner(every, seeds)
        short, enough = every.shortlist()
        if bool(enough.all()):
            return _winner(short, seeds)
        self._wait = _RETRY if int(enough.sum()) * 2 < len(enough) else 0
        rest = ~enough
        wide = _winner(every.rows(rest), seeds[rest])
        return (
            _merge(enough, _winner(short.rows(enough), seeds[enough]), wide) if bool(enough.any()) else wide
        )


def choose_exact(logits: Tensor, seeds: Tensor, decoding: Decoding) -> Tensor:
    """Token ids `[B]` that these very logits define; arguments as for `TokenChooser.choose`."""
    if decoding.greedy:
        return logits.float().argmax(dim=-1)
    return _winner(_Candidates.of(logits, decoding, None), seeds).tokens


def _largest(logits: Tensor) -> Tensor:
    """`[B]`: the largest absolute logit; some models give some tokens -inf."""
    least = logits.amin(dim=-1).float()
    return torch.maximum(logits.amax(dim=-1).float().abs(), least.masked_fill(least.isinf(), 0).abs())


def _merge(where: Tensor, chosen: Choice, other: Choice) -> Choice:
    """Rows in their order: `chosen` where the mask is True, `other` where it is False."""
    tokens = torch.empty(len(where), dtype=torch.int64, device=where.device)
    batch_invariant = torch.empty(len(where), dtype=torch.bool, device=where.device)
    tokens[where], batch_invariant[where] = chosen.tokens, chosen.batch_invariant
    tokens[~where], batch_invariant[~where] = other.tokens, other.batch_invariant
    return Choice(tokens, batch_invariant)


@dataclass(slots=True)
class _Candidates:
    """Tokens that may win, and what decides whether one is in the nucleus. B rows, K candidates."""

    decoding: Decoding
    weights: Tensor
    """`[B, K]`: probabilities before they are normalised; the largest is 1."""
    total: Tensor
    """`[B]`: weight of all tokens that top-k leaves."""
    weight_error: Tensor | None
    """`[B]`: the factor within which two weights may have changed places; None if the weights are exact."""
    tokens: Tensor | None = None
    """`[B, K]` ids; None if the candidates are the whole vocabulary in its order."""

    @classmethod
    def of(cls, logits: Tensor, decoding: Decoding, logit_error: Tensor | None) -> _Candidates:
        """All tokens; `logit_error` `[B]` is how far each logit may be off."""
        values = logits.float()
        weights = values.sub(values.amax(dim=-1, keepdim=True)).mul_(1 / decoding.temperature).exp_()
        kept = weights
        if 0 < decoding.top_k < weights.shape[1]:
            kept = torch.topk(weights, decoding.top_k, dim=-1).values
        weight_error = (
            None if logit_error is None else torch.exp(2 * logit_error / decoding.temperature + _ROUNDING)
        )
        return cls(decoding, weights, kept.sum(dim=-1), weight_error)

    def shortlist(self) -> tuple[_Candidates, Tensor]:
        """The best of all tokens, and `[B]` whether all others are outside the nucleus."""
        count = min(self.weights.shape[1], max(_SHORTLIST, self.decoding.top_k + 8))
        best = torch.topk(self.weights, count, dim=-1)
        short = _Candidates(self.decoding, best.values, self.total, self.weight_error, best.indices)
        if count == self.weights.shape[1]:
            return short, torch.ones_like(self.total, dtype=torch.bool)
        return short, short.outside(best.values[:, -1])

    def rows(self, mask: Tensor) -> _Candidates:
        """Some of the rows."""
        weight_error = None if self.weight_error is None else self.weight_error[mask]
        tokens = None if self.tokens is None else self.tokens[mask]
        return _Candidates(self.decoding, self.weights[mask], self.total[mask], weight_error, tokens)

    def outside(self, weight: Tensor) -> Tensor:
        """`[B]`: a token of this weight is not in the nucleus, whatever the rounding."""
        above = self.weights > (weight if self.weight_error is None else weight * self.weight_error)[:, None]
        out = torch.zeros_like(self.total, dtype=torch.bool)
        if self.decoding.top_p < 1:
            out = _mass(self.weights, above) >= (self.decoding.top_p + self._slack()) * self.total
        if self.decoding.top_k:
            out |= above.sum(dim=-1) >= self.decoding.top_k
        return out

    def inside(self, weight: Tensor) -> Tensor:
        """`[B]`: a token of this weight is in the nucleus, whatever the rounding."""
        weight_error = 1.0 if self.weight_error is None else self.weight_error
        above = self.weights >= (weight / weight_error)[:, None]
        inside = torch.ones_like(self.total, dtype=torch.bool)
        if self.decoding.top_p < 1:
            # Exclude the token's own mass.
            ahead = _mass(self.weights, above) - weight
            inside = ahead < (self.decoding.top_p - self._slack()) * self.total
        if self.decoding.top_k:
            inside &= above.sum(dim=-1) <= self.decoding.top_k
        return inside

    def _slack(self) -> Tensor | float:
        """Share of the mass that moves at most when the weights move by as much as they may."""
        return 0.0 if self.weight_error is None else self.weight_error - 1


def _mass(weights: Tensor, where: Tensor) -> Tensor:
    return where.to(weights.dtype).mul_(weights).sum(dim=-1)


def _winner(candidates: _Candidates, seeds: Tensor) -> Choice:
    """The candidate in the nucleus with the largest weight over noise."""
    tokens = candidates.tokens
    if tokens is None:
        tokens = torch.arange(candidates.weights.shape[1], device=seeds.device)[None]
    noise = exponential(seeds, tokens.to(torch.int32))
    return _first_inside(candidates, candidates.weights / noise)


def _first_inside(candidates: _Candidates, scores: Tensor) -> Choice:
    """The best in the scores unless it is outside the nucleus; then the next best, until each row has one."""
    lead, place = scores.max(dim=-1, keepdim=True)
    weight = candidates.weights.gather(1, place)[:, 0]
    scores = scores.scatter_(1, place, 0)
    if candidates.weight_error is None:
        batch_invariant = torch.ones_like(weight, dtype=torch.bool)
        undecided = candidates.outside(weight)
    else:
        batch_invariant = candidates.inside(weight) & (
            lead[:, 0] > scores.amax(dim=-1) * candidates.weight_error
        )
        undecided = ~batch_invariant
        if bool(undecided.any()):
            undecided[undecided.clone()] = candidates.rows(undecided).outside(weight[undecided])
    tokens = place if candidates.tokens is None else candidates.tokens.gather(1, place)
    chosen = Choice(tokens[:, 0], batch_invariant)
    if not bool(undecided.any()):
        return chosen
    again = _first_inside(candidates.rows(undecided), scores[undecided])
    done = ~undecided
    return _merge(done, Choice(chosen.tokens[done], batch_invariant[done]), again)
