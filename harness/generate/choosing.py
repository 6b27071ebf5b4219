"""The choice of a token from a model's predictions, and whether it is beyond the reach of rounding.

Predictions for the same text differ in their last bits with the batch that they were computed in. A choice
is *sure* if every set of logits within a tolerance of the given ones leads to the same token; the others are
to be made again from logits that do not depend on a batch. So, as long as the tolerance is above the
difference, the batch decides nothing.

Tokens are kept or dropped as in transformers (temperature, then top-k, then top-p on what top-k leaves),
except that tokens of exactly the same score are kept or dropped together: which came first would be chance.
No vocabulary is sorted: the winner by perturbed score (Gumbel-max) is asked whether it is in the nucleus,
which at top-p 0.95 it is 19 times in 20, and mostly among a short list that holds the whole nucleus.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.generate.noise import gumbel
from harness.generate.types import Decoding

SHORTLIST = 128
"""Tokens looked at first. Models of code put 95 % of their mass on fewer nearly always."""
_ROUNDING = 1e-5
"""Of a sum of 50,000 fp32 probabilities and of a Gumbel number, generously."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Tokens for a batch of B rows."""

    tokens: Tensor
    """`[B]` int64."""
    sure: Tensor
    """`[B]` bool: no logits within the tolerance lead to another token."""


def choose(logits: Tensor, words: Tensor, decoding: Decoding, tolerance: float) -> Choice:
    """The token of each row.

    Args:
        logits: `[B, V]`, as the model gives them.
        words: `[B, 2]` of `harness.generate.noise.step_words`.
        decoding: how; its seed is in `words`.
        tolerance: how far each logit may be off, as a share of the row's largest absolute logit. With 0 the
            choice is the one these logits define, and sure.
    """
    scores = logits.float()
    # Not scores.abs(): it would make a second copy.
    reach = scores.norm(p=torch.inf, dim=-1) * tolerance
    if decoding.greedy:
        return _likeliest(scores, reach)
    exact = tolerance == 0
    scores = scores / decoding.temperature
    reach = reach / decoding.temperature
    if decoding.top_p == 1 and not decoding.top_k:
        return _race(_Nucleus.everything(scores, reach, decoding, exact), words)
    nucleus, enough = _Nucleus.shortlist(scores, reach, decoding, exact)
    if bool(enough.all()):
        return _race(nucleus, words)
    rest = ~enough
    every = _race(_Nucleus.everything(scores[rest], reach[rest], decoding, exact), words[rest])
    if not bool(enough.any()):
        return every
    return _merge(enough, _race(nucleus.rows(enough), words[enough]), every)


def _likeliest(scores: Tensor, reach: Tensor) -> Choice:
    best = torch.topk(scores, 2, dim=-1)
    tokens = scores.argmax(dim=-1)
    return Choice(tokens, best.values[:, 0] - best.values[:, 1] > 2 * reach)


def _merge(where: Tensor, chosen: Choice, other: Choice) -> Choice:
    """Rows in their order: `chosen` where the mask is True, `other` where it is False."""
    tokens = torch.empty(len(where), dtype=torch.int64, device=where.device)
    sure = torch.empty(len(where), dtype=torch.bool, device=where.device)
    tokens[where], sure[where] = chosen.tokens, chosen.sure
    tokens[~where], sure[~where] = other.tokens, other.sure
    return Choice(tokens, sure)


