"""What requests say and how refusals are understood; no server needed."""

import json

from cases import cases

from harness.models import Decoding
from harness.models.api.request import RequestSchema, derived_seed

SAMPLING = Decoding(temperature=0.6, top_p=0.95, max_new_tokens=9)
GREEDY = Decoding(temperature=0.6, top_p=0.95, top_k=7, greedy=True)


def test_every_choice_is_stated_so_that_no_default_of_a_server_comes_in():
    assert RequestSchema().fields(SAMPLING, ["\n\n"], 5) == {
        "max_tokens": 9,
        "temperature": 0.6,
        "top_p": 0.95,
        "seed": 5,
        "stop": ["\n\n"],
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "repeat_penalty": 1.0,  # llama.cpp's name; llama-cpp-python's server would penalise by 1.1
    }
    assert RequestSchema().fields(Decoding(top_k=40), [], 5)["top_k"] == 40


def test_greedy_is_temperature_0_and_no_cut():
    fields = RequestSchema().fields(GREEDY, [], 5)
    assert (fields["temperature"], fields["top_p"], fields["top_k"]) == (0.0, 1.0, -1)


def test_only_as_many_stop_strings_are_sent_as_every_server_takes():
    assert RequestSchema().fields(SAMPLING, list("abcdef"), 5)["stop"] == list("abcd")


def test_transformers_serve_gets_in_its_own_words_what_it_would_otherwise_refuse():
    refusal = "Unexpected fields in the request: {'min_p', 'top_k', 'repetition_penalty', 'repeat_penalty'}"
    dialect = RequestSchema().without_refused(refusal, SAMPLING)
    fields = dialect.fields(SAMPLING, [], 5)
    assert not {"top_k", "min_p", "repetition_penalty", "repeat_penalty"} & fields.keys()
    said = json.loads(fields["generation_config"])
    assert (said["do_sample"], said["temperature"], said["top_k"], said["top_p"]) == (True, 0.6, 0, 0.95)
    assert json.loads(dialect.fields(GREEDY, [], 5)["generation_config"])["do_sample"] is False


@cases(
    ("refusal", "left_out"),
    [
        ("Unrecognized request argument supplied: top_k", {"top_k"}),
        ("Unrecognized request arguments supplied: min_p, top_k", {"top_k", "min_p"}),
        ("[{'loc': ['body', 'seed'], 'msg': 'Extra inputs are not permitted'}]", {"seed"}),
        ("Unsupported parameter: 'stop' is not supported with this model.", {"stop"}),
    ],
)
def test_a_field_that_a_server_refuses_by_name_is_left_out(refusal, left_out):
    dialect = RequestSchema().without_refused(refusal, SAMPLING)
    assert dialect.describe()["left_out"] == sorted(left_out)
    assert not left_out & dialect.fields(SAMPLING, ["x"], 5).keys()


@cases(
    ("refusal", "decoding"),
    [
        ("Unrecognized request argument supplied: top_k", Decoding(top_k=5)),
        ("Unsupported value: 'temperature' does not support 0.6 with this model.", SAMPLING),
        ("top_p is not supported", SAMPLING),
        ("temperature is not supported", GREEDY),
    ],
)
def test_a_field_without_which_samples_would_be_others_is_not_left_out(refusal, decoding):
    assert RequestSchema().without_refused(refusal, decoding) is None


def test_a_field_left_out_once_is_sent_again_where_samples_depend_on_it():
    dialect = RequestSchema().without_refused("Unrecognized request argument supplied: top_k", GREEDY)
    assert "top_k" not in dialect.fields(GREEDY, [], 5)
    assert dialect.fields(Decoding(top_k=5), [], 5)["top_k"] == 5
    assert dialect.without_refused("Unrecognized request argument supplied: top_k", Decoding(top_k=5)) is None


def test_all_tokens_are_asked_for_by_0_where_a_server_takes_no_negative_top_k():
    refusal = (
        "{'type': 'greater_than_equal', 'loc': ('body', 'top_k'),"
        " 'msg': 'Input should be greater than or equal to 0', 'input': -1, 'ctx': {'ge': 0}}"
    )
    dialect = RequestSchema().without_negative(refusal, SAMPLING)
    assert dialect.fields(SAMPLING, [], 5)["top_k"] == 0
    assert dialect.fields(Decoding(top_k=5), [], 5)["top_k"] == 5
    assert dialect.without_negative(refusal, SAMPLING) is None  # asking the same again would never end
    assert RequestSchema().without_negative("top_k must be -1 (disable), or at least 1", SAMPLING) is None


@cases(
    "refusal",
    [
        "'max_tokens' or 'max_completion_tokens' is too large. This model's maximum context length is 256",
        "This model's maximum context length is 2048 tokens, your stop and top_k are fine",
        "The model 'x' does not exist",
    ],
)
def test_a_refusal_for_another_reason_changes_nothing(refusal):
    assert RequestSchema().without_refused(refusal, SAMPLING) is None


def test_the_newer_name_of_the_limit_is_used_where_a_server_insists():
    refusal = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    dialect = RequestSchema().without_refused(refusal, SAMPLING)
    fields = dialect.fields(SAMPLING, [], 5)
    assert fields["max_completion_tokens"] == 9
    assert "max_tokens" not in fields
    assert dialect.without_refused(refusal, SAMPLING) is None  # asking the same again would never end


def test_a_seed_follows_from_run_task_and_sample_and_fits_every_server():
    seeds = {derived_seed(*each) for each in [(0, "a/1", 0), (1, "a/1", 0), (0, "a/2", 0), (0, "a/1", 1)]}
    assert len(seeds) == 4
    assert derived_seed(0, "mbpp/11", 3) == 260453436
    assert all(0 <= seed < 2**31 for seed in seeds)
