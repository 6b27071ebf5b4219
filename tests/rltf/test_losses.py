"""Losses against numbers worked out by hand, naive loops, and finite differences."""

import math

import pytest
from cases import cases

torch = pytest.importorskip("torch")

from rltf.objectives.losses import (  # noqa: E402 - needs torch
    entropy,
    policy_gradient_terms,
    supervised_loss,
    token_log_probs,
)

IGNORE = -100


def logits_of(rows: list[list[list[float]]]) -> torch.Tensor:
    """Logits whose softmax is the given probabilities."""
    return torch.tensor(rows, dtype=torch.float64).log()


# Two sequences of three and two targets over a vocabulary of two; the labels' probabilities are
# 1/2, 1/4, 1/8 and 1/2, 1/2, so their logarithms are -1, -2, -3 and -1, -1 times log 2.
PROBABILITIES = logits_of([[[0.5, 0.5], [0.75, 0.25], [0.125, 0.875]], [[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]]])
LABELS = torch.tensor([[0, 1, 0], [1, 0, IGNORE]])
LN2 = math.log(2)


def test_log_probabilities_by_hand():
    expected = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -1.0, 0.0]], dtype=torch.float64) * LN2
    torch.testing.assert_close(token_log_probs(PROBABILITIES, LABELS), expected)


def test_supervised_loss_by_hand():
    assert supervised_loss(PROBABILITIES, LABELS).item() == pytest.approx(8 * LN2 / 5)
    assert supervised_loss(PROBABILITIES, LABELS, reduction="sum").item() == pytest.approx(8 * LN2 / 2)
    assert supervised_loss(PROBABILITIES, LABELS, normalizer=40).item() == pytest.approx(8 * LN2 / 40)


def test_supervised_loss_is_torchs_cross_entropy():
    logits, labels = random_batch()
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE)
    torch.testing.assert_close(supervised_loss(logits, labels), expected)


REWARDS = {
    "coarse": torch.tensor([1.3, -0.7]),
    "fine": torch.tensor([-0.3, -0.3]),
    "adaptive": torch.tensor([0.65, -0.2]),
}
# The first blames its second token, the second both of its own; the third position there is padding.
SPANS = torch.tensor([[False, True, False], [True, True, True]])


@cases(
    ("options", "expected"),
    [
        # Sum over tokens, mean over the two sequences; α = 3/1 and 2/2.
        ({}, (1.3 * 6 - 0.7 * 2, -0.3 * 3 * 2 - 0.3 * 1 * 2, 0.65 * 6 - 0.2 * 2, 2)),
        ({"alpha": "one"}, (1.3 * 6 - 0.7 * 2, -0.3 * 2 - 0.3 * 2, 0.65 * 6 - 0.2 * 2, 2)),
        # Mean over the five targets.
        ({"reduction": "mean"}, (1.3 * 6 - 0.7 * 2, -0.3 * 3 * 2 - 0.3 * 2, 0.65 * 6 - 0.2 * 2, 5)),
        ({"reduction": "mean", "alpha": "one"}, (6.4, -0.3 * 2 - 0.3 * 2, 3.5, 5)),
        ({"normalizer": 16}, (6.4, -0.3 * 3 * 2 - 0.3 * 2, 3.5, 16)),
    ],
)
def test_the_three_terms_by_hand(options, expected):
    """-R · Σ log p, where -Σ log p is 6 log 2 for the first sequence and 2 log 2 for the second."""
    *sums, over = expected
    terms = policy_gradient_terms(PROBABILITIES, LABELS, REWARDS, SPANS, **options)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {name: value * LN2 / over for name, value in zip(("coarse", "fine", "adaptive"), sums, strict=True)}
    )


def test_a_reward_that_is_not_given_is_zero():
    terms = policy_gradient_terms(PROBABILITIES, LABELS, {"coarse": REWARDS["coarse"]}, SPANS)
    assert terms["coarse"].item() == pytest.approx(6.4 * LN2 / 2)
    assert (terms["fine"].item(), terms["adaptive"].item()) == (0.0, 0.0)


def test_an_unknown_reward_is_refused():
    with pytest.raises(ValueError, match="unknown rewards: critic; known: coarse, fine, adaptive"):
        policy_gradient_terms(PROBABILITIES, LABELS, {"critic": REWARDS["coarse"]}, SPANS)


def test_an_empty_span_adds_nothing_to_the_fine_term_and_no_nan_to_the_gradient():
    logits = PROBABILITIES.clone().requires_grad_()
    nothing = torch.zeros_like(SPANS)
    fine = policy_gradient_terms(logits, LABELS, REWARDS, nothing)["fine"]
    fine.backward()
    assert fine.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_alpha_gives_one_line_the_weight_of_the_whole_program():
    """With equal log-probabilities everywhere the fine term is the same for every span."""
    logits = torch.zeros(1, 6, 4)
    labels = torch.tensor([[1, 2, 3, 0, 1, IGNORE]])
    reward = {"fine": torch.tensor([-0.3])}
    for blamed in ([0], [2, 3], [0, 1, 2, 3, 4], [4, 5]):
        spans = torch.zeros(1, 6, dtype=torch.bool)
        spans[0, blamed] = True
        fine = policy_gradient_terms(logits, labels, reward, spans)["fine"]
        assert fine.item() == pytest.approx(-0.3 * 5 * math.log(4))


