"""The choice of a token from a model's predictions, and whether it is beyond the reach of rounding.

Predictions for the same text differ in their last bits with the batch that they were computed in. A choice
is *sure* if every set of logits within a tolerance of the given ones leads to the same token; the others are
to be made again, with `settle`, from logits that do not depend on a batch. So, as long as the tolerance is
above the difference, the batch decides nothing.

Tokens are kept or dropped as in transformers (temperature, then top-k, then top-p on what top-k leaves),
except that tokens of exactly the same weight are kept or dropped together: which came first would be chance.
No vocabulary is sorted. The winner of all (by weight over noise) is asked whether it is in the nucleus, which
at top-p 0.95 it is 19 times in 20, and where a short list holds the nucleus only its tokens get noise.
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
    sure: Tensor
    """`[B]` bool: no logits within the tolerance lead to another token."""


class Chooser:
    """Chooses for batches; learns whether this model's nuclei fit a short list, which changes no choice."""

    def __init__(self, decoding: Decoding) -> None:
        self._decoding = decoding
        cuts = decoding.top_p < 1 or decoding.top_k
        self._wait = 0 if cuts and not decoding.greedy else math.inf

    def choose(self, logits: Tensor, words: Tensor, tolerance: float) -> Choice:
        """The token of each row.

        Args:
            logits: `[B, V]`, as the model gives them.
            words: `[B, 2]` of `harness.models.hf.noise.step_words`.
            tolerance: how far each logit may be off, as a share of the row's largest absolute logit.
        """
        rows = max(1, _CHUNK.get(logits.device.type, 1 << 26) // logits.shape[1])
        parts = [
            self._choose(some, several, tolerance)
            for some, several in zip(torch.split(logits, rows), torch.split(words, rows), strict=True)
        ]
        return Choice(torch.cat([each.tokens for each in parts]), torch.cat([each.sure for each in parts]))

    def _choose(self, logits: Tensor, words: Tensor, tolerance: float) -> Choice:
        reach = _largest(logits) * tolerance
        if self._decoding.greedy:
            best = torch.topk(logits.float(), 2, dim=-1)
            return Choice(best.indices[:, 0], best.values[:, 0] - best.values[:, 1] > 2 * reach)
        every = _Candidates.of(logits, self._decoding, reach)
        self._wait -= 1
        if self._wait >= 0:
            return _winner(every, words)
        short, enough = every.shortlist()
        if bool(enough.all()):
            return _winner(short, words)
        self._wait = _RETRY if int(enough.sum()) * 2 < len(enough) else 0
        rest = ~enough
        wide = _winner(every.rows(rest), words[rest])
        return (
            _merge(enough, _winner(short.rows(enough), words[enough]), wide) if bool(enough.any()) else wide
        )


def settle(logits: Tensor, words: Tensor, decoding: Decoding) -> Tensor:
    """Token ids `[B]` that these very logits define; arguments as for `Chooser.choose`."""
    if decoding.greedy:
        return logits.float().argmax(dim=-1)
    return _winner(_Candidates.of(logits, decoding, None), words).tokens


def _largest(logits: Tensor) -> Tensor:
    """`[B]`: the largest absolute logit; some models give some tokens -inf."""
    least = logits.amin(dim=-1).float()
    return torch.maximum(logits.amax(dim=-1).float().abs(), least.masked_fill(least.isinf(), 0).abs())


def _merge(where: Tensor, chosen: Choice, other: Choice) -> Choice:
    """Rows in their order: `chosen` where the mask is True, `other` where it is False."""
    tokens = torch.empty(len(where), dtype=torch.int64, device=where.device)
    sure = torch.empty(len(where), dtype=torch.bool, device=where.device)
    tokens[where], sure[where] = chosen.tokens, chosen.sure
    tokens[~where], sure[~where] = other.tokens, other.sure
    return Choice(tokens, sure)


@dataclass(slots=True)
class _Candidates:
    """Tokens that may win, and what decides whether one is in the nucleus. B rows, K candidates."""

    decoding: Decoding
    weights: Tensor
    """`[B, K]`: probabilities before they are normalised; the largest is 1."""
    total: Tensor
    """`[B]`: weight of all tokens that top-k leaves."""
    spread: Tensor | None
    """`[B]`: the factor within which two weights may have changed places; None if the weights are exact."""
    tokens: Tensor | None = None
    """`[B, K]` ids; None if the candidates are the whole vocabulary in its order."""

    @classmethod
    def of(cls, logits: Tensor, decoding: Decoding, reach: Tensor | None) -> _Candidates:
        """All tokens; `reach` `[B]` is how far each logit may be off."""
        scores = logits.float()
        weights = scores.sub(scores.amax(dim=-1, keepdim=True)).mul_(1 / decoding.temperature).exp_()
        kept = weights
        if 0 < decoding.top_k < weights.shape[1]:
            kept = torch.topk(weights, decoding.top_k, dim=-1).values
        spread = None if reach is None else torch.exp(2 * reach / decoding.temperature + _ROUNDING)
        return cls(decoding, weights, kept.sum(dim=-1), spread)

    def shortlist(self) -> tuple[_Candidates, Tensor]:
        """The best of all tokens, and `[B]` whether all others are outside the nucleus."""
        count = min(self.weights.shape[1], max(_SHORTLIST, self.decoding.top_k + 8))
        best = torch.topk(self.weights, count, dim=-1)
        short = _Candidates(self.decoding, best.values, self.total, self.spread, best.indices)
        if count == self.weights.shape[1]:
            return short, torch.ones_like(self.total, dtype=torch.bool)
        return short, short.outside(best.values[:, -1])

    def rows(self, mask: Tensor) -> _Candidates:
        """Some of the rows."""
        spread = None if self.spread is None else self.spread[mask]
        tokens = None if self.tokens is None else self.tokens[mask]
        return _Candidates(self.decoding, self.weights[mask], self.total[mask], spread, tokens)

    def outside(self, weight: Tensor) -> Tensor:
        """`[B]`: a token of this weight is not in the nucleus, whatever the rounding."""
        above = self.weights > (weight if self.spread is None else weight * self.spread)[:, None]
        out = torch.zeros_like(self.total, dtype=torch.bool)
        if self.decoding.top_p < 1:
            out = _mass(self.weights, above) >= (self.decoding.top_p + self._slack()) * self.total
        if self.decoding.top_k:
            out |= above.sum(dim=-1) >= self.decoding.top_k
        return out

    def inside(self, weight: Tensor) -> Tensor:
        """`[B]`: a token of this weight is in the nucleus, whatever the rounding."""
        spread = 1.0 if self.spread is None else self.spread
        above = self.weights >= (weight / spread)[:, None]
        inside = torch.ones_like(self.total, dtype=torch.bool)
        if self.decoding.top_p < 1:
            # The token itself is among those above, and not in its own way.
            ahead = _mass(self.weights, above) - weight
            inside = ahead < (self.decoding.top_p - self._slack()) * self.total
        if self.decoding.top_k:
            inside &= above.sum(dim=-1) <= self.decoding.top_k
        return inside

    def _slack(self) -> Tensor | float:
        """Share of the mass that moves at most when the weights move by as much as they may."""
        return 0.0 if self.spread is None else self.spread - 1


def _mass(weights: Tensor, where: Tensor) -> Tensor:
    return where.to(weights.dtype).mul_(weights).sum(dim=-1)


def _winner(candidates: _Candidates, words: Tensor) -> Choice:
    """The candidate in the nucleus with the largest weight over noise."""
    tokens = candidates.tokens
    if tokens is None:
        tokens = torch.arange(candidates.weights.shape[1], device=words.device)[None]
    noise = exponential(words, tokens.to(torch.int32))
    return _first_inside(candidates, candidates.weights / noise)


def _first_inside(candidates: _Candidates, race: Tensor) -> Choice:
    """The best in the race unless it is outside the nucleus; then the next best, until each row has one."""
    lead, place = race.max(dim=-1, keepdim=True)
    weight = candidates.weights.gather(1, place)[:, 0]
    race = race.scatter_(1, place, 0)
    if candidates.spread is None:
        sure = torch.ones_like(weight, dtype=torch.bool)
        unsettled = candidates.outside(weight)
    else:
        sure = candidates.inside(weight) & (lead[:, 0] > race.amax(dim=-1) * candidates.spread)
        unsettled = ~sure
        if bool(unsettled.any()):
            unsettled[unsettled.clone()] = candidates.rows(unsettled).outside(weight[unsettled])
    tokens = place if candidates.tokens is None else candidates.tokens.gather(1, place)
    chosen = Choice(tokens[:, 0], sure)
    if not bool(unsettled.any()):
        return chosen
    again = _first_inside(candidates.rows(unsettled), race[unsettled])
    done = ~unsettled
    return _merge(done, Choice(chosen.tokens[done], sure[done]), again)
