"""Metrics against numbers worked out by hand, against brute force, and where they must refuse."""

import itertools
import math
import random
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from cases import cases
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics import pass_at_k as metrics
from harness.metrics.pass_at_k import (
    Interval,
    mean_interval,
    paired_difference,
    pass_at_k,
    pass_at_k_interval,
)


def test_pass_at_k_equals_worked_out_numbers():
    assert pass_at_k(1, 0, 1) == 0.0
    assert pass_at_k(1, 1, 1) == 1.0
    assert pass_at_k(10, 3, 1) == 0.3
    assert pass_at_k(5, 2, 2) == 0.7  # 1 - C(3,2)/C(5,2) = 1 - 3/10
    assert pass_at_k(4, 1, 4) == 1.0
    assert pass_at_k(200, 0, 100) == 0.0
    assert pass_at_k(1000, 1, 5) == 0.005


def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_sample():
    for n in range(1, 8):
        for c, k in itertools.product(range(n + 1), range(1, n + 1)):
            draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
            assert pass_at_k(n, c, k) == sum(map(any, draws)) / len(draws)


@given(st.integers(1, 300), st.data())
def test_pass_at_k_equals_the_product_form_exactly_rounded(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    miss = Fraction(1)
    for i in range(n - c + 1, n + 1):
        miss *= max(Fraction(0), 1 - Fraction(k, i))
    assert pass_at_k(n, c, k) == float(1 - miss)


@cases(("n", "c", "k"), [(5, 0, 100), (20, 20, 21), (0, 0, 1), (5, 6, 1), (5, -1, 1), (5, 1, 0)])
def test_pass_at_k_refuses_what_is_undefined(n, c, k):
    with pytest.raises(ValueError, match=f"n={n} c={c} k={k}"):
        pass_at_k(n, c, k)


def test_an_interval_of_pass_at_k_is_that_of_the_problems_values():
    counts = [(10, 0), (10, 3), (10, 10), (20, 1)]
    assert pass_at_k_interval(counts, 1) == mean_interval([0.0, 0.3, 1.0, 0.05])
    assert pass_at_k_interval(counts, 10, seed=3).value == pytest.approx((0 + 1 + 1 + 0.5) / 4)


def test_pass_at_k_is_refused_when_one_problem_has_too_few_samples():
    with pytest.raises(ValueError, match="n=4 c=4 k=5"):
        pass_at_k_interval([(10, 1), (4, 4)], 5)


def test_the_bootstrap_of_two_problems_is_known():
    # Means of two draws from {0, 1}: 0, 1/2, 1 with 1/4, 1/2, 1/4.
    assert mean_interval([0.0, 1.0]) == Interval(0.5, 0.0, 1.0)
    assert mean_interval([1.0, 0.0], level=0.4) == Interval(0.5, 0.5, 0.5)


def test_the_bootstrap_of_many_zeros_and_ones_is_the_binomials():
    interval = mean_interval([1.0] * 100 + [0.0] * 300)
    error = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert interval.value == 0.25
    assert interval.low == pytest.approx(0.25 - error, abs=0.005)
    assert interval.high == pytest.approx(0.25 + error, abs=0.005)


@pytest.mark.parametrize("few", [64, 0], ids=["by counting", "by drawing"])
def test_both_ways_to_resample_agree_with_slow_and_obvious_resampling(monkeypatch, few):
    monkeypatch.setattr(metrics, "_FEW_VALUES", few)
    values = [0.0] * 20 + [0.1] * 7 + [0.5] * 5 + [1.0] * 8
    draw = random.Random(1)
    means = sorted(math.fsum(draw.choices(values, k=40)) / 40 for _ in range(10_000))
    interval = mean_interval(values)
    assert interval.low == pytest.approx(means[250], abs=0.01)
    assert interval.high == pytest.approx(means[9750], abs=0.01)


def test_the_bootstrap_in_chunks_is_that_in_one_piece(monkeypatch):
    values = [i / 199 for i in range(200)]
    whole = mean_interval(values, resamples=1001)
    monkeypatch.setattr(metrics, "_CHUNK", 900)
    assert mean_interval(values, resamples=1001) == whole
    monkeypatch.setattr(metrics, "_CHUNK", 1)
    assert mean_interval(values, resamples=1001) == whole


@pytest.mark.slow
def test_the_bootstrap_of_a_whole_benchmark_stays_small():
    # In a process of its own, so that the peak is this one's; all draws at once would be 400 MB.
    program = (
        "import resource, numpy\n"
        "from harness.metrics.pass_at_k import mean_interval, paired_difference\n"
        "values = [i / 5000 for i in range(5000)]\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "mean_interval(values)\n"
        "paired_difference(values, values[::-1], resamples=2000)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150


# Problems' values: repeated ones and, by far more than _FEW_VALUES, distinct ones.
shares = st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]) | st.floats(0.0, 1.0), min_size=1, max_size=90)


