"""Rewards against numbers worked out by hand from the paper's equations 3 to 5 and 8 to 10."""

import dataclasses

import pytest
from cases import cases

from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rewards.rltf import (
    PAPER,
    RELEASED,
    Reward,
    RewardConfig,
    best,
    group_mean,
    raw_rewards,
    rewards,
)

PASSED = Feedback(Category.PASSED, "passed", Scope.IGNORE, None, 1.0)
HALF = Feedback(Category.FAILURE, "wrong_answer", Scope.IGNORE, None, 0.5)
NONE = Feedback(Category.FAILURE, "wrong_answer", Scope.IGNORE, None, 0.0)
ERROR = Feedback(Category.ERROR, "index_error", Scope.LINE, 3, 0.2)
ENDLESS = Feedback(Category.ERROR, "timed_out", Scope.GLOBAL, None, 0.2)
SYNTAX = Feedback(Category.SYNTAX_ERROR, "unindent", Scope.IGNORE, None, 0.0)
TRUNCATED = Feedback(Category.SYNTAX_ERROR, "truncated", Scope.GLOBAL, None, 0.0)


def numbers(reward: Reward) -> list[float]:
    return list(dataclasses.astuple(reward))


def option(**changes) -> RewardConfig:
    return dataclasses.replace(PAPER, **changes)


@cases(
    ("program", "expected"),
    [
        (PASSED, [1.0, 0.0, -0.3 + 1.3]),
        (HALF, [-0.3, 0.0, -0.3 + 1.3 * 0.5]),
        (NONE, [-0.3, 0.0, -0.3]),
        (ERROR, [-0.6, -0.3, -0.3 + 1.3 * 0.2]),
        (ENDLESS, [-0.6, -0.3, -0.3 + 1.3 * 0.2]),
        (SYNTAX, [-1.0, 0.0, -0.3]),
        (TRUNCATED, [-1.0, -0.3, -0.3]),
    ],
)
def test_the_papers_rewards_of_each_kind_of_program(program, expected):
    assert numbers(rewards(program)) == pytest.approx(expected)


@cases(
    ("program", "baseline", "expected"),
    [
        (PASSED, HALF, [1.0 + 0.3, 0.0, 1.0 - 0.35]),
        (HALF, PASSED, [-0.3 - 1.0, 0.0, 0.35 - 1.0]),
        (ERROR, HALF, [-0.6 + 0.3, -0.3, -0.04 - 0.35]),
        (SYNTAX, ERROR, [-1.0 + 0.6, 0.0, -0.3 + 0.04]),
        (HALF, HALF, [0.0, 0.0, 0.0]),
    ],
)
def test_the_papers_baseline_is_taken_from_coarse_and_adaptive_but_not_from_fine(program, baseline, expected):
    assert numbers(rewards(program, PAPER, baseline=baseline)) == pytest.approx(expected)


@cases(
    ("program", "baseline", "expected"),
    [
        (PASSED, None, [1.0, 0.0, 0.0]),
        (HALF, None, [-0.3 + 1.3 * 0.5, 0.0, 0.0]),
        (ERROR, None, [-0.6, -0.3, 0.0]),
        (SYNTAX, None, [-1.0, 0.0, 0.0]),
        (HALF, PASSED, [0.35 - 1.0, 0.0, 0.0]),
        (HALF, NONE, [0.35 + 0.3, 0.0, 0.0]),
        (PASSED, HALF, [1.0 - 0.35, 0.0, 0.0]),
        (ERROR, HALF, [-0.6 - 0.35, -0.3, 0.0]),
    ],
)
def test_the_released_code_puts_the_adaptive_reward_in_the_place_of_the_coarse_one(
    program, baseline, expected
):
    assert numbers(rewards(program, RELEASED, baseline=baseline)) == pytest.approx(expected)


@cases(
    ("switch", "expected"),
    [
        ({"coarse": False}, [0.0, -0.3, -0.04 - 0.35]),
        ({"fine": False}, [-0.3, 0.0, -0.04 - 0.35]),
        ({"adaptive": False}, [-0.3, -0.3, 0.0]),
        ({"coarse": False, "fine": False, "adaptive": False}, [0.0, 0.0, 0.0]),
    ],
)
def test_each_term_can_be_switched_off(switch, expected):
    assert numbers(rewards(ERROR, option(**switch), baseline=HALF)) == pytest.approx(expected)


def test_without_the_adaptive_reward_nothing_replaces_the_coarse_one():
    config = dataclasses.replace(RELEASED, adaptive=False)
    assert numbers(rewards(HALF, config, baseline=NONE)) == [0.0, 0.0, 0.0]


