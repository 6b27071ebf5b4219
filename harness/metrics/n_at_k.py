"""n@k: the chance to solve a problem with n submissions chosen among k samples by the statement's examples.

The quantity, per problem. k samples are taken. Those that pass all example tests survive. n of the
survivors are submitted, without any further preference among them. The problem is solved if a submitted
program passes the hidden tests.

Too few survivors, fewer than n, are where papers leave room; here it is `FewSurvivors`:

- `SUBMIT_FEWER` (the default): what is left is submitted, and nothing if nothing is left. A filter that lets
  rejected programs through when it has rejected many is no filter, and a problem's score must not rise
  because the filter failed on it.
- `FILL_UP`: non-survivors follow, in the order in which they were sampled, until n are submitted. Examples
  taken from statements by a heuristic can be wrong, and then all programs fail them. Here n = k is pass@k.

A problem without example tests filters nothing: every sample survives, n@k is pass@n. Leaving such problems
out would make n@k a number about easier problems.

The estimator. With N >= k samples at hand, every set of k of them is equally likely to be "the k samples", in
every order; n@k is the exact mean over all of them (hypergeometric sums in whole numbers; no draws, no
seed). "In sample order" and "at random" have the same mean, since all orders are equally likely.

Does not cover: where survivors come from. Grade the same samples on `benchmarks.apps.examples:load` and hand
both run folders to `rltf report`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import comb


class FewSurvivors(StrEnum):
    """What is submitted where fewer than n samples pass the example tests."""

    SUBMIT_FEWER = "submit-fewer"
    FILL_UP = "fill-up"


@dataclass(frozen=True, slots=True)
class FilteredCounts:
    """The samples of one problem, sorted by two verdicts."""

    survivors: int
    """Samples that pass every example test."""
    correct_survivors: int
    """Of these, samples that pass the hidden tests."""
    others: int = 0
    """Samples that fail an example test."""
    correct_others: int = 0
    """Of these, samples that pass the hidden tests: the example was wrong, or read wrongly."""

    def __post_init__(self) -> None:
        if not (0 <= self.correct_survivors <= self.survivors and 0 <= self.correct_others <= self.others):
            raise ValueError(f"the correct must be among the counted, got {self}")

    @property
    def samples(self) -> int:
        """All samples of the problem."""
        return self.survivors + self.others


def count_filtered(samples: Iterable[tuple[bool, bool]]) -> FilteredCounts:
    """Counts of one problem from `(passes the examples, passes the hidden tests)` per sample."""
    pairs = [(bool(example), bool(hidden)) for example, hidden in samples]
    return FilteredCounts(
        survivors=sum(example for example, _ in pairs),
        correct_survivors=sum(example and hidden for example, hidden in pairs),
        others=sum(not example for example, _ in pairs),
        correct_others=sum(hidden and not example for example, hidden in pairs),
    )


def n_at_k(counts: FilteredCounts, n: int, k: int, few: FewSurvivors = FewSurvivors.SUBMIT_FEWER) -> float:
    """n@k of one problem, exact and correctly rounded.

    Args:
        counts: The problem's samples.
        n: Submissions, `1 <= n <= k`.
        k: Samples that are filtered, at most `counts.samples`.
        few: What to do with fewer than n survivors.

    Raises:
        ValueError: If n > k or k is larger than the number of samples: undefined, as pass@k is there.
    """
    if not 1 <= n <= k <= counts.samples:
        raise ValueError(f"need 1 <= n <= k <= samples, got {n=} {k=} samples={counts.samples}")
    solved = Fraction(0)
    for kept in range(max(0, k - counts.others), min(k, counts.survivors) + 1):
        draws = comb(counts.survivors, kept) * comb(counts.others, k - kept)
        # Whatever k samples were drawn, a choice among their survivors is a random set of all survivors.
        fails = _none_correct(counts.survivors, counts.correct_survivors, min(n, kept))
        if few is FewSurvivors.FILL_UP and kept < n:
            fails *= _none_correct(counts.others, counts.correct_others, n - kept)
        solved += draws * (1 - fails)
    return float(solved / comb(counts.samples, k))


def _none_correct(programs: int, correct: int, chosen: int) -> Fraction:
    """Chance that none of `chosen` out of `programs` is one of the `correct`."""
    return Fraction(comb(programs - correct, chosen), comb(programs, chosen))
