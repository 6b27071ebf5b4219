"""What the comparison of methods runs and says of its numbers. Does not cover: the trainings themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studies import methods_runs
from studies.methods import choice
from studies.methods_report import has_collapsed, paired, raised, verdicts
from studies.methods_runs import Run
from studies.methods_settings import A_REFRESH, BUDGET, METHODS, STEPS, TUNING_SEEDS, options_of


def _value(options, name):
    found = [each.partition("=")[2] for each in options if each.startswith(f"{name}=")]
    return found[-1]


def test_differences_are_of_the_seeds_that_both_have():
    assert paired({1: 40.0, 2: 30.0, 3: 20.0}, {3: 25.0, 1: 30.0}) == [10.0, -5.0]


def test_a_method_is_above_or_below_only_if_its_interval_leaves_out_nought():
    said = verdicts({"a": [5.0, 6.0, 7.0], "b": [-5.0, -6.0, -7.0], "c": [-9.0, 1.0, 9.0], "d": [50.0]})
    assert said == "yes: a; no, below: b; not settled: c, d"


def test_the_setting_with_the_best_mean_is_taken_not_that_with_the_best_run():
    assert choice({"steady": [20.0, 21.0], "lucky": [35.0, 1.0]}) == "steady"


def test_a_run_has_collapsed_where_it_lost_half_of_its_start():
    assert has_collapsed(30.0, 15.0)
    assert not has_collapsed(30.0, 15.5)


def test_alarms_are_read_with_their_steps_from_the_log():
    rows = [
        {"step": 1, "loss": 0.1},
        {"step": 2, "alarm/duplicates": 1.0},
        {"step": 4, "alarm/duplicates": 1},
    ]
    assert raised(rows) == {"duplicates": [2, 4]}


def test_greedy_programs_of_coderl_count_in_its_budget(tmp_path):
    drawn = int(_value(options_of("coderl", "offline, rate 1e-3", STEPS), "buffer_fill")) // 8
    for method, graded in (("coderl", 9 * drawn), ("grpo", 8 * drawn)):
        checkpoint = tmp_path / method / "checkpoint-2"
        checkpoint.mkdir(parents=True)
        (tmp_path / method / "training.json").write_text(json.dumps({"options": {"method": method}}))
        state = {"source": {"prompts_drawn": drawn}}
        (checkpoint / "rltf_state_0.json").write_text(json.dumps(state))
        assert Run(tmp_path / method, 1).graded() == graded
    assert BUDGET - 9 < 9 * drawn <= BUDGET


@pytest.mark.parametrize("method", [each for each in METHODS if each != "dapo"])
def test_no_setting_of_a_method_has_more_programs_than_the_budget(method):
    for setting in METHODS[method].settings:
        options = options_of(method, setting, STEPS)
        fill = [each for each in options if each.startswith("buffer_fill=")]
        one = int(_value(options, "buffer_fill")) if fill else A_REFRESH
        every = _value(options, "refresh_every")
        refreshes = 1 if every == "none" else STEPS // int(every)
        greedy = one // 8 if method == "coderl" else 0
        assert refreshes * (one + greedy) <= BUDGET


def test_methods_are_tuned_on_seeds_that_they_are_not_compared_on():
    compared = range(1, 1 + max(each.seeds for each in METHODS.values()))
    assert not set(TUNING_SEEDS) & set(compared)


@pytest.fixture
def commands(monkeypatch):
    """What would have been run, each with the result of a training that ends well."""
    asked = []

    def pretend(command, log):
        asked.append(command)
        out = Path(command[command.index("--out") + 1])
        out.mkdir(exist_ok=True)
        (out / "comparison.json").write_text("{}")
        return 2.0

    monkeypatch.setattr(methods_runs, "_forked", pretend)
    return asked


def test_what_was_killed_goes_on_and_what_is_done_is_left_alone(tmp_path, commands):
    run = Run(tmp_path / "methods-grpo-1", 1)
    run.out.mkdir()
    (run.out / "training.json").write_text("{}")
    (run.out / methods_runs.COST).write_text("[5.0]")
    methods_runs.train(run, ["--method", "grpo"])
    methods_runs.train(run, ["--method", "grpo"])
    assert [command[-1] for command in commands] == ["--resume"]
    assert run.cpu_seconds() == 7.0


def test_the_start_is_evaluated_by_the_first_run_of_a_seed_alone(tmp_path, commands):
    first, second = (Run(tmp_path / name, 1) for name in ("methods-rltf-1", "methods-grpo-1"))
    methods_runs.train(first, [], before=[first.out, second.out])
    assert not (first.out / "eval").exists()
    (first.out / "eval" / "before").mkdir(parents=True)
    (first.out / "eval" / "before" / "metrics.json").write_text("those of the start")
    methods_runs.train(second, [], before=[first.out, second.out])
    assert (second.out / "eval" / "before" / "metrics.json").read_text() == "those of the start"
    assert "--resume" not in commands[1]
