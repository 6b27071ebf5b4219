"""Any names and values for `--set`: a configuration that Trainer takes, or one line. Nothing is trained."""

import string
import warnings
from dataclasses import fields

import pytest
from cases import cases

pytest.importorskip("transformers")

from fuzzing import REFUSED, RESULT, bounded, ended
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import Trainer

from harness.errors import InputError
from rltf.config import RLTFConfig
from rltf.objectives import OBJECTIVES, find_objective
from rltf.options.parse import make_config
from rltf.rewards.rltf import RewardConfig

# These ask the network or an installed compiler, whose answers are not ours.
OUTSIDE = {"push_to_hub", "hub_token", "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"}
NAMES = sorted({each.name for each in (*fields(RLTFConfig), *fields(RewardConfig))} - OUTSIDE)
WORDS = (
    "true", "False", "yes", "off", "none", "null", "", " ", "0", "1", "2", "-1", "7", "0.5", "1.5", "-0.1",
    "1e-5", "1e999", "nan", "-inf", "2147483648", "9" * 40, "1_0", "[]", "[1]", "[0.6,1.0]", "[[1]]", '["a"]',
    "{}", '{"a": 1}', '"x"', '"', "{", "[" * 5000, "steps", "no", "all", "cuda:99", "cpu", "adamw_torch",
    "sgd", "adafactor", "cosine", "linear", "polynomial", "warmup_log", "released", "paper", "greedy",
    "group_mean", "apps", "float16", "sft", "alternate", "process", "/no/such", "full_shard", "a=b",
    "é\x1b[2J", "\0", "training",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(("true", "false", "0", "1", "2", "4", "0.5", "1e-5", "none")),
    st.sampled_from(WORDS),
    st.integers(-5, 2**34).map(str),
    st.floats().map(repr),
    st.text(max_size=12),
)
SETTINGS = st.lists(
    st.tuples(st.one_of(st.sampled_from(NAMES), st.text(string.printable, max_size=8)), VALUES).map("=".join),
    min_size=1,
    max_size=2,
)


def attempt(folder, preset, given_settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            config = make_config(preset, given_settings, output_dir=str(folder), max_steps=9, use_cpu=True)
        except InputError as error:
            return str(error)
        if config.fsdp:
            return None  # Trainer takes it in several processes only; the command says so
        Trainer(model=nn.Linear(1, 1), args=config).create_optimizer_and_scheduler(config.max_steps)
    return None


@pytest.mark.slow
@bounded(150)
@given(st.sampled_from([None, "paper", "released", "mini"]), SETTINGS)
def test_any_settings_are_a_configuration_or_one_line(tmp_path_factory, preset, given_settings):
    refused = attempt(tmp_path_factory.getbasetemp() / "fuzz", preset, given_settings)
    ended("--set options", RESULT if refused is None else REFUSED)
    assert refused is None or refused.strip()


@pytest.mark.slow
@cases("name", NAMES)
def test_each_option_alone_is_a_configuration_or_one_line_with_its_name(tmp_path, name):
    for value in ("-1", "0.37", "maybe", "[]"):
        refused = attempt(tmp_path, None, [f"{name}={value}"])
        assert refused is None or name in refused


METHODS = [name for name in OBJECTIVES if find_objective(name).options_field == "objective"]


@pytest.mark.slow
@cases(("method", "name"), [(m, each.name) for m in METHODS for each in fields(find_objective(m).Options)])
def test_each_option_of_a_method_is_a_configuration_or_one_line_with_its_name(tmp_path, method, name):
    for value in ("-1", "0.37", "maybe", "[]"):
        refused = attempt(tmp_path, None, [f"method={method}", "top_p=1", f"{name}={value}"])
        assert refused is None or name in refused


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (["terms=1"], "terms must be a JSON object"),
        (['terms={"nonesuch": 1}'], "unknown reward term 'nonesuch'"),
        (['terms={"passed": "much"}'], "the weight of passed must be a number"),
        (['terms={"fine": 1}', "fine.penalty=high"], r"fine\.penalty must be a number, got 'high'"),
        (
            ['terms={"fine": 1}', "fine.penaltie=-1"],
            r"unknown option fine\.penaltie; the options of",
        ),
        (["fine.penalty=-1"], "fine has options but no weight"),
        (["nonesuch.penalty=-1"], "unknown reward term 'nonesuch'"),
    ],
)
def test_terms_that_do_not_exist_are_refused_in_a_line(tmp_path, terms, message):
    with pytest.raises(InputError, match=message):
        make_config("mini", ["method=grpo", *terms], output_dir=str(tmp_path), max_steps=1, use_cpu=True)


def test_terms_and_their_options_are_part_of_what_a_resumed_run_must_have(tmp_path):
    def identity(*settings):
        options = {"output_dir": str(tmp_path), "max_steps": 1, "use_cpu": True}
        return make_config("mini", settings, **options).identity()

    plain = identity()
    assert not {"terms", "term_options", "objective"} & plain.keys()  # as before there were any
    chosen = identity('terms={"passed": 0.5, "lint": 1}', "lint.unused=true")
    assert chosen["terms"] == {"passed": 0.5, "lint": 1}
    assert chosen["term_options"] == {"lint": {"unused": True}}
