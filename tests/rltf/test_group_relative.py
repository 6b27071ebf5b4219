"""The losses of GRPO, RLOO, Dr. GRPO, DAPO and GSPO: TRL 1.16.0's numbers, loops by hand, finite differences.

Does not cover: credit and options (`test_group_credit.py`), training (`test_group_training.py`), TRL itself
(`test_trl.py`).
"""

import math
from types import SimpleNamespace

import pytest
from cases import cases

torch = pytest.importorskip("torch")

from rltf.objectives import find_objective  # noqa: E402
from rltf.objectives.advantages import group_advantages, leave_one_out, standardised  # noqa: E402
from rltf.objectives.base import RolloutBatch  # noqa: E402
from rltf.objectives.surrogate import clipped_gain, divergence, log_ratio  # noqa: E402

METHODS = ("grpo", "rloo", "dr_grpo", "dapo", "gspo")

TRAINING = SimpleNamespace(
    sl_weight=1.0,
    samples_per_problem=2,
    temperatures=(1.0,),
    top_p=1.0,
    top_k=0,
    max_new_tokens=4,
    per_device_train_batch_size=4,
    lora_rank=0,
    sampler="inline",
    terms={},
    term_options={},
)


def made(method, *, max_new_tokens=4, **options):
    """A method as it is by default but for `options`."""
    kind = find_objective(method)
    return kind(
        kind.Options(**options), SimpleNamespace(**(vars(TRAINING) | {"max_new_tokens": max_new_tokens}))
    )


# --- advantages ----------------------------------------------------------------------------------

REWARDS = ((1.0, -0.3), (-0.6, -1.0))


@cases(
    ("scale", "expected"),
    [
        ("group", [0.70703, -0.70703, 0.706857, -0.706857]),
        ("batch", [0.750886, -0.750886, 0.231042, -0.231042]),
        ("none", [0.65, -0.65, 0.2, -0.2]),
    ],
)
def test_advantages_are_trls(scale, expected):
    found = [each for group in group_advantages(REWARDS, scale=scale) for each in group]
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_baseline_of_rloo_is_the_mean_of_the_others():
    assert [each for group in leave_one_out(REWARDS) for each in group] == pytest.approx(
        [1.3, -1.3, 0.4, -0.4]
    )
    assert leave_one_out([[3.0, 0.0, 0.0]])[0] == pytest.approx([3.0, -1.5, -1.5])


@cases("scale", ["group", "batch", "none"])
def test_a_group_of_one_or_of_equals_has_no_advantage(scale):
    groups = [[0.7], [], [0.3, 0.3, 0.3], [0.0, 1.0]]
    for found in (
        group_advantages(groups, scale=scale),
        leave_one_out(groups),
        standardised(leave_one_out(groups)),
    ):
        assert found[:2] == [[0.0], []]
        assert found[2] == pytest.approx([0, 0, 0], abs=1e-9)
        assert found[3][1] > 0.4


# --- the losses on TRL's tensors -----------------------------------------------------------------

NEW = ((-0.5, -1.0, -0.2, -0.1), (-1.5, -0.3, -0.7, -2.0), (-0.9, -0.4, -0.6, -0.8), (-0.2, -0.2, -3.0, -0.5))
OLD = ((-0.7, -0.9, -0.3, -0.1), (-1.0, -0.3, -0.9, -2.5), (-0.9, -0.4, -0.6, -0.8), (-0.5, -0.3, -2.0, -0.4))
REF = ((-0.6, -1.1, -0.2, -0.3), (-1.2, -0.5, -0.7, -2.0), (-1.0, -0.4, -0.5, -0.8), (-0.4, -0.2, -2.5, -0.5))
LENGTHS = (3, 4, 2, 4)
TARGETS = torch.tensor([[t < length for t in range(4)] for length in LENGTHS])


