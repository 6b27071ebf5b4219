"""The choice of a token: its distribution, what it keeps, and what rounding cannot change."""

import pytest
from cases import cases

pytest.importorskip("torch")

import torch

from harness.models.base import Decoding
from harness.models.hf.noise import exponential, row_key, step_seeds
from harness.models.hf.token_sampling import TokenChooser, choose_exact

DECODINGS = [
    Decoding(),
    Decoding(temperature=0.6, top_p=0.95),
    Decoding(temperature=1.2, top_p=0.7),
    Decoding(top_k=5),
    Decoding(temperature=1.5, top_k=12, top_p=0.8),
]
CPU = torch.device("cpu")


def words_of(count, seed=0):
    keys = [row_key(seed, f"task/{index}", index % 7) for index in range(count)]
    return step_seeds(keys, [index % 11 for index in range(count)], CPU)


def probabilities(logits, decoding):
    """The slow, obvious way: sort, add up, cut."""
    scores, order = (logits / decoding.temperature).sort(descending=True)
    if decoding.top_k:
        scores[decoding.top_k :] = -torch.inf
    kept = scores.softmax(-1)
    kept[kept.cumsum(-1) - kept >= decoding.top_p] = 0
    return torch.zeros_like(kept).scatter(0, order, kept / kept.sum())


def chooses(logits, seeds, decoding):
    return TokenChooser(decoding).choose(logits, seeds, 1e-5).tokens


@pytest.mark.slow
@cases("decoding", DECODINGS)
@cases("vocabulary", [40, 150])
@cases("way", [chooses, choose_exact])
def test_tokens_come_as_often_as_their_probability_says(decoding, vocabulary, way):
    draws = 8_000
    logits = torch.randn(vocabulary, generator=torch.Generator().manual_seed(vocabulary)) * 2
    arguments = (logits.expand(draws, -1), words_of(draws), decoding)
    counts = torch.bincount(way(*arguments), minlength=vocabulary).double()
    expected = probabilities(logits.double(), decoding) * draws
    assert counts[expected == 0].sum() == 0
    often = expected > 5
    chi_square = ((counts - expected)[often] ** 2 / expected[often]).sum()
    freedom = int(often.sum()) - 1
    # Four standard deviations of the statistic above its mean: the draws are fixed, so this is not by chance.
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5 + 4


@cases("decoding", [*DECODINGS, Decoding(greedy=True)])
@cases("scale", [0.5, 4.0])
def test_what_is_sure_stays_under_every_perturbation_within_the_tolerance(decoding, scale):
    tolerance, generator = 3e-3, torch.Generator().manual_seed(5)
    logits = torch.randn(200, 200, generator=generator) * scale
    seeds = words_of(200)
    choice = TokenChooser(decoding).choose(logits, seeds, tolerance)
    logit_error = logits.abs().amax(-1, keepdim=True) * tolerance
    changed = torch.zeros(200, dtype=torch.bool)
    for _ in range(10):
        signs = torch.randint(0, 2, logits.shape, generator=generator) * 2 - 1
        changed |= choose_exact(logits + logit_error * 0.999 * signs, seeds, decoding) != choice.tokens
    assert not bool((changed & choice.batch_invariant).any())
    assert bool(changed.any()), "the perturbations were too small to test anything"
    assert choice.batch_invariant.float().mean() > 0.5


@cases("decoding", DECODINGS)
def test_few_choices_are_unsure_at_the_tolerance_of_float32(decoding):
    logits = torch.randn(1500, 200, generator=torch.Generator().manual_seed(2)) * 3
    choice = TokenChooser(decoding).choose(logits, words_of(1500), 2e-5)
    assert choice.batch_invariant.float().mean() > 0.99
    assert torch.equal(
        choice.tokens[choice.batch_invariant],
        choose_exact(logits, words_of(1500), decoding)[choice.batch_invariant],
    )


def test_a_peaked_prediction_is_sure_of_the_token_that_holds_all_the_mass():
    logits = torch.tensor([[20.0] + [0.0] * 99])
    choice = TokenChooser(Decoding(top_p=0.95)).choose(logits, words_of(1), 2e-5)
    assert choice.tokens.tolist() == [0]
    assert choice.batch_invariant.all()


def test_tokens_that_a_model_forbids_are_never_chosen():
    logits = torch.full((500, 100), -torch.inf)
    logits[:, 3:5] = torch.tensor([1.0, 0.0])
    choice = TokenChooser(Decoding()).choose(logits, words_of(500), 2e-5)
    assert set(choice.tokens.tolist()) == {3, 4}
    assert choice.batch_invariant.float().mean() > 0.9


def test_equally_likely_tokens_at_the_edge_of_the_nucleus_are_kept_together():
    logits = torch.zeros(2000, 10)
    assert set(choose_exact(logits, words_of(2000), Decoding(top_p=0.5)).tolist()) == set(range(10))


def test_noise_is_exponential_and_does_not_depend_on_company():
    seeds, tokens = words_of(400), torch.arange(300, dtype=torch.int32)[None]
    noise = exponential(seeds, tokens)
    assert abs(float(noise.mean()) - 1) < 0.01
    assert abs(float(noise.var()) - 1) < 0.03
    assert abs(float((noise < 0.01).float().mean()) - 0.00995) < 0.001
    some = torch.tensor([[7, 250, 3]], dtype=torch.int32)
    assert torch.allclose(exponential(seeds[5:6], some)[0], noise[5, [7, 250, 3]])


def test_noise_of_neighbouring_rows_positions_and_tokens_is_unrelated():
    keys = [row_key(0, "t", sample) for sample in range(200)]
    tokens = torch.arange(200, dtype=torch.int32)[None]
    here, next_position = (exponential(step_seeds(keys, [at] * 200, CPU), tokens) for at in (0, 1))
    pairs = [
        (here, next_position),
        (here[:-1], here[1:]),
        (here[:, :-1], here[:, 1:]),
        (here, exponential(step_seeds([row_key(1, "t", s) for s in range(200)], [0] * 200, CPU), tokens)),
    ]
    for one, other in pairs:
        # 40,000 pairs: a correlation of unrelated numbers has a standard deviation of 0.005.
        assert abs(float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])) < 0.02