@dataclass(slots=True)
class _Nucleus:
    """Candidates and what decides whether one is in the nucleus."""

    scores: Tensor
    """`[B, K]` logits over temperature."""
    tokens: Tensor | None
    """`[B, K]` ids; None if the candidates are the whole vocabulary in its order."""
    weights: Tensor
    """`[B, K]` probabilities among what top-k leaves."""
    reach: Tensor
    """`[B]` how far each score may be off."""
    decoding: Decoding
    exact: bool
    """The scores are what they are: `reach` is 0."""

    @classmethod
    def everything(cls, scores: Tensor, reach: Tensor, decoding: Decoding, exact: bool) -> _Nucleus:
        """All tokens are candidates."""
        weights = (scores - scores.amax(dim=-1, keepdim=True)).exp_()
        best = torch.topk(weights, decoding.top_k, dim=-1).values if _limits(decoding, scores) else weights
        return cls(scores, None, weights / best.sum(dim=-1, keepdim=True), reach, decoding, exact)

    @classmethod
    def shortlist(
        cls, scores: Tensor, reach: Tensor, decoding: Decoding, exact: bool
    ) -> tuple[_Nucleus, Tensor]:
        """The best tokens, and for each row whether no other can be in the nucleus."""
        top_k = decoding.top_k if _limits(decoding, scores) else 0
        best = torch.topk(scores, min(scores.shape[-1], max(SHORTLIST, top_k + 16)), dim=-1)
        first = best.values[:, :1]
        weights = (best.values - first).exp_()
        total = (weights[:, :top_k] if top_k else (scores - first).exp_()).sum(dim=-1, keepdim=True)
        nucleus = cls(best.values, best.indices, weights / total, reach, decoding, exact)
        if best.values.shape[-1] == scores.shape[-1]:
            return nucleus, torch.ones(len(scores), dtype=torch.bool, device=scores.device)
        return nucleus, nucleus.outside(best.values[:, -1])

    def rows(self, mask: Tensor) -> _Nucleus:
        """Some of the rows."""
        tokens = None if self.tokens is None else self.tokens[mask]
        return _Nucleus(
            self.scores[mask], tokens, self.weights[mask], self.reach[mask], self.decoding, self.exact
        )

    def outside(self, score: Tensor) -> Tensor:
        """`[B]`: a token of this score is dropped, whatever the rounding."""
        above = self.scores > (score + 2 * self.reach)[:, None]
        out = (self.weights * above).sum(dim=-1) >= self.decoding.top_p + self._slack()
        if self.decoding.top_k:
            out |= above.sum(dim=-1) >= self.decoding.top_k
        # The last token is never beyond all mass, though a sum may come to 1 without it.
        return out & (self.decoding.top_p < 1 or self.decoding.top_k > 0)

    def inside(self, score: Tensor, weight: Tensor) -> Tensor:
        """`[B]`: a token of this score and probability is kept, whatever the rounding."""
        if self.exact:
            above = self.scores > score[:, None]
            ahead, mass = above.sum(dim=-1), (self.weights * above).sum(dim=-1)
        else:
            above = self.scores >= (score - 2 * self.reach)[:, None]
            # The token is among them, and not in its own way.
            ahead, mass = above.sum(dim=-1) - 1, (self.weights * above).sum(dim=-1) - weight
        inside = (mass < self.decoding.top_p - self._slack()) | (self.decoding.top_p == 1)
        return inside & (ahead < self.decoding.top_k) if self.decoding.top_k else inside

    def _slack(self) -> Tensor:
        """Probability mass that moves at most when every score moves by `reach`."""
        return self.reach if self.exact else torch.expm1(2 * self.reach) + _ROUNDING


def _limits(decoding: Decoding, scores: Tensor) -> bool:
    return 0 < decoding.top_k < scores.shape[-1]


def _race(nucleus: _Nucleus, words: Tensor) -> Choice:
    """The candidate in the nucleus whose perturbed score is the largest."""
    candidates = nucleus.tokens
    if candidates is None:
        candidates = torch.arange(nucleus.scores.shape[-1], device=nucleus.scores.device)
    return _first_inside(nucleus, nucleus.scores + gumbel(words, candidates))


def _first_inside(nucleus: _Nucleus, perturbed: Tensor) -> Choice:
    """The best by `perturbed` that is not outside; where it is, the next best, until every row has one."""
    leaders = torch.topk(perturbed, 2, dim=-1)
    place = leaders.indices[:, :1]
    score, weight = nucleus.scores.gather(1, place)[:, 0], nucleus.weights.gather(1, place)[:, 0]
    lead = leaders.values[:, 0] - leaders.values[:, 1]
    sure = torch.ones_like(lead, dtype=torch.bool)
    if not nucleus.exact:
        sure = nucleus.inside(score, weight) & (lead > 2 * nucleus.reach + _ROUNDING)
    tokens = place[:, 0] if nucleus.tokens is None else nucleus.tokens.gather(1, place)[:, 0]
    outside = nucleus.outside(score)
    if not bool(outside.any()):
        return Choice(tokens, sure)
    perturbed = perturbed[outside].scatter(1, place[outside], -torch.inf)
    again = _first_inside(nucleus.rows(outside), perturbed)
    return _merge(~outside, Choice(tokens[~outside], sure[~outside]), again)
