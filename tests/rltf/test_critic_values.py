"""Token values, returns and losses against numbers worked by hand, and gradients against differences."""

import pytest

torch = pytest.importorskip("torch")

from rltf.critic.classes import class_of, names_of  # noqa: E402
from rltf.critic.values import class_loss, class_report, pooled, token_values  # noqa: E402
from rltf.objectives.losses import reward_terms  # noqa: E402
from rltf.rewards.feedback import Category, Feedback, Scope  # noqa: E402
from rltf.rewards.rltf import RELEASED, rewards  # noqa: E402

LOGITS = torch.tensor(
    [[[2.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1], [1, 1, 1, 1]]], dtype=torch.float64
)
"""Five positions; the program has three tokens, the rest is padding."""
LOG_PROBS = (-0.5, -1.0, -2.0)
MASK = torch.tensor([[False, True, False]])
ALL, THREE = torch.ones(1, 5, dtype=torch.bool), torch.tensor([[True, True, True, False, False]])


def said(category, ratio=0.0, scope=Scope.IGNORE, line=None):
    return Feedback(category, "other_error", scope, line, ratio)


def values(true_class):
    return token_values(LOGITS, torch.tensor([true_class]))[:, :3]


def released(feedback, baseline, *, span=MASK, order="inside", true_class):
    """Loss and returns r_t of the released code's formula, out of the terms of the loss."""
    log_probs = torch.tensor([LOG_PROBS], dtype=torch.float64, requires_grad=True)
    reward = rewards(feedback, RELEASED, baseline=baseline)
    terms = reward_terms(
        log_probs,
        torch.ones(1, 3, dtype=torch.bool),
        {
            "coarse": torch.tensor([reward.coarse]),
            "fine": torch.tensor([reward.fine]),
            "adaptive": torch.tensor([reward.adaptive]),
        },
        span,
        alpha=RELEASED.fine_alpha,
        over=3,
        token_weights=values(true_class),
        fine_order=order,
    )
    loss = sum(terms.values())
    loss.backward()
    return loss.item(), (-3 * log_probs.grad)[0].tolist()


def test_softmax_rows_are_the_worked_ones():
    rows = [[0.711235, 0.096255], [0.174878, 0.475367], [0.043317, 0.870049], [0.174878, 0.475367]]
    for position, (other, own) in enumerate(rows[:1]):
        assert token_values(LOGITS, torch.tensor([0]))[0, position].item() == pytest.approx(other, abs=1e-6)
        assert token_values(LOGITS, torch.tensor([1]))[0, position].item() == pytest.approx(own, abs=1e-6)
    found = torch.cat([token_values(LOGITS, torch.tensor([c])) for c in range(4)])
    expected = [
        [0.711235, 0.174878, 0.043317, 0.174878, 0.25],
        [0.096255, 0.475367, 0.043317, 0.174878, 0.25],
        [0.096255, 0.174878, 0.870049, 0.174878, 0.25],
        [0.096255, 0.174878, 0.043317, 0.475367, 0.25],
    ]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("kept", "logits", "loss"),
    [(ALL, [2.0, 1, 3, 1], 2.4938117090722387), (THREE, [2.0, 1, 3, 0], 2.4401896985611953)],
)
def test_the_class_is_pooled_over_the_positions_that_count(kept, logits, loss):
    found = pooled(LOGITS, kept)
    assert found[0].tolist() == logits
    assert found.argmax(dim=1).tolist() == [2]
    assert class_loss(found, torch.tensor([1])).item() == pytest.approx(loss, abs=1e-6)


def test_token_values_are_those_of_the_true_class():
    expected = [0.0962551352574687, 0.4753668864186717, 0.04331716447953073]
    assert values(1)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_returns_are_the_reward_over_the_baseline_times_the_value():
    error, failure = said(Category.ERROR), said(Category.FAILURE)
    loss, returns = released(error, failure, true_class=1)
    assert loss == pytest.approx(-0.06101287830064674, abs=1e-6)
    assert returns == pytest.approx([-0.0288765406, -0.1426100659, -0.0129951493], abs=1e-6)