@given(shares, st.randoms(use_true_random=False))
def test_an_interval_holds_its_mean_and_does_not_depend_on_the_order_of_problems(values, rng):
    interval = mean_interval(values, resamples=200)
    assert 0.0 <= interval.low <= interval.high <= 1.0
    assert interval.low - 1e-9 <= interval.value <= interval.high + 1e-9
    assert mean_interval(rng.sample(values, len(values)), resamples=200) == interval


def test_an_interval_of_many_distinct_values_does_not_depend_on_their_order():
    values = [i / 199 for i in range(200)]
    assert mean_interval(random.Random(0).sample(values, 200)) == mean_interval(values)


def test_an_interval_changes_with_the_seed_only():
    values = [i / 100 for i in range(101)]
    assert mean_interval(values) == mean_interval(values, seed=0)
    assert mean_interval(values) != mean_interval(values, seed=1)
    assert mean_interval(values).value == mean_interval(values, seed=1).value


def test_a_wider_level_gives_a_wider_interval():
    values = [i / 100 for i in range(101)]
    wide, narrow = mean_interval(values, level=0.99), mean_interval(values, level=0.8)
    assert wide.low < narrow.low < narrow.high < wide.high


def wilson(passed, n):
    """Wilson's score interval at 95 %, as textbooks have it."""
    z, p = 1.959963984540054, passed / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    margin = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - margin, centre + margin


@cases("n", [1, 5, 500])
def test_where_none_or_all_are_solved_the_interval_is_wilsons(n):
    none, every = mean_interval([0.0] * n), mean_interval([1.0] * n)
    assert (none.low, none.high) == pytest.approx(wilson(0, n))
    assert (every.low, every.high) == pytest.approx(wilson(n, n))
    assert none.high > none.value == 0.0
    assert every.low < every.value == 1.0


def test_where_all_problems_have_the_same_share_the_interval_does_not_claim_certainty():
    interval = mean_interval([0.5] * 10)
    unseen = wilson(0, 10)[1]
    assert interval == Interval(0.5, pytest.approx(0.5 - 0.5 * unseen), pytest.approx(0.5 + 0.5 * unseen))


@cases("values", [[], [1.2], [-0.1, 0.5], [0.5, math.nan], [math.inf]])
def test_a_mean_of_nothing_or_of_no_shares_is_refused(values):
    with pytest.raises(ValueError, match=r"no problems|no share between 0 and 1"):
        mean_interval(values)
    with pytest.raises(ValueError, match=r"no problems|no share between 0 and 1"):
        paired_difference(values, values)


@cases("options", [{"level": 0.0}, {"level": 1.0}, {"level": 95}, {"resamples": 0}])
def test_a_level_or_a_number_of_resamples_without_sense_is_refused(options):
    with pytest.raises(ValueError, match="need 0 < level < 1 and resamples >= 1"):
        mean_interval([0.0, 1.0], **options)