def test_adaptive_replacing_coarse_for_all_programs():
    config = option(adaptive_mode="replace")
    assert numbers(rewards(ERROR, config, baseline=PASSED)) == pytest.approx([-0.04 - 1.0, -0.3, 0.0])


@cases(
    ("program", "expected"),
    [
        (HALF, [-0.3 - 1.0, 0.0, 0.35 - 1.0]),
        (ERROR, [-0.6 - 1.0, -0.3, 0.0]),
        (PASSED, [0.0, 0.0, 0.0]),
    ],
)
def test_an_adaptive_term_for_failures_only_still_compares_them_with_any_baseline(program, expected):
    config = option(adaptive_for="failure")
    assert numbers(rewards(program, config, baseline=PASSED)) == pytest.approx(expected)


def test_fine_with_a_baseline():
    config = option(fine_baseline=True)
    assert rewards(ERROR, config, baseline=HALF).fine == pytest.approx(-0.3)
    assert rewards(ERROR, config, baseline=ENDLESS).fine == pytest.approx(0.0)
    # Blamed for nothing, so there is no span for a reward to go to.
    assert rewards(HALF, config, baseline=ENDLESS).fine == 0.0


def test_no_baseline_subtracts_nothing_even_if_one_is_given():
    assert rewards(HALF, option(baseline="none"), baseline=PASSED) == raw_rewards(HALF)


@cases("kind", ["historical_best", "greedy", "group_mean"])
def test_before_there_is_a_baseline_nothing_is_subtracted(kind):
    assert rewards(HALF, option(baseline=kind), baseline=None) == raw_rewards(HALF)


def test_the_groups_mean_is_taken_term_by_term():
    config = option(baseline="group_mean")
    mean = group_mean([raw_rewards(each, config, as_baseline=True) for each in (PASSED, HALF, ERROR)])
    assert numbers(mean) == pytest.approx([0.1 / 3, -0.1, (1.0 + 0.35 - 0.04) / 3])
    got = rewards(PASSED, config, baseline=mean)
    assert numbers(got) == pytest.approx([1.0 - 0.1 / 3, 0.0, 1.0 - 1.31 / 3])


def test_rewards_less_the_groups_mean_add_up_to_nothing():
    config = option(baseline="group_mean")
    group = [PASSED, HALF, HALF, ERROR, SYNTAX]
    mean = group_mean([raw_rewards(each, config, as_baseline=True) for each in group])
    less = [rewards(each, config, baseline=mean) for each in group]
    assert sum(each.coarse for each in less) == pytest.approx(0.0)
    assert sum(each.adaptive for each in less) == pytest.approx(0.0)


def test_the_mean_of_an_empty_group_is_refused():
    with pytest.raises(ValueError, match="no rewards"):
        group_mean([])


def test_values_can_be_changed():
    config = RewardConfig(
        passed=2.0,
        failure=-1.0,
        error=-2.0,
        syntax_error=-3.0,
        fine_penalty=-0.4,
        adaptive_floor=0.0,
        adaptive_range=1.0,
    )
    assert [raw_rewards(each, config).coarse for each in (PASSED, HALF, ERROR, SYNTAX)] == [2, -1, -2, -3]
    assert raw_rewards(ERROR, config).fine == -0.4
    assert raw_rewards(HALF, config).adaptive == 0.5


def test_the_best_program_is_by_category_and_then_by_tests_passed():
    assert best([SYNTAX, ERROR, NONE, HALF]) is HALF
    assert best([HALF, PASSED, ERROR]) is PASSED
    assert best([]) is None
    twin = dataclasses.replace(HALF, subtype="twin")
    assert best((HALF, twin)) is HALF


def test_the_presets_differ_in_what_the_paper_and_the_code_differ_in():
    assert RewardConfig() == PAPER
    differences = {
        field.name: (getattr(PAPER, field.name), getattr(RELEASED, field.name))
        for field in dataclasses.fields(RewardConfig)
        if getattr(PAPER, field.name) != getattr(RELEASED, field.name)
    }
    assert differences == {
        "adaptive_mode": ("separate", "replace"),
        "adaptive_for": ("all", "failure"),
        "fine_alpha": ("length_ratio", "one"),
        "baseline": ("historical_best", "greedy"),
        "reduction": ("sum", "mean"),
        "feedback": ("paper", "released"),
    }


@cases("name", ["adaptive_mode", "adaptive_for", "fine_alpha", "baseline", "reduction", "feedback"])
def test_a_misspelt_option_is_refused_with_the_choices(name):
    with pytest.raises(ValueError, match=f"{name} is 'typo'; choose one of: .*{getattr(PAPER, name)}"):
        option(**{name: "typo"})
