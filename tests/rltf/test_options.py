"""Options by name, presets, and what is refused in one line."""

import pytest

pytest.importorskip("transformers")

from harness.errors import InputError
from rltf.options import make_config
from rltf.presets import EVALUATIONS, PRESETS, WARM_STARTS
from rltf.rewards import PAPER, RELEASED


def config(preset=None, *settings, **fixed):
    return make_config(
        preset, settings, **({"output_dir": "unused", "use_cpu": True, "max_steps": 9} | fixed)
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_configuration(preset):
    assert config(preset).rewards == PRESETS[preset]["rewards"]


def test_the_paper_and_the_released_code_differ_where_they_are_said_to():
    paper, released = config("paper"), config("released")
    differing = {name for name, value in paper.identity().items() if value != released.identity()[name]}
    assert differing == {
        "rewards", "profile", "temperatures", "top_k", "mixing", "sl_prompt_format", "buffer_rule",
    }  # fmt: skip
    assert (paper.rewards, released.rewards) == (PAPER, RELEASED)
    assert (paper.temperatures, released.temperatures) == ((1.0,), (0.6,))
    assert paper.buffer_size == paper.buffer_fill == released.buffer_size == 6400
    assert paper.refresh_every == released.refresh_every == 50
    assert paper.per_device_train_batch_size * paper.gradient_accumulation_steps == 32


def test_settings_go_over_the_preset_and_reach_every_kind_of_option():
    found = config(
        "paper",
        "learning_rate=1e-4",
        "baseline=greedy",
        "temperatures=[0.6,1.0]",
        "fine=false",
        "mixing=alternate",
    )
    assert found.learning_rate == 1e-4
    assert (found.rewards.baseline, found.rewards.fine) == ("greedy", False)
    assert found.temperatures == (0.6, 1.0)
    assert found.mixing == "alternate"


def test_as_many_programs_come_as_are_drawn_between_refreshes():
    # 50 steps of 8 micro-batches: 2 of 4 rows each, or every other micro-batch whole.
    assert config("paper").programs_per_refresh == 50 * 8 * 2
    assert config("released").programs_per_refresh == 50 * 4 * 4
    assert config("paper", "refresh_size=64").programs_per_refresh == 64


def test_the_presets_that_make_a_model_have_a_warm_start_and_an_evaluation():
    assert set(WARM_STARTS) == set(EVALUATIONS) == {"mini", "mini-quick"}


def test_the_configuration_is_plain_values_for_reports():
    assert '"baseline": "historical_best"' in config("paper").to_json_string()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["learning_rat=1"], "did you mean learning_rate"),
        (["zzz=1"], "unknown option 'zzz'"),
        (["learning_rate"], "write name=value"),
        (["baseline=best"], "historical_best"),
        (["fine=maybe"], "write fine=true or fine=false"),
        (["mixing=sometimes"], "together, alternate"),
        (["method=ppo"], "rltf, sft"),
        (["buffer_fill=9000"], "between 1 and buffer_size"),
        (["temperatures=[]"], "positive"),
        (["temperatures=[0]"], "positive"),
        (["samples_per_problem=0"], "at least 1"),
        (["per_device_train_batch_size=1"], "cannot hold both kinds"),
        (["max_steps=0"], "--steps"),
        (["lr_scheduler_type=loop"], "do not go together"),
    ],
)
def test_bad_options_are_refused_in_a_line(settings, message):
    with pytest.raises(InputError, match=message):
        make_config(
            "paper",
            settings,
            output_dir="unused",
            use_cpu=True,
            **({} if "max_steps=0" in settings else {"max_steps": 9}),
        )


def test_an_unknown_preset_is_refused_with_those_that_exist():
    with pytest.raises(InputError, match="available: paper, released, mini, mini-quick"):
        config("papper")