def test_a_batch_without_targets_is_zero_and_not_nan():
    labels = torch.full((2, 3), IGNORE)
    assert supervised_loss(PROBABILITIES, labels).item() == 0.0
    assert entropy(PROBABILITIES, labels).item() == 0.0
    terms = policy_gradient_terms(PROBABILITIES, labels, REWARDS, SPANS, reduction="mean")
    assert [term.item() for term in terms.values()] == [0.0, 0.0, 0.0]


def random_batch(batch: int = 3, length: int = 5, words: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, length, words, generator=generator, dtype=torch.float64)
    labels = torch.randint(words, (batch, length), generator=generator)
    labels[0, 3:] = IGNORE
    labels[1, :2] = IGNORE
    return logits, labels


def naive_terms(logits, labels, rewards, spans, *, alpha, reduction):
    """The paper's equations 8 to 10, token by token."""
    totals = dict.fromkeys(rewards, 0.0)
    for b in range(len(labels)):
        targets = [t for t in range(labels.shape[1]) if labels[b, t] != IGNORE]
        blamed = [t for t in targets if spans[b, t]]
        scale = len(targets) / len(blamed) if alpha == "length_ratio" and blamed else 1.0
        for name, reward in rewards.items():
            for t in blamed if name == "fine" else targets:
                log_p = torch.log_softmax(logits[b, t], dim=-1)[labels[b, t]]
                totals[name] = totals[name] - reward[b] * (scale if name == "fine" else 1.0) * log_p
    over = len(labels) if reduction == "sum" else int((labels != IGNORE).sum())
    return {name: total / over for name, total in totals.items()}


def random_rewards() -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    names = ("coarse", "fine", "adaptive")
    values = {name: torch.randn(3, generator=generator, dtype=torch.float64) for name in names}
    return values, torch.rand(3, 5, generator=generator) < 0.5


@cases("alpha", ["length_ratio", "one"])
@cases("reduction", ["sum", "mean"])
def test_values_and_gradients_are_those_of_the_naive_loops(alpha, reduction):
    logits, labels = random_batch()
    values, spans = random_rewards()
    fast, slow = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    options = {"alpha": alpha, "reduction": reduction}
    ours = policy_gradient_terms(fast, labels, values, spans, **options)
    theirs = naive_terms(slow, labels, values, spans, **options)
    for name in values:
        torch.testing.assert_close(ours[name], theirs[name])
        (ours_grad,) = torch.autograd.grad(ours[name], fast, retain_graph=True)
        (theirs_grad,) = torch.autograd.grad(theirs[name], slow, retain_graph=True)
        torch.testing.assert_close(ours_grad, theirs_grad)


@cases("causal", [False, True])
@cases("name", ["coarse", "fine", "adaptive"])
def test_the_gradient_of_each_term_is_what_finite_differences_give(name, causal):
    """Central differences over the weights of a model of one layer."""
    generator = torch.Generator().manual_seed(2)
    states = torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    weights = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    _, labels = random_batch()
    values, spans = random_rewards()

    def loss(w: torch.Tensor) -> torch.Tensor:
        return policy_gradient_terms(states @ w, labels, values, spans, causal=causal)[name]

    leaf = weights.clone().requires_grad_()
    loss(leaf).backward()
    step = 1e-6
    for index in [(0, 0), (1, 3), (2, 6), (3, 2)]:
        bump = torch.zeros_like(weights)
        bump[index] = step
        difference = (loss(weights + bump) - loss(weights - bump)) / (2 * step)
        assert leaf.grad[index].item() == pytest.approx(difference.item(), abs=1e-7)


def test_supervised_gradient_is_what_finite_differences_give():
    logits, labels = random_batch()
    assert torch.autograd.gradcheck(lambda x: supervised_loss(x, labels), (logits.requires_grad_(),))


def test_gradients_of_a_single_token_by_hand():
    """d(-R log p_y)/d logits = R · (p - onehot(y)): a good program's token goes up, a bad one's down."""
    for reward in (1.0, -0.6):
        logits = logits_of([[[0.5, 0.25, 0.25]]]).requires_grad_()
        terms = policy_gradient_terms(
            logits, torch.tensor([[1]]), {"coarse": torch.tensor([reward])}, torch.zeros(1, 1).bool()
        )
        terms["coarse"].backward()
        expected = reward * torch.tensor([[[0.5, 0.25 - 1, 0.25]]], dtype=torch.float64)
        torch.testing.assert_close(logits.grad, expected)


