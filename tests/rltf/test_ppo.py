"""PPO against the worked numbers of PPOCoder's formulas, by differences, and in training."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from cases import cases

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from harness.errors import InputError  # noqa: E402
from rltf.objectives import gae  # noqa: E402
from rltf.objectives.base import ROLLOUT_REFERENCE, RolloutBatch  # noqa: E402
from rltf.objectives.ppo import PPO, PPOOptions  # noqa: E402

TRAINING = SimpleNamespace(
    sl_weight=1.0,
    samples_per_problem=2,
    temperatures=(1.0,),
    top_p=1.0,
    top_k=0,
    max_new_tokens=4,
    terms={},
    term_options={},
)
ALL = torch.ones(1, 4, dtype=torch.bool)


def ppo(options: PPOOptions | None = None, **training) -> PPO:
    return PPO(options or PPOOptions(), SimpleNamespace(**(vars(TRAINING) | training)))


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


OLD, REFERENCE = row(-0.5, -1, -0.2, -0.1), row(-0.6, -0.8, -0.2, -0.4)
OLD_VALUES = row(0.3, 0.1, 0.5, 0.9)
NEW, NEW_VALUES = row(-0.4, -1.3, -0.2, -0.1), row(0.6, 0.2, 0.4, 0.9)
WHITE = [0.1857386741812971, 1.1545579449282382, -0.06421958385002369, -1.2760770352595119]


def close(tensor, numbers):
    return tensor.flatten().tolist() == pytest.approx(numbers, abs=1e-6)


# --- worked numbers: PPOCoder's formulas on a sequence of four tokens ----------------------------


def test_rewards_advantages_and_returns_are_the_worked_ones():
    rewards = gae.token_rewards(torch.tensor([1.75]), OLD - REFERENCE, ALL, 0.1)
    assert close(rewards, [-0.01, 0.02, 0, 1.72])
    found = gae.advantages(rewards, OLD_VALUES, ALL, gamma=1.0, lam=0.95)
    assert close(found, [1.2530475, 1.54005, 1.179, 0.82])
    assert close(found + OLD_VALUES, [1.5530475, 1.64005, 1.679, 1.72])
    assert close(gae.whitened(found, ALL), WHITE)
    assert close(gae.whitened(found, ALL, "sequence"), WHITE)


def batch_of(advantage, returns):
    """The worked sequence as the loss sees it; the head reads values off the states."""
    return RolloutBatch(
        targets=ALL,
        old_log_probs=OLD,
        values={name: torch.ones(1) for name in ("reward", "_advantage", "_return", "_value")},
        weights={"_advantage": advantage, "_return": returns, "_value": OLD_VALUES},
        normalizer=4.0,
    )


def worked_loss(log_probs, values, **options):
    objective = ppo(PPOOptions(**options))
    objective._values = lambda batch: values
    batch = batch_of(row(*WHITE), row(1.5530475, 1.64005, 1.679, 1.72))
    return objective.policy_loss(log_probs, batch), batch


def test_losses_are_the_worked_ones():
    terms, batch = worked_loss(NEW, NEW_VALUES)
    assert float(terms["policy"]) == pytest.approx(0.06992651890168988, abs=1e-9)
    assert float(terms["value"]) == pytest.approx(1e-3 * 0.6863617549695312, abs=1e-9)
    assert float(sum(terms.values())) == pytest.approx(0.07061288065665941, abs=1e-9)
    assert float(batch.notes["ratio"]) == pytest.approx((1.1051709 + 0.7408182 + 2) / 4, abs=1e-6)


def test_gradients_are_the_worked_ones():
    log_probs, values = NEW.clone().requires_grad_(), NEW_VALUES.clone().requires_grad_()
    terms, _ = worked_loss(log_probs, values)
    sum(terms.values()).backward()
    assert close(log_probs.grad, [-0.05131824526, -0.21382939060, 0.01605489596, 0.31901925481])
    assert values.grad.flatten().tolist() == pytest.approx([0.0, -0.0003600125, -0.00031975, -0.000205])


def test_gradients_are_those_of_finite_differences():
    advantage, returns = row(0.5, 1.1, -0.3, -1.2), row(1.5, 1.6, 1.7, 1.0)
    objective = ppo(PPOOptions(value_weight=1.0))

    def loss(log_probs, values):
        objective._values = lambda batch: values
        terms = objective.policy_loss(log_probs, batch_of(advantage, returns))
        return terms["policy"] + terms["value"]

    given = OLD + row(0.05, -0.4, 0.3, 0.1), NEW_VALUES + row(0.01, 0.02, 0.03, 0.04)
    assert torch.autograd.gradcheck(loss, tuple(each.requires_grad_() for each in given))


@cases(("kl", "beta"), [(0.2, 0.099936), (1.1, 0.100032), (5.0, 0.100064)])
def test_the_coefficient_adapts_as_worked(kl, beta):
    assert gae.adapted(0.1, kl, target=1.0, horizon=10_000, programs=32) == pytest.approx(beta, abs=1e-9)
    assert gae.adapted(0.1, kl, target=1.0, horizon=0, programs=32) == 0.1


# --- what lies beside the targets ----------------------------------------------------------------


def test_nothing_beside_the_targets_changes_anything():
    targets = torch.tensor([[False, True, True, True, True, False, False]])

    def wide(values, fill):
        return torch.cat([row(fill), values, row(fill, fill)], dim=1)

    rewards = gae.token_rewards(torch.tensor([1.75]), wide(OLD - REFERENCE, 9.0), targets, 0.1)
    assert close(rewards, [0, -0.01, 0.02, 0, 1.72, 0, 0])
    found = gae.advantages(rewards, wide(OLD_VALUES, 5.0), targets, gamma=1.0, lam=0.95)
    assert close(found, [0, 1.2530475, 1.54005, 1.179, 0.82, 0, 0])
    assert close(gae.whitened(wide(row(1.2530475, 1.54005, 1.179, 0.82), 7.0), targets), [0, *WHITE, 0, 0])


def test_one_token_and_none_have_finite_advantages():
    one = torch.tensor([[True, False], [False, False]])
    for over in ("step", "sequence", "none"):
        assert torch.isfinite(gae.whitened(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), one, over)).all()


def test_with_lambda_of_1_the_advantage_is_the_return_less_the_value():
    rewards = row(-0.01, 0.02, 0, 1.72)
    found = gae.advantages(rewards, OLD_VALUES, ALL, gamma=1.0, lam=1.0)
    returns = [sum(rewards[0, place:].tolist()) for place in range(4)]
    assert close(found + OLD_VALUES, returns)


# --- whitening does not depend on micro-batches --------------------------------------------------


def collated(advantages, labels, supervised=0):
    advantages = torch.tensor(advantages)
    learned = torch.ones(len(advantages))
    learned[:supervised] = 0
    return {
        "labels": torch.tensor(labels),
        "weights": {"_advantage": advantages},
        "values": {"_advantage": learned},
    }


def test_advantages_are_whitened_over_all_micro_batches_of_a_step():
    together = collated([[1.0, 2.0, 0.0], [4.0, 8.0, 9.0]], [[5, 5, -100], [5, 5, 5]])
    first = collated([[0.0, 0.0], [1.0, 2.0]], [[5, 5], [5, 5]], supervised=1)
    second = collated([[4.0, 8.0, 9.0]], [[5, 5, 5]])
    only_solutions = {"labels": torch.tensor([[5]]), "weights": {}, "values": {}}
    ppo().prepare_step([together])
    ppo().prepare_step([first, only_solutions, second])
    white = together["weights"]["_advantage"]
    assert white[0, :2].tolist() == pytest.approx(first["weights"]["_advantage"][1].tolist())
    assert white[1].tolist() == pytest.approx(second["weights"]["_advantage"][0].tolist())
    assert first["weights"]["_advantage"][0].tolist() == [0.0, 0.0]
    every = torch.cat([white[0, :2], white[1]])
    assert float(every.mean()) == pytest.approx(0, abs=1e-6)
    assert float(every.std()) == pytest.approx(1, abs=1e-5)


# --- refusals ------------------------------------------------------------------------------------


@cases("setting", [{"top_p": 0.95}, {"top_k": 50}, {"temperatures": (0.6,)}])
def test_sampling_that_would_make_the_ratio_wrong_is_refused(setting):
    with pytest.raises(InputError, match="top_p=1 top_k=0 temperatures=1"):
        ppo(**setting)


def test_without_a_divergence_no_reference_is_kept():
    assert ROLLOUT_REFERENCE in ppo().needs
    assert ROLLOUT_REFERENCE not in ppo(PPOOptions(kl_weight=0.0)).needs


@pytest.mark.parametrize("states", ["shared", "detached"])
def test_the_value_loss_trains_the_policys_states_only_where_they_are_shared(states):
    objective = ppo(PPOOptions(value_states=states))
    objective.models["value"] = torch.nn.Linear(2, 1)
    hidden = torch.ones(1, 4, 2, requires_grad=True)
    batch = replace(batch_of(row(*WHITE), row(1.5, 1.6, 1.7, 1.8)), hidden=hidden)
    objective.policy_loss(NEW, batch)["value"].backward()
    assert (hidden.grad is None) == (states == "detached")
    assert objective.models["value"].weight.grad.abs().max() > 0


def test_a_sequence_that_is_left_out_has_no_part_in_the_losses():
    objective = ppo()
    log_probs = NEW.repeat(2, 1).requires_grad_()
    values = NEW_VALUES.repeat(2, 1).requires_grad_()
    objective._values = lambda batch: values
    one = batch_of(row(*WHITE), row(1.5, 1.6, 1.7, 1.8))
    both = replace(
        one,
        targets=ALL.repeat(2, 1),
        old_log_probs=OLD.repeat(2, 1),
        values={name: torch.tensor([1.0, 0.0]) for name in one.values},
        weights={name: each.repeat(2, 1) for name, each in one.weights.items()},
    )
    sum(objective.policy_loss(log_probs, both).values()).backward()
    assert log_probs.grad[0].abs().max() > 0
    assert log_probs.grad[1].tolist() == values.grad[1].tolist() == [0.0] * 4
