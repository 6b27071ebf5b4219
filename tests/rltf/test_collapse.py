"""Alarms: what raises one, and that each is a warning once and in the log each time."""

import warnings

import pytest
from cases import cases

from rltf.monitoring.collapse import CollapseAlarms, alarms

HEALTHY = {
    "sampled/syntax_error": 0.07, "sampled/unique": 0.9, "critic/accuracy": 0.8,
    "hacks/only_visible": 0.02, "hacks/exits_early": 0.3, "hacks/unsolvable_passed": 0.0,
}  # fmt: skip


@cases(
    ("changed", "raised"),
    [
        ({}, set()),
        ({"sampled/syntax_error": 0.31}, set()),
        ({"sampled/syntax_error": 0.54}, {"syntax_errors"}),
        ({"sampled/unique": 0.46}, set()),
        ({"sampled/unique": 0.4}, {"duplicates"}),
        ({"critic/accuracy": 0.5}, set()),
        ({"critic/accuracy": 0.38}, {"critic"}),
        ({"hacks/only_visible": 0.11}, set()),
        ({"hacks/only_visible": 0.13}, {"only_visible"}),
        ({"hacks/exits_early": 0.5}, set()),
        ({"hacks/exits_early": 0.6}, {"exits_early"}),
        ({"hacks/catches_all": 0.3}, {"catches_all"}),
        ({"hacks/unsolvable_passed": 1.0}, {"unsolvable"}),
        ({"sampled/syntax_error": 0.9, "sampled/unique": 0.1}, {"syntax_errors", "duplicates"}),
    ],
)
def test_an_alarm_is_raised_by_what_has_gone_wrong_since_the_beginning(changed, raised):
    assert alarms(HEALTHY, HEALTHY | changed).keys() == raised


def test_a_start_that_is_bad_is_no_collapse_and_a_critic_that_is_missing_is_not_wrong():
    bad = {"sampled/syntax_error": 0.95, "sampled/unique": 0.05}
    assert not alarms(bad, bad)
    assert not alarms({}, {})


def test_each_alarm_is_a_warning_once_and_in_the_log_each_time():
    watched = CollapseAlarms()
    assert watched.saw(HEALTHY, 0) == {}
    collapsed = HEALTHY | {"sampled/syntax_error": 0.54}
    with pytest.warns(
        UserWarning, match="after step 50 54 % of the new programs do not compile, 7 % at first"
    ):
        assert watched.saw(collapsed, 50) == {"alarm/syntax_errors": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert watched.saw(collapsed, 100) == {"alarm/syntax_errors": 1.0}


def test_a_critic_that_guesses_is_told_with_what_a_constant_guess_would_reach():
    with pytest.warns(UserWarning, match=r"right about 38 % .* commonest class: 60 %"):
        CollapseAlarms().saw({"critic/accuracy": 0.38, "critic/constant_guess": 0.6}, 2)