def test_a_paired_difference_equals_worked_out_numbers():
    # Five problems, all better by 0.2: of the 32 sign flips, two are as extreme.
    difference = paired_difference([0.4, 0.6, 0.8, 0.5, 1.0], [0.2, 0.4, 0.6, 0.3, 0.8])
    assert difference.value == pytest.approx(0.2)
    assert difference.p_value == 2 / 32
    # +1, +1, -1: every flip of three signs has a sum of at least 1.
    assert paired_difference([1, 1, 0], [0, 0, 1]).p_value == 1.0
    # 3 against 0 of the discordant pairs: the exact McNemar test.
    assert paired_difference([1, 1, 1, 0, 1], [0, 0, 0, 0, 1]).p_value == 2 / 8


def test_the_drawn_p_value_is_near_the_exact_one():
    # 20 discordant pairs, 15 against 5: the exact McNemar test gives 0.0414.
    a, b = [1] * 15 + [0] * 5 + [1] * 40, [0] * 15 + [1] * 5 + [1] * 40
    exact = 2 * sum(math.comb(20, i) for i in range(15, 21)) / 2**20
    assert paired_difference(a, b, resamples=100_000).p_value == pytest.approx(exact, abs=0.004)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9))
def test_the_exact_p_value_is_the_share_of_flips_as_extreme(pairs):
    differences = [x - y for x, y in pairs]
    flips = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product([1, -1], repeat=len(differences))
    ]
    expected = np.mean([flip >= abs(sum(differences)) for flip in flips])
    a, b = [x / 4 for x, _ in pairs], [y / 4 for _, y in pairs]
    assert paired_difference(a, b, resamples=50).p_value == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_a_paired_difference_has_bounds_and_changes_sign_with_its_sides(pairs):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    one, other = paired_difference(a, b, resamples=100), paired_difference(b, a, resamples=100)
    assert -1.0 <= one.low <= one.high <= 1.0
    assert 0.0 < one.p_value <= 1.0
    assert one.value == -other.value
    assert one.p_value == other.p_value


def test_equal_results_differ_by_nothing_but_not_for_certain():
    difference = paired_difference([0.0, 1.0, 0.5] * 50, [0.0, 1.0, 0.5] * 50)
    assert difference.value == 0.0
    assert difference.p_value == 1.0
    assert difference.high == -difference.low == pytest.approx(wilson(0, 150)[1])


def test_a_certain_gain_is_significant_and_its_interval_excludes_zero():
    difference = paired_difference([1.0] * 60 + [0.0] * 40, [0.0] * 100)
    assert difference.low > 0.4
    assert difference.p_value == 1 / 10_001


def test_paired_values_of_different_problems_are_refused():
    with pytest.raises(ValueError, match="got 2 and 1"):
        paired_difference([0.0, 1.0], [0.0])


HENDRYCKS = [[False], [False] * 3, [True] * 2, [False, True, False, True], [False] * 2]


def test_the_two_averages_equal_the_originals_own_example():
    assert metrics.test_case_average(HENDRYCKS) == pytest.approx(0.3)
    assert metrics.strict_accuracy(HENDRYCKS) == pytest.approx(0.2)


def test_the_average_is_over_problems_and_not_over_tests():
    assert metrics.test_case_average([[True], [False] * 99]) == 0.5
    assert metrics.strict_accuracy([[True] * 3, [True, False], [True]]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("average", [metrics.test_case_average, metrics.strict_accuracy])
def test_averages_of_nothing_are_refused(average):
    with pytest.raises(ValueError, match="no problems"):
        average([])
    with pytest.raises(ValueError, match="problem 1 has no test results"):
        average([[True], []])


def test_importing_metrics_and_profiles_does_not_import_numpy():
    program = "import sys, harness.metrics.pass_at_k, harness.compare; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
