"""n@k against its own definition: every set of k samples, every order of submission, counted one by one."""

from itertools import permutations

import pytest
from cases import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics.n_at_k import FewSurvivors, FilteredCounts, count_filtered, n_at_k
from harness.metrics.pass_at_k import pass_at_k

SAMPLES = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6)
FEW = st.sampled_from(FewSurvivors)


def _by_definition(samples, n, k, few):
    """Play it: in each order the first k are "the samples", and what is submitted is submitted."""
    solved = total = 0
    for order in permutations(samples):
        drawn = order[:k]
        submitted = [hidden for example, hidden in drawn if example]
        if few is FewSurvivors.FILL_UP:
            submitted += [hidden for example, hidden in drawn if not example]
        solved += any(submitted[:n])
        total += 1
    return solved / total


@settings(max_examples=60, deadline=None)
@given(SAMPLES, FEW, st.data())
def test_it_is_the_mean_over_every_order_of_the_samples(samples, few, data):
    k = data.draw(st.integers(1, len(samples)))
    n = data.draw(st.integers(1, k))
    assert n_at_k(count_filtered(samples), n, k, few) == pytest.approx(_by_definition(samples, n, k, few))


@given(SAMPLES, st.data())
def test_filling_up_to_all_k_samples_is_pass_at_k(samples, data):
    counts, k = count_filtered(samples), data.draw(st.integers(1, len(samples)))
    correct = counts.correct_survivors + counts.correct_others
    assert n_at_k(counts, k, k, FewSurvivors.FILL_UP) == pass_at_k(len(samples), correct, k)


@given(st.integers(1, 40), st.data())
def test_without_examples_every_sample_survives_and_it_is_pass_at_n(samples, data):
    correct = data.draw(st.integers(0, samples))
    k = data.draw(st.integers(1, samples))
    n = data.draw(st.integers(1, k))
    for few in FewSurvivors:
        assert n_at_k(FilteredCounts(samples, correct), n, k, few) == pytest.approx(
            pass_at_k(samples, correct, n)
        )


def test_a_perfect_filter_makes_one_submission_as_good_as_all_k():
    counts = FilteredCounts(survivors=3, correct_survivors=3, others=7)
    assert n_at_k(counts, 1, 5) == pass_at_k(10, 3, 5)


def test_where_only_rejected_programs_are_right_submitting_fewer_solves_nothing_and_filling_up_something():
    counts = FilteredCounts(survivors=0, correct_survivors=0, others=4, correct_others=2)
    assert n_at_k(counts, 1, 4, FewSurvivors.SUBMIT_FEWER) == 0.0
    assert n_at_k(counts, 1, 4, FewSurvivors.FILL_UP) == 0.5


def test_a_thousand_samples_need_no_draws():
    counts = FilteredCounts(survivors=10, correct_survivors=5, others=990)
    # One of the ten survivors, or with k = N all ten, half of them right.
    assert n_at_k(counts, 1, 1000) == 0.5
    assert n_at_k(counts, 6, 1000) == 1.0


@cases(("n", "k"), [(0, 1), (2, 1), (1, 4), (1, 0)])
def test_an_undefined_question_is_refused(n, k):
    with pytest.raises(ValueError, match="need 1 <= n <= k <= samples"):
        n_at_k(FilteredCounts(2, 1, 1), n, k)


def test_more_correct_than_counted_is_refused():
    with pytest.raises(ValueError, match="must be among"):
        FilteredCounts(1, 2)


def test_counts_sort_samples_by_both_verdicts():
    samples = [(True, True), (True, False), (False, True), (False, False), (False, False)]
    assert count_filtered(samples) == FilteredCounts(2, 1, 3, 1)