def test_a_causal_model_predicts_the_next_token():
    """The same numbers as a seq2seq model whose logits came one position earlier."""
    logits, labels = random_batch()
    values, spans = random_rewards()
    early, late, marked = logits[:, :-1], labels[:, 1:], spans[:, 1:]
    assert token_log_probs(logits, labels, causal=True).shape == (3, 4)
    for ours, theirs in [
        (supervised_loss(logits, labels, causal=True), supervised_loss(early, late)),
        (entropy(logits, labels, causal=True), entropy(early, late)),
        (
            sum(policy_gradient_terms(logits, labels, values, spans, causal=True).values()),
            sum(policy_gradient_terms(early, late, values, marked).values()),
        ),
    ]:
        torch.testing.assert_close(ours, theirs)


def test_the_first_label_of_a_causal_model_is_never_a_target():
    """Nothing predicts it, so neither T nor E-S may count it."""
    logits = torch.zeros(1, 4, 2)
    labels, spans = torch.tensor([[1, 0, 1, 0]]), torch.tensor([[True, True, False, False]])
    fine = policy_gradient_terms(logits, labels, {"fine": torch.tensor([-1.0])}, spans, causal=True)["fine"]
    assert fine.item() == pytest.approx(-3 * LN2)


def test_micro_batches_with_a_shared_normalizer_add_up_to_the_batch():
    logits, labels = random_batch()
    values, spans = random_rewards()
    for reduction, over in (("sum", 3), ("mean", (labels != IGNORE).sum())):
        whole = policy_gradient_terms(logits, labels, values, spans, reduction=reduction)
        parts = [
            policy_gradient_terms(
                logits[i : i + 1],
                labels[i : i + 1],
                {name: value[i : i + 1] for name, value in values.items()},
                spans[i : i + 1],
                normalizer=over,
            )
            for i in range(3)
        ]
        for name in whole:
            torch.testing.assert_close(sum(part[name] for part in parts), whole[name])


def test_padding_changes_nothing():
    logits, labels = random_batch()
    values, spans = random_rewards()
    wider = torch.nn.functional.pad(logits, (0, 0, 0, 4), value=3.0)
    more_labels = torch.nn.functional.pad(labels, (0, 4), value=IGNORE)
    more_spans = torch.nn.functional.pad(spans, (0, 4), value=True)
    for options in ({}, {"reduction": "mean"}):
        ours = policy_gradient_terms(logits, labels, values, spans, **options)
        padded = policy_gradient_terms(wider, more_labels, values, more_spans, **options)
        for name in ours:
            torch.testing.assert_close(ours[name], padded[name])


def test_entropy_by_hand():
    logits = logits_of([[[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3], [0.9, 0.05, 0.05]]])
    labels = torch.tensor([[0, 2, IGNORE]])
    assert entropy(logits, labels).item() == pytest.approx((1.5 * LN2 + math.log(3)) / 2)


def test_entropy_of_words_that_are_ruled_out_is_a_number():
    logits = torch.tensor([[[0.0, 0.0, -math.inf]]])
    assert entropy(logits, torch.tensor([[0]])).item() == pytest.approx(LN2)


def test_entropy_has_no_gradient():
    logits, labels = random_batch()
    assert not entropy(logits.requires_grad_(), labels).requires_grad


def test_low_precision_logits_are_summed_in_float32():
    logits, labels = random_batch(length=5)
    low = logits.bfloat16()
    got = token_log_probs(low, labels)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, token_log_probs(low.float(), labels), rtol=0, atol=0)


def test_nothing_the_size_of_the_logits_is_kept_for_the_gradient():
    logits = torch.randn(4, 6, 50, dtype=torch.bfloat16, requires_grad=True)
    labels = torch.randint(50, (4, 6))
    values = {name: torch.randn(4) for name in ("coarse", "fine", "adaptive")}
    kept = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() != logits.untyped_storage().data_ptr():
            kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        terms = policy_gradient_terms(logits, labels, values, torch.ones(4, 6).bool())
    assert sum(kept) < logits.numel() / 4
    sum(terms.values()).backward()
    assert logits.grad.isfinite().all()


def test_shapes_that_do_not_match_are_refused():
    logits, labels = random_batch()
    values, spans = random_rewards()
    for wrong in (labels[:, 1:], labels[1:], labels.unsqueeze(-1)):
        with pytest.raises(
            ValueError, match=r"logits \(3, 5, 7\) need labels and spans of shape \(3, 5\), got"
        ):
            supervised_loss(logits, wrong)
    with pytest.raises(ValueError, match="need labels and spans of shape"):
        policy_gradient_terms(logits, labels, values, spans[:, 1:])
    with pytest.raises(ValueError, match=r"reward coarse needs shape \(3,\), got \(3, 1\)"):
        policy_gradient_terms(logits, labels, {"coarse": values["coarse"][:, None]}, spans)


@pytest.mark.parametrize("option", [{"alpha": "typo"}, {"reduction": "typo"}])
def test_a_misspelt_option_is_refused(option):
    logits, labels = random_batch()
    values, spans = random_rewards()
    with pytest.raises(ValueError, match="'typo'; choose one of:"):
        policy_gradient_terms(logits, labels, values, spans, **option)
