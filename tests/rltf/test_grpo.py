"""GRPO against TRL 1.16.0's numbers on the same tensors, against a loop by hand."""

import math
import statistics
from dataclasses import replace
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from harness.errors import InputError  # noqa: E402
from harness.types import (  # noqa: E402
    Outcome,
    Problem,
    Status,
    StdinTest,
    TestKind,
    TestOutcome,
    TestSuite,
)
from rltf.objectives.base import REFERENCE, RolloutBatch  # noqa: E402
from rltf.objectives.grpo import GRPO, GRPOOptions, advantages, divergence  # noqa: E402
from rltf.rewards.feedback import Category, Feedback, Scope  # noqa: E402
from rltf.rollout.records import Group, Rollout, is_zero  # noqa: E402

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


def grpo(options: GRPOOptions | None = None, **training) -> GRPO:
    return GRPO(options or GRPOOptions(), SimpleNamespace(**(vars(TRAINING) | training)))


# --- advantages ----------------------------------------------------------------------------------

REWARDS = ((1.0, -0.3), (-0.6, -1.0))


def test_advantages_are_trls():
    found = [each for group in REWARDS for each in advantages(group)]
    assert found == pytest.approx([0.70703, -0.70703, 0.706857, -0.706857], abs=1e-6)
    found = [each for group in REWARDS for each in advantages(group, scale="none")]
    assert found == pytest.approx([0.65, -0.65, 0.2, -0.2])


def test_a_group_of_one_or_of_equals_has_no_advantage():
    assert advantages([0.7]) == [0.0]
    assert advantages([]) == []
    assert advantages([0.3, 0.3, 0.3]) == pytest.approx([0, 0, 0], abs=1e-9)


# --- the loss on TRL's tensors -------------------------------------------------------------------

NEW = ((-0.5, -1.0, -0.2, -0.1), (-1.5, -0.3, -0.7, -2.0), (-0.9, -0.4, -0.6, -0.8), (-0.2, -0.2, -3.0, -0.5))
OLD = ((-0.7, -0.9, -0.3, -0.1), (-1.0, -0.3, -0.9, -2.5), (-0.9, -0.4, -0.6, -0.8), (-0.5, -0.3, -2.0, -0.4))
REF = ((-0.6, -1.1, -0.2, -0.3), (-1.2, -0.5, -0.7, -2.0), (-1.0, -0.4, -0.5, -0.8), (-0.4, -0.2, -2.5, -0.5))
LENGTHS = (3, 4, 2, 4)
TARGETS = torch.tensor([[t < length for t in range(4)] for length in LENGTHS])