def tensor(rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def batch_for(objective, *, old=OLD, values=None, weights=None) -> RolloutBatch:
    """The four rows as `objective` has them in one micro-batch."""
    advantages = [each for group in objective.advantages(REWARDS) for each in group]
    return RolloutBatch(
        targets=TARGETS,
        old_log_probs=tensor(old) * TARGETS,
        values={name: tensor(each) for name, each in ({"advantage": advantages} | (values or {})).items()},
        weights=weights or {},
        normalizer=sum(LENGTHS) if objective.reduction == "mean" else len(LENGTHS),
        reference_log_probs=tensor(REF) * TARGETS,
    )


ZERO = [0.0] * 4
SEQUENCE = {"ratio": "sequence_mean", "clip_low": 3e-4, "clip_high": 4e-4}
NO_KL = {"beta": 0.0}
ROWS = {
    "grpo": ("grpo", {}, OLD, 0.024302, [0, -0.053312, -0.065116, 0], [0.059635, 0.048825, 0, 0.039974]),
    "bnpo": (
        "grpo", {"aggregation": "token_mean"}, OLD, 0.196851,
        [0, -0.049211, -0.060107, 0], [0.073397, 0.060092, 0, 0.049199],
    ),
    "dr_grpo": (
        "dr_grpo", {}, OLD, 0.086316, [0, -0.036759, -0.044898, 0], [0.016873, 0.013815, 0, 0.01131],
    ),
    "dapo": (
        "dapo", {}, OLD, 0.195687,
        [-0.066428, -0.049211, -0.060107, 0], [0.073397, 0.060092, 0, 0.049199],
    ),
    "gspo": ("gspo", {}, OLD, 0.008939, ZERO, ZERO),
    "luspo": ("gspo", {"aggregation": "sequence_sum"}, OLD, 0.566012, ZERO, ZERO),
    "grpo with kl": (
        "grpo", {"beta": 0.04}, OLD, 0.024948,
        [0.000317, -0.052995, -0.065116, 0], [0.060088, 0.048825, -0.001622, 0.039974],
    ),
    "grpo with kl times the ratio": (
        "grpo", {"beta": 0.04, "kl_times_ratio": True}, OLD, 0.024682,
        [0.000407, -0.053011, -0.065116, 0], [0.06031, 0.048825, -0.00046, 0.039974],
    ),
    "grpo with delta": (
        "grpo", {"delta": 1.2}, OLD, -0.003093,
        [0, -0.053312, -0.065116, 0], [0, 0.048825, 0, 0.039974],
    ),
    "grpo on policy": ("grpo", {}, NEW, 0.0, [-0.058919] * 3 + [0], [0.044179] * 4),
    "dapo on policy": ("dapo", {"clip_high": 0.2}, NEW, 0.163134, [-0.054387] * 3 + [0], None),
    "dr_grpo on policy": (
        "dr_grpo", {"max_new_tokens": 512}, NEW, 0.0005126953125, [-0.0003173828125] * 3 + [0], None,
    ),
    "rloo": ("rloo", NO_KL, OLD, -0.013044, ZERO, ZERO),
    "rloo on policy": ("rloo", NO_KL, NEW, 0.0, [-0.325] * 3 + [0], [0.1] * 4),
}  # fmt: skip
"""By name: method, options, old log-probabilities, loss, gradients of the first and the last row."""


@cases("name", ROWS)
def test_loss_and_gradient_are_trls(name):
    method, options, old, loss, first, last = ROWS[name]
    objective = made(method, **options)
    new = tensor(NEW).requires_grad_()
    terms = objective.policy_loss(new * TARGETS, batch_for(objective, old=old))
    total = sum(terms.values())
    total.backward()
    assert total.item() == pytest.approx(loss, abs=1e-6)
    assert new.grad[0].tolist() == pytest.approx(first, abs=1e-6)
    if last is not None:
        assert new.grad[3].tolist() == pytest.approx(last, abs=1e-6)
    assert set(terms) == ({"policy", "kl"} if options.get("beta") else {"policy"})


def test_the_gradient_of_rloo_is_trls_in_every_row():
    objective = made("rloo", **NO_KL)
    for old, expected in (
        (OLD, [ZERO, [0.396956] * 4, [-0.1, -0.1, 0, 0], ZERO]),
        (NEW, [[-0.325] * 3 + [0], [0.325] * 4, [-0.1, -0.1, 0, 0], [0.1] * 4]),
    ):
        new = tensor(NEW).requires_grad_()
        objective.policy_loss(new * TARGETS, batch_for(objective, old=old))["policy"].backward()
        assert new.grad.tolist() == [pytest.approx(row, abs=1e-6) for row in expected]


def test_what_terms_give_to_spans_is_added_to_the_advantage_of_their_tokens():
    # -0.3 at the second token of the last row: TRL's number for advantages of tokens.
    weights = torch.zeros(4, 4, dtype=torch.float64)
    weights[3, 1] = 1
    objective = made("dapo")
    batch = batch_for(objective, old=NEW, values={"fine": [0, 0, 0, -0.3]}, weights={"fine": weights})
    new = tensor(NEW).requires_grad_()
    loss = objective.policy_loss(new * TARGETS, batch)["policy"]
    loss.backward()
    assert loss.item() == pytest.approx(0.186211, abs=1e-6)
    assert loss.item() == pytest.approx(0.163134 + 0.3 / 13, abs=1e-6)
    assert new.grad[3].tolist() == pytest.approx([0.054374, 0.077451, 0.054374, 0.054374], abs=1e-6)


# --- every option against a loop by hand ---------------------------------------------------------


def by_hand(objective, weights=None) -> float:
    """The loss in loops."""
    options, total = objective.options, 0.0
    advantages = [each for group in objective.advantages(REWARDS) for each in group]
    kept = [length if weights is None or weights[row] else 0 for row, length in enumerate(LENGTHS)]
    for row, length in enumerate(kept):
        here = 0.0
        logs = [NEW[row][t] - OLD[row][t] for t in range(length)]
        if options.ratio != "token":
            logs = [sum(logs) / (max(length, 1) if options.ratio == "sequence_mean" else 1)] * length
        for t, log in enumerate(logs):
            ratio, gain = math.exp(log), advantages[row]
            clipped = min(max(ratio, 1 - options.clip_low), 1 + options.clip_high)
            bounded = min(ratio, options.delta or math.inf)
            d = REF[row][t] - NEW[row][t]
            apart = {"k1": -d, "k2": d * d / 2, "k3": math.exp(d) - d - 1}[options.kl_estimator]
            apart *= ratio if options.kl_times_ratio else 1
            here += options.beta * apart - min(bounded * gain, clipped * gain)
        over = {
            "token_mean": sum(LENGTHS),
            "sequence_mean": 4 * max(length, 1),
            "sequence_sum": 4,
            "constant": 4 * 4,
        }
        total += here / over[options.aggregation]
    return total


@pytest.mark.slow
@cases("estimator", ["k1", "k2", "k3"])
@cases("ratio", ["token", "sequence_mean", "sequence_sum"])
@cases("aggregation", ["token_mean", "sequence_mean", "sequence_sum", "constant"])
@cases("more", [{}, {"delta": 1.5, "kl_times_ratio": True}])
def test_every_choice_is_the_loop_by_hand_and_its_gradient_that_of_finite_differences(
    aggregation, ratio, estimator, more
):
    options = {"aggregation": aggregation, "ratio": ratio, "kl_estimator": estimator} | more
    objective = made("grpo", beta=0.1, clip_low=0.1, clip_high=0.3, **options)
    batch = batch_for(objective)

    def loss(new):
        return sum(objective.policy_loss(new * TARGETS, batch).values())

    assert loss(tensor(NEW)).item() == pytest.approx(by_hand(objective))
    assert torch.autograd.gradcheck(loss, tensor(NEW).requires_grad_())


@cases("method", METHODS)
def test_each_method_as_it_is_by_default_is_the_loop_by_hand_and_has_the_gradient_of_finite_differences(
    method,
):
    options = {"kl_in": "loss"} if method == "rloo" else {"beta": 0.05}
    objective = made(method, **options)
    batch = batch_for(objective)

    def loss(new):
        return sum(objective.policy_loss(new * TARGETS, batch).values())

    assert loss(tensor(NEW)).item() == pytest.approx(by_hand(objective))
    assert torch.autograd.gradcheck(loss, tensor(NEW).requires_grad_())


@cases("method", METHODS)
def test_what_is_masked_takes_no_part_in_the_loss(method):
    options = {"kl_in": "loss"} if method == "rloo" else {"beta": 0.05}
    objective = made(method, **options)
    kept = torch.ones(4, 4, dtype=torch.float64)
    kept[1] = 0
    batch = batch_for(objective, weights={"advantage": kept})
    new = tensor(NEW).requires_grad_()
    loss = sum(objective.policy_loss(new * TARGETS, batch).values())
    loss.backward()
    assert loss.item() == pytest.approx(by_hand(objective, [1, 0, 1, 1]))
    assert not new.grad[1].any()
    assert batch.notes["ratio"].isfinite()


def test_the_divergence_is_zero_where_the_policies_agree_and_k2_and_k3_are_never_below():
    difference = torch.linspace(-2, 2, 9, dtype=torch.float64)
    for name in ("k1", "k2", "k3"):
        assert divergence(difference, name)[4] == 0
    assert all((divergence(difference, name) >= 0).all() for name in ("k2", "k3"))


def test_how_often_the_ratio_was_cut_is_left_for_the_log():
    objective = made("grpo")
    batch = batch_for(objective)
    objective.policy_loss(tensor(NEW) * TARGETS, batch)
    # Row 0: exp(0.2) above 1.2. Row 1 (negative): exp(-0.5) below 0.8. Row 3 (negative): exp(-1) below 0.8.
    assert batch.notes["clipped"].item() == pytest.approx(3 / 13)


@pytest.mark.parametrize("advantage", [1.0, -1.0])
def test_the_ratio_of_a_long_sequence_that_has_become_likely_has_a_gradient(advantage):
    new = torch.zeros(1, 200).requires_grad_()
    old, mask = torch.full((1, 200), -1.0), torch.ones(1, 200, dtype=torch.bool)
    ratio = log_ratio(new, old, mask, level="sequence_sum").exp()  # e^200 overflows float32
    gain = clipped_gain(ratio, torch.full((1, 200), advantage), low=0.2, high=0.2)
    gain.sum().backward()
    assert new.grad.isfinite().all()
    assert gain.isfinite().all()
