"""Shares and means of programs, as the log has them."""

import pytest

pytest.importorskip("torch")

from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rollout.statistics import program_statistics

PASSED = Feedback(Category.PASSED, "passed", Scope.IGNORE, None, 1.0)
CUT = Feedback(Category.SYNTAX_ERROR, "truncated", Scope.GLOBAL, None, 0.0)
NAME = Feedback(Category.ERROR, "name_error", Scope.LINE, 2, 0.0)


def test_shares_are_of_all_programs_and_what_was_not_seen_is_nought():
    found = program_statistics("sampled", [(each, {}) for each in (PASSED, CUT, NAME, NAME)])
    assert {name: found[f"sampled/{name}"] for name in Category} == {
        "passed": 0.25,
        "failure": 0,
        "error": 0.5,
        "syntax_error": 0.25,
    }
    assert {name: found[f"sampled/scope/{name}"] for name in Scope} == {
        "global": 0.25,
        "line": 0.5,
        "ignore": 0.25,
    }
    assert found["sampled/subtype/error.name_error"] == 0.5
    assert found["sampled/pass_ratio"] == 0.25
    assert program_statistics("drawn", [(NAME, {})])["drawn/scope/global"] == 0


def test_rewards_are_means_and_no_programs_have_no_statistics():
    rewards = [{"coarse": 1.0, "fine": 0.0, "adaptive": -1.0}, {"coarse": 0.0, "fine": -0.5}]
    found = program_statistics("sampled", [(PASSED, rewards[0]), (NAME, rewards[1])])
    assert [found[f"sampled/reward_{kind}"] for kind in ("coarse", "fine", "adaptive")] == [0.5, -0.25, -0.5]
    assert program_statistics("sampled", []) == {}