def tensor(rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def batch_of(values, *, normalizer: float, old=OLD, weights=None) -> RolloutBatch:
    return RolloutBatch(
        targets=TARGETS,
        old_log_probs=tensor(old) * TARGETS,
        values={name: tensor(each) for name, each in values.items()},
        weights=weights or {},
        normalizer=normalizer,
        reference_log_probs=tensor(REF) * TARGETS,
    )


def scaled(scale: str) -> list[float]:
    return [each for group in REWARDS for each in advantages(group, scale=scale)]


GRPO_MEAN = {"aggregation": "sequence_mean"}
DR_GRPO = {"aggregation": "constant", "scale": "none"}
DAPO = {"aggregation": "token_mean", "clip_high": 0.28}


@pytest.mark.parametrize(
    ("options", "old", "loss", "first", "last"),
    [
        (GRPO_MEAN, OLD, 0.024302, [0, -0.053312, -0.065116, 0], [0.059635, 0.048825, 0, 0.039974]),
        (DR_GRPO, OLD, 0.086316, [0, -0.036759, -0.044898, 0], [0.016873, 0.013815, 0, 0.01131]),
        (DAPO, OLD, 0.195687, [-0.066428, -0.049211, -0.060107, 0], [0.073397, 0.060092, 0, 0.049199]),
        (
            GRPO_MEAN | {"beta": 0.04},
            OLD,
            0.024948,
            [0.000317, -0.052995, -0.065116, 0],
            [0.060088, 0.048825, -0.001622, 0.039974],
        ),
        (GRPO_MEAN, NEW, 0.0, [-0.058919, -0.058919, -0.058919, 0], [0.044179] * 4),
        (DAPO | {"clip_high": 0.2}, NEW, 0.163134, [-0.054387, -0.054387, -0.054387, 0], None),
    ],
    ids=["grpo", "dr_grpo", "dapo", "grpo with kl", "grpo on policy", "dapo on policy"],
)
def test_loss_and_gradient_are_trls(options, old, loss, first, last):
    chosen = GRPOOptions(**options)
    normalizer = sum(LENGTHS) if chosen.aggregation == "token_mean" else len(LENGTHS)
    new = tensor(NEW).requires_grad_()
    batch = batch_of({"advantage": scaled(chosen.scale)}, normalizer=normalizer, old=old)
    terms = grpo(chosen).policy_loss(new * TARGETS, batch)
    total = sum(terms.values())
    total.backward()
    assert total.item() == pytest.approx(loss, abs=1e-6)
    assert new.grad[0].tolist() == pytest.approx(first, abs=1e-6)
    if last is not None:
        assert new.grad[3].tolist() == pytest.approx(last, abs=1e-6)
    assert set(terms) == ({"policy", "kl"} if chosen.beta else {"policy"})


def test_what_terms_give_to_lines_is_added_to_the_advantage_of_their_tokens():
    # -0.3 at the second token of the last row: TRL's number for advantages of tokens.
    weights = torch.zeros(4, 4, dtype=torch.float64)
    weights[3, 1] = 1
    values = {"advantage": scaled("std"), "fine": [0, 0, 0, -0.3]}
    batch = batch_of(values, normalizer=13, old=NEW, weights={"fine": weights})
    loss = grpo(GRPOOptions(**DAPO)).policy_loss(tensor(NEW) * TARGETS, batch)["policy"]
    assert loss.item() == pytest.approx(0.186211, abs=1e-6)
    assert loss.item() == pytest.approx(0.163134 + 0.3 / 13, abs=1e-6)


def by_hand(options: GRPOOptions) -> float:
    """The loss in loops."""
    total, advantage = 0.0, scaled(options.scale)
    for row, length in enumerate(LENGTHS):
        here = 0.0
        for t in range(length):
            ratio = math.exp(NEW[row][t] - OLD[row][t])
            clipped = min(max(ratio, 1 - options.clip_low), 1 + options.clip_high)
            d = REF[row][t] - NEW[row][t]
            apart = {"k1": -d, "k2": d * d / 2, "k3": math.exp(d) - d - 1}[options.kl_estimator]
            here += options.beta * apart - min(ratio * advantage[row], clipped * advantage[row])
        over = {"token_mean": sum(LENGTHS), "sequence_mean": 4 * length, "constant": 4 * 4}
        total += here / over[options.aggregation]
    return total


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
@pytest.mark.parametrize("aggregation", ["token_mean", "sequence_mean", "constant"])
def test_every_choice_is_the_loop_by_hand_and_its_gradient_that_of_finite_differences(aggregation, estimator):
    options = GRPOOptions(
        aggregation=aggregation, kl_estimator=estimator, beta=0.1, clip_low=0.1, clip_high=0.3
    )
    normalizer = 13 if aggregation == "token_mean" else 4
    batch = batch_of({"advantage": scaled("std")}, normalizer=normalizer)

    def loss(new):
        return sum(grpo(options).policy_loss(new * TARGETS, batch).values())

    assert loss(tensor(NEW)).item() == pytest.approx(by_hand(options))
    assert torch.autograd.gradcheck(loss, tensor(NEW).requires_grad_())


def test_the_divergence_is_zero_where_the_policies_agree_and_k2_and_k3_are_never_below():
    difference = torch.linspace(-2, 2, 9, dtype=torch.float64)
    for name in ("k1", "k2", "k3"):
        assert divergence(difference, name)[4] == 0
    assert all((divergence(difference, name) >= 0).all() for name in ("k2", "k3"))


def test_how_often_the_ratio_was_cut_is_left_for_the_log():
    batch = batch_of({"advantage": scaled("std")}, normalizer=4)
    grpo().policy_loss(tensor(NEW) * TARGETS, batch)
    # Row 0: exp(0.2) above 1.2. Row 1 (negative): exp(-0.5) below 0.8. Row 3 (negative): exp(-1) below 0.8.
    assert batch.notes["clipped"].item() == pytest.approx(3 / 13)


# --- credit --------------------------------------------------------------------------------------

STATUS = {"strict": Status.WRONG_ANSWER}
SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "2\n")])
PROBLEM = Problem("sums/train/0", "Add one.", load_suite=lambda: SUITE)
CODE = "a = 1\nb = a\n"


