"""Any names and values for `--set`: a configuration that Trainer takes, or one line. Nothing is trained."""

import string
import warnings
from dataclasses import fields

import pytest

pytest.importorskip("transformers")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import Trainer

from harness.errors import InputError
from rltf.config import RLTFConfig
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
    st.sampled_from(WORDS),
    st.integers(-5, 2**34).map(str),
    st.floats().map(repr),
    st.text(max_size=12),
)
SETTINGS = st.lists(
    st.tuples(st.one_of(st.sampled_from(NAMES), st.text(string.printable, max_size=8)), VALUES).map("=".join),
    min_size=1,
    max_size=3,
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


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([None, "paper", "released", "mini"]), SETTINGS)
def test_any_settings_are_a_configuration_or_one_line(tmp_path_factory, preset, given_settings):
    refused = attempt(tmp_path_factory.getbasetemp() / "fuzz", preset, given_settings)
    assert refused is None or refused.strip()


@pytest.mark.parametrize("name", NAMES)
def test_each_option_alone_is_a_configuration_or_one_line_with_its_name(tmp_path, name):
    for value in ("-1", "0.37", "maybe", "[]"):
        refused = attempt(tmp_path, None, [f"{name}={value}"])
        assert refused is None or name in refused