@pytest.mark.parametrize(
    ("order", "second", "loss"),
    [
        ("inside", -0.28522013185120293, -0.1085495669425139),
        ("outside", -0.4426100659256015, -0.16101287830064676),
    ],
)
def test_both_orders_of_the_mask_are_the_released_codes(order, second, loss):
    error = said(Category.ERROR, scope=Scope.LINE, line=1)
    found, returns = released(error, said(Category.FAILURE), order=order, true_class=1)
    assert found == pytest.approx(loss, abs=1e-6)
    assert returns == pytest.approx([-0.0288765406, second, -0.0129951493], abs=1e-6)


def test_the_adaptive_reward_stands_in_a_failures_place():
    loss, returns = released(said(Category.FAILURE, 0.5), said(Category.FAILURE, 0.25), true_class=2)
    assert loss == pytest.approx(0.21266941423852145, abs=1e-6)
    assert returns == pytest.approx([0.0312829190, 0.0568352540, 0.2827657646], abs=1e-6)


def test_without_values_the_terms_are_those_of_values_of_one():
    torch.manual_seed(0)
    log_probs, span = -torch.rand(2, 5), torch.rand(2, 5) > 0.5
    given = {name: torch.randn(2) for name in ("coarse", "fine", "adaptive")}
    options = {"alpha": "length_ratio", "over": 2.0}
    targets = torch.ones(2, 5, dtype=torch.bool)
    plain = reward_terms(log_probs, targets, given, span, **options)
    ones = reward_terms(log_probs, targets, given, span, token_weights=torch.ones(2, 5), **options)
    assert all(torch.equal(plain[name], ones[name]) for name in plain)


def test_gradients_of_the_class_loss_are_those_of_finite_differences():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 4, dtype=torch.float64, requires_grad=True)
    kept = torch.tensor([[True, True, True, False], [True, True, False, False]])

    def loss(given):
        found = pooled(given, kept)
        return torch.nn.functional.cross_entropy(found, torch.tensor([1, 3]))

    assert torch.autograd.gradcheck(loss, (logits,))
    assert class_loss(pooled(logits, kept), torch.tensor([1, 3])).item() == pytest.approx(loss(logits).item())


def test_gradients_of_the_valued_terms_are_those_of_finite_differences():
    torch.manual_seed(0)
    log_probs = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    given = {name: torch.randn(2, dtype=torch.float64) for name in ("coarse", "fine", "adaptive")}
    weights = torch.rand(2, 4, dtype=torch.float64)
    span, targets = torch.rand(2, 4) > 0.4, torch.ones(2, 4, dtype=torch.bool)
    for order in ("inside", "outside"):

        def loss(logp, order=order):
            terms = reward_terms(
                logp, targets, given, span, alpha="one", over=8.0, token_weights=weights, fine_order=order
            )
            return sum(terms.values())

        assert torch.autograd.gradcheck(loss, (log_probs,))


def test_accuracy_stands_beside_that_of_a_constant_guess():
    report = class_report([0, 0, 2, 3, 2], [0, 0, 0, 3, 2])
    assert (report.accuracy, report.constant_guess) == (0.8, 0.6)
    assert report.per_class == {0: pytest.approx(2 / 3), 2: 1.0, 3: 1.0}
    assert report.counts == {0: 3, 2: 1, 3: 1}
    with pytest.raises(ValueError, match="undefined"):
        class_report([], [])


def test_classes_are_numbered_as_in_the_released_code():
    order = (Category.SYNTAX_ERROR, Category.ERROR, Category.FAILURE, Category.PASSED)
    assert [class_of(each) for each in order] == [0, 1, 2, 3]
    assert [class_of(each, 2) for each in order] == [0, 0, 0, 1]
    assert (len(names_of(4)), names_of(2)) == (4, ("not_passed", "passed"))