def rollout(number: int, ratio: float, line: int | None = None) -> Rollout:
    scope = Scope.IGNORE if line is None else Scope.LINE
    return Rollout(
        task_id=PROBLEM.task_id,
        group=0,
        sample_id=number,
        prompt_ids=(1,),
        token_ids=tuple(map(ord, CODE)),
        log_probs=(-1.0,) * len(CODE),
        text=CODE,
        code=CODE,
        outcome=Outcome(PROBLEM.task_id, number, STATUS, (TestOutcome(STATUS),)),
        feedback=Feedback(Category.FAILURE, "wrong_answer", scope, line, ratio),
        lines_before=0,
        truncated=False,
        temperature=1.0,
        step=0,
        offsets=tuple((i, i + 1) for i in range(len(CODE))),
    )


def test_the_reward_is_the_share_of_tests_where_no_terms_are_chosen():
    ratios = (1.0, 0.5, 0.0)
    group = Group(PROBLEM, [rollout(i, ratio) for i, ratio in enumerate(ratios)])
    found = [each["advantage"].value for each in grpo().credit(group)]
    deviation = statistics.stdev(ratios) + 1e-4
    assert found == pytest.approx([0.5 / deviation, 0, -0.5 / deviation])
    assert grpo().rewards(group) == [{"pass_rate": each} for each in ratios]


def test_terms_with_lines_take_no_part_in_the_groups_mean():
    group = Group(PROBLEM, [rollout(0, 1.0), rollout(1, 0.0, line=2)])
    made = grpo(GRPOOptions(scale="none"), terms={"pass_rate": 2.0, "fine": 0.5}).credit(group)
    assert [each["advantage"].value for each in made] == [1.0, -1.0]
    assert [each["fine"].value for each in made] == [0.0, pytest.approx(-0.15)]
    marked = "".join(c for c, weight in zip(CODE, made[1]["fine"].weights, strict=True) if weight)
    assert marked == "b = a"
    assert not any(made[0]["fine"].weights)


def test_programs_of_equal_reward_teach_nothing():
    group = Group(PROBLEM, [rollout(i, 0.3) for i in range(3)])
    assert all(map(is_zero, grpo().credit(group)))


# --- options -------------------------------------------------------------------------------------


def test_a_reference_is_kept_only_where_the_loss_holds_it():
    assert REFERENCE not in grpo().needs
    assert REFERENCE in grpo(GRPOOptions(beta=0.04)).needs


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"samples_per_problem": 1}, "samples_per_problem of at least 2"),
        ({"top_p": 0.95}, "top_p=1 .*they are 0.95, 0, 1"),
        ({"top_k": 50}, "top_k=0"),
        ({"temperatures": (0.6, 1.0)}, "temperatures=1 .*0.6,1"),
    ],
)
def test_what_the_ratio_would_be_wrong_for_is_refused(training, message):
    with pytest.raises(InputError, match=message):
        grpo(**training)


def test_options_are_set_by_name_and_held_to_their_bounds():
    from rltf.options.parse import make_config

    def config(*settings, method="grpo"):
        return make_config("mini", settings, method=method, output_dir="unused", max_steps=1, use_cpu=True)

    found = config("clip_high=0.28", "beta=0.04", "scale=none", 'terms={"passed": 1}')
    assert found.objective == replace(GRPOOptions(), clip_high=0.28, beta=0.04, scale="none")
    assert found.terms == {"passed": 1}
    assert found.identity()["objective"]["clip_high"] == 0.28
    for setting, message in (
        ("clip_low=2", "clip_low must be at least 0 and at most 1"),
        ("scale=some", "scale must be one of std, none"),
        ("baseline=greedy", "baseline is an option of --method rltf or coderl; leave it out"),
        ("clip_hihg=1", "did you mean clip_high"),
    ):
        with pytest.raises(InputError, match=message):
            config(setting)
    with pytest.raises(InputError, match="clip_high is an option of --method grpo; leave it out"):
        config("clip_high=0.28", method="rltf")
    assert (
        config("clip_high=0.28", method="sft").objective is None
    )  # a warm start has its training's settings
