"""pass@k, hendrycks' two averages, and an interval for every number.

Shares are 0 to 1 everywhere. Intervals say what another draw of *problems* from the same source would
do to a mean (percentile bootstrap over problems); they say nothing about another draw of samples from
the model, nor about a benchmark's own errors. An undefined question (no problems, `k > n`, a share
outside 0 to 1) is a ValueError, never a NaN and never a number.

Every function gives the same result whatever the order of the problems, and the same result each time
for the same seed and the same numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95

_CHUNK = 2_000_000
"""Draws held in memory at once: 16 MB of indices and as much of values."""
_FEW_VALUES = 64
"""Up to so many distinct values, counting how often each was drawn is quicker than drawing."""
_EXACT_FLIPS = 12
"""Up to so many non-zero differences, all sign flips are counted instead of drawn."""


@dataclass(frozen=True)
class Interval:
    """A mean over problems and its confidence interval, in shares."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """A mean of paired differences `a - b` and its confidence interval, in shares."""

    p_value: float
    """Two-sided, of a sign-flip permutation test: how often chance alone, swapping `a` and `b` problem
    by problem, differs at least as much. Drawn from `resamples` flips it is never below
    `1 / (resamples + 1)`."""


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased pass@k of one problem (Chen et al. 2021, eq. 1), correctly rounded.

    Args:
        n: samples drawn.
        c: samples that passed, `0 <= c <= n`.
        k: budget, `1 <= k <= n`.

    Raises:
        ValueError: if `k > n`: the estimator is undefined there, and the usual shortcut would return
            1.0 for a problem that nobody attempted.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"need 0 <= c <= n and 1 <= k <= n, got {n=} {c=} {k=}")
    draws = math.comb(n, k)
    return (draws - math.comb(n - c, k)) / draws


def pass_at_k_interval(
    counts: Sequence[tuple[int, int]],
    k: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Mean pass@k over problems.

    Args:
        counts: `(n, c)` per problem: samples drawn, samples that passed.
        k: budget, at most the smallest `n`.

    Raises:
        ValueError: without problems, or if some problem has fewer than `k` samples.
    """
    return mean_interval([pass_at_k(n, c, k) for n, c in counts], seed=seed, resamples=resamples, level=level)


def mean_interval(
    values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> Interval:
    """Mean of one share per problem, with a percentile bootstrap interval over problems.

    Where all values are equal the bootstrap would claim certainty. Then the interval is what one gets
    if unseen problems of another value are as frequent as the Wilson score bound for 0 seen in n
    allows; for all 0 and for all 1 that is the Wilson score interval itself.

    Raises:
        ValueError: without values, or with one that is not a share.
    """
    _check_shares(values)
    return Interval(_mean(values), *_interval(values, (0.0, 1.0), seed, resamples, level))


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Difference:
    """Mean of `a - b` over problems, with a bootstrap interval and a permutation test.

    Args:
        a: one share per problem.
        b: the same problems in the same order.

    Raises:
        ValueError: without values, with one that is not a share, or if the lengths differ.
    """
    _check_shares(a)
    _check_shares(b)
    if len(a) != len(b):
        raise ValueError(f"paired values must be of the same problems, got {len(a)} and {len(b)}")
    differences = [x - y for x, y in zip(a, b, strict=True)]
    low, high = _interval(differences, (-1.0, 1.0), seed, resamples, level)
    return Difference(_mean(differences), low, high, _sign_flip_p_value(differences, seed, resamples))


def strict_accuracy(results: Sequence[Sequence[bool]]) -> float:
    """Share of problems with every test passed, as hendrycks' APPS grader prints it; not pass@k.

    Args:
        results: per problem, whether each test of each of its generations passed, all together.

    Raises:
        ValueError: without problems, or for one without tests (the original calls that one solved).
    """
    _check_results(results)
    return math.fsum(all(tests) for tests in results) / len(results)


def test_case_average(results: Sequence[Sequence[bool]]) -> float:
    """Mean over problems of the share of tests passed, as hendrycks' APPS grader prints it.

    Arguments and errors as for `strict_accuracy` (the original gives NaN for a problem without tests).
    """
    _check_results(results)
    return _mean([sum(tests) / len(tests) for tests in results])


# pytest collects what is named test_* wherever it is imported.
test_case_average.__test__ = False  # type: ignore[attr-defined]


def _check_results(results: Sequence[Sequence[bool]]) -> None:
    if not results:
        raise ValueError("no problems to average over")
    for index, tests in enumerate(results):
        if not tests:
            raise ValueError(f"problem {index} has no test results; leave unscorable problems out")


def _check_shares(values: Sequence[float]) -> None:
    if not values:
        raise ValueError("no problems to average over")
    for index, value in enumerate(values):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"value {index} is no share between 0 and 1: {value!r}")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _interval(
    values: Sequence[float], bounds: tuple[float, float], seed: int, resamples: int, level: float
) -> tuple[float, float]:
    if not (0.0 < level < 1.0 and resamples >= 1):
        raise ValueError(f"need 0 < level < 1 and resamples >= 1, got {level=} {resamples=}")
    if min(values) == max(values):
        return _constant_interval(values[0], len(values), bounds, level)
    import numpy as np  # noqa: PLC0415  (the commands start without it)

    means = _resampled_means(values, seed, resamples)
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def _constant_interval(
    value: float, n: int, bounds: tuple[float, float], level: float
) -> tuple[float, float]:
    """Interval of a mean of `n` equal values, from the share of others that may have gone unseen."""
    z = NormalDist().inv_cdf((1.0 + level) / 2.0)
    unseen = z * z / (n + z * z)  # Wilson's upper bound for 0 of n
    return value - unseen * (value - bounds[0]), value + unseen * (bounds[1] - value)


def _resampled_means(values: Sequence[float], seed: int, resamples: int) -> NDArray[np.float64]:
    """`[resamples]` means of as many values, drawn from them with replacement."""
    import numpy as np  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    n = len(values)
    distinct, frequency = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    if len(distinct) <= _FEW_VALUES:
        drawn = rng.multinomial(n, frequency / n, size=resamples)
        return np.asarray((drawn * distinct).sum(axis=1) / n)
    # Sorted by np.unique, so the order of the problems doesn't matter here either.
    ordered = np.repeat(distinct, frequency)
    rows = max(1, _CHUNK // n)
    chunks = [
        ordered[rng.integers(n, size=(min(rows, resamples - start), n))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(chunks)


def _sign_flip_p_value(differences: Sequence[float], seed: int, resamples: int) -> float:
    """Two-sided p-value of a sum of differences, if the sign of each were a coin's."""
    import numpy as np  # noqa: PLC0415

    sizes = np.sort(np.abs([d for d in differences if d != 0.0]))
    if not len(sizes):
        return 1.0
    # A hair less, so that flips that only differ from it by rounding count as equal.
    observed = abs(math.fsum(differences)) - 1e-9 * float(sizes.max())
    if len(sizes) <= _EXACT_FLIPS:
        signs = 1 - 2 * (np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes)) & 1)
        return float(np.mean(np.abs(signs @ sizes) >= observed))
    rng = np.random.default_rng(seed)
    sums = np.zeros(resamples)
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        sums += size * (2 * rng.binomial(count, 0.5, size=resamples) - count)
    return float((1 + np.count_nonzero(np.abs(sums) >= observed)) / (1 + resamples))
