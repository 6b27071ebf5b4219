"""What the measurement of learning says of its numbers. Does not cover: the trainings that it runs."""

from __future__ import annotations

import json

import pytest

from studies.learning_ablations import PAPER_SAYS, comparisons
from studies.learning_runs import interval, outside_the_model


def _scores(**given):
    names = {name for pairs in PAPER_SAYS.values() for pair in pairs for name in pair}
    return {name: given.get(name.replace("-", "_").replace(".", "_"), [30.0, 30.0, 30.0]) for name in names}


def test_a_difference_is_named_as_in_the_paper_only_if_its_interval_is_above_nought():
    clear, unclear = [40.0, 41.0, 42.0], [30.0, 31.0, 45.0]
    said = "\n".join(comparisons(_scores(online_all=clear)))
    assert "online-all over offline-all +11.0 [+8.5, +13.5], as in the paper" in said
    said = "\n".join(comparisons(_scores(online_all=unclear)))
    assert "online-all over offline-all +5.3 [-15.5, +26.2], not settled (same direction" in said


def test_a_difference_the_other_way_is_said_to_be_against_the_paper():
    said = "\n".join(comparisons(_scores(online_fine=[20.0, 21.0, 22.0])))
    assert "online-fine over online-coarse -9.0 [-11.5, -6.5], against the paper" in said
    assert said.count("\n- Table") == 3


def test_a_single_seed_settles_nothing():
    one = {name: [each[0]] for name, each in _scores(online_all=[50.0]).items()}
    assert "online-all over offline-all +20.0, not settled" in "\n".join(comparisons(one))
    assert interval([]) == "not measured"


def test_seconds_in_the_model_are_sampling_and_learning(tmp_path):
    rows = [
        {"seconds/sampling": 2.0, "seconds/learning": 5.0, "seconds/batching": 1.0, "seconds/grading": 1.0},
        {"seconds/sampling": 1.0, "seconds/learning": 1.0, "seconds/grading_beside": 4.0},
        {"train_runtime": 12.0},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert outside_the_model(tmp_path) == pytest.approx(0.25)
