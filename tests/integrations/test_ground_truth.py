"""Ground truths of trainers as tests: each form, and what is none."""

import base64
import json
import warnings
import zlib

import numpy as np
import pytest
from cases import cases

from harness import load_benchmark
from harness.errors import InputError
from harness.integrations.ground_truth import problem_of, read_tests
from harness.integrations.verl import compute_score
from harness.types import AssertTest, CallTest, StdinTest, TestKind

STDIN = [StdinTest("1", "2"), StdinTest("3", "4")]
CALLS = [CallTest([1, "2"], "3"), CallTest([4, [5]], {"a": 1})]


@cases(
    "value",
    [
        {"inputs": ["1", "3"], "outputs": ["2", "4"]},
        {"input": ["1", "3"], "output": ["2", "4"]},
        [{"input": "1", "output": "2"}, {"input": "3", "output": "4"}],
        {"test_cases": {"type": "stdin_stdout", "fn_name": None, "input": ["1", "3"], "output": ["2", "4"]}},
        {"kind": "stdin", "tests": [{"input": "1", "output": "2"}, {"input": "3", "output": "4"}]},
    ],
)
def test_tests_on_standard_input_are_read(value):
    assert read_tests(value).tests() == STDIN


def test_arrays_are_read_as_lists():
    """As pandas reads nested columns of Parquet."""
    array = np.array
    pairs = {"inputs": array(["1", "3"], dtype=object), "outputs": array(["2", "4"], dtype=object)}
    assert problem_of(pairs, {}).suite.tests() == STDIN
    calls = np.empty(2, dtype=object)
    calls[:] = [array([1, 2]), array([3, 4])]
    called = problem_of({"inputs": calls, "outputs": array([3, 7]), "fn_name": "add"}, {}).suite
    assert called.tests() == [CallTest([1, 2], 3), CallTest([3, 4], 7)]
    asserts = problem_of(array(["assert f(1) == 2"], dtype=object), {}).suite
    assert asserts.tests() == [AssertTest("assert f(1) == 2")]


@pytest.mark.parametrize(
    "text", [json.dumps, lambda each: base64.b64encode(zlib.compress(json.dumps(each).encode())).decode()]
)
def test_tests_in_text_are_read(text):
    assert read_tests(text({"inputs": ["1", "3"], "outputs": ["2", "4"]})).tests() == STDIN


@cases(
    "value",
    [
        {"inputs": [[1, "2"], [4, [5]]], "outputs": ["3", {"a": 1}], "fn_name": "f"},
        {"inputs": ['1\n"2"', "4\n[5]"], "outputs": ['"3"', '{"a": 1}'], "fn_name": "f"},
        {
            "kind": "call",
            "entry_point": "f",
            "tests": [{"args": t.args, "expected": t.expected} for t in CALLS],
        },
    ],
)
def test_tests_that_call_are_read(value):
    suite = read_tests(value)
    assert (suite.kind, suite.entry_point) == (TestKind.CALL, "f")
    assert [(list(test.args), test.expected) for test in suite.tests()] == [
        (list(test.args), test.expected) for test in CALLS
    ]


def test_asserts_are_read():
    for value in (
        ["assert f(1) == 2"],
        {"inputs": [""], "outputs": [None], "assert_case": ["assert f(1) == 2"]},
    ):
        assert read_tests(value).tests() == [AssertTest("assert f(1) == 2")]


def test_a_task_id_names_a_problem():
    problems = load_benchmark("mini", ids=["0"]).by_id()
    (task_id,) = problems
    assert problem_of(task_id, problems) is problems[task_id]
    assert problem_of({"task_id": task_id}, problems) is problems[task_id]
    with pytest.raises(InputError, match="no problem 'x'"):
        problem_of({"task_id": "x"}, problems)


@cases(
    "value",
    [
        None,
        5,
        "text",
        "eJwDAAAAAAE=",
        {},
        {"a": 1},
        [5],
        {"inputs": ["1"], "outputs": []},
        {"kind": "x", "tests": []},
    ],
)
def test_what_is_no_ground_truth_is_refused_in_a_line(value):
    with pytest.raises(InputError) as refusal:
        read_tests(value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("task_id", ["mini/test/99999", "8", "mbpp/11"])
def test_a_name_of_no_problem_is_said_to_be_one_and_not_taken_for_tests(task_id):
    with pytest.raises(InputError, match=f"no problem '{task_id}': no benchmark is named"):
        problem_of(task_id, {})
    with pytest.raises(InputError, match=f"no problem '{task_id}': those here are like 'mini/test/0'"):
        problem_of(task_id, load_benchmark("mini", ids=["0"]).by_id())


def test_a_benchmark_that_is_not_there_ends_the_run_and_is_no_failure_of_the_grader():
    with pytest.raises(InputError, match="minni"):
        compute_score("mine", "print(1)", '["assert f(1) == 2"]', benchmark="minni")


@pytest.mark.parametrize(
    ("extra", "row"),
    [({"split": "train", "index": 17}, "mine train 17"), (None, "mine, ground truth 'broken'")],
)
def test_a_row_of_verl_without_a_reward_is_named_in_the_warning(extra, row):
    with pytest.warns(RuntimeWarning, match=f"infra_error 1 for {row}: "):
        compute_score("mine", "print(1)", "broken", extra)


def test_an_option_that_does_not_exist_is_named_and_what_verl_passes_is_not():
    given = ("mine", "def f(x):\n    return 2", '["assert f(1) == 2"]')
    with pytest.warns(RuntimeWarning, match="knows no rewards:"):
        assert compute_score(*given, rewards="pass_ratio")["score"] == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compute_score(*given, reward_router_address=None, reward_model_tokenizer=None)
