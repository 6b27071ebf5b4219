"""The other protocols: ScaleBox, open-instruct, slime, OpenRLHF, our own; each verdict by a real runner."""

import base64
import json
import zlib

import pytest

STDIN = {"type": "stdin_stdout", "fn_name": None, "input": ["1", "2"], "output": ["2", "3"]}
CALL = {"type": "function_call", "fn_name": "f", "input": [[1], [2]], "output": [2, 3]}
ASSERT = {"type": "assert", "fn_name": None, "input": ["assert f(1) == 2", "assert f(2) == 3"], "output": []}
RIGHT = "def f(x):\n    return x + 1\n\nif __name__ == '__main__':\n    print(f(int(input())))"
HALF = RIGHT.replace("x + 1", "2")
FIRST = {"kind": "asserts", "tests": ["assert f(1) == 2", "assert f(2) == 3"]}


def scalebox(client, program, tests, route="/common_evaluate_batch", **extra):
    config = {"language": "python", "provided_data": {"test_cases": tests}, "extra": extra}
    body = {"completion": f"```python\n{program}\n```", "config": config}
    return client.post(route, json=body)


@pytest.mark.parametrize("tests", [STDIN, CALL, ASSERT], ids=["stdin", "call", "assert"])
@pytest.mark.parametrize(("program", "passed"), [(RIGHT, [True, True]), (HALF, [True, False])])
def test_scalebox_grades_each_kind_of_test(client, tests, program, passed):
    answer = scalebox(client, program, tests).json()
    assert [test["passed"] for test in answer["tests"]] == passed
    assert answer["accepted"] is all(passed)


def test_scalebox_takes_tests_one_by_one_too(client):
    rows = [{"type": "stdin_stdout", "input": i, "output": o} for i, o in (("1", "2"), ("2", "3"))]
    assert scalebox(client, RIGHT, rows, "/common_evaluate").json()["accepted"] is True


def test_scalebox_stops_at_the_first_failure_where_that_is_asked_for(client):
    tests = STDIN | {"output": ["0", "3"]}
    statuses = [test["test_info"]["status"] for test in scalebox(client, RIGHT, tests).json()["tests"]]
    assert statuses == ["wrong_answer", "passed"]
    answer = scalebox(client, RIGHT, tests, run_all_cases=False).json()
    assert [test["test_info"]["status"] for test in answer["tests"]] == ["wrong_answer", "not_run"]


@pytest.mark.parametrize("tests", [None, [], {}, {"input": ["1"]}, {"input": [], "output": []}, "x", 5, [5]])
def test_tests_that_are_none_are_refused(client, tests):
    answer = scalebox(client, RIGHT, tests)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "source",
    ["assert f(" + "(" * 5000 + "1" + ")" * 5000 + ") == 2", "assert f(1) == " + "-" * 100_000 + "1"],
)
def test_tests_that_no_parser_survives_end_no_grader_worker(client, source):
    assert scalebox(client, RIGHT, ASSERT | {"input": [source]}).status_code in (200, 400)
    assert scalebox(client, RIGHT, STDIN).json()["accepted"] is True
    assert "\nrltf_grader_failures_total 0.0\n" in client.get("/metrics").text


def packed(rows):
    return base64.b64encode(zlib.compress(json.dumps(rows).encode())).decode()


ASSERTS = ["assert f(1) == 2", "assert f(2) == 3"]
PAIRS = [{"input": "1", "output": "2"}, {"input": "2", "output": "3"}]


@pytest.mark.parametrize("form", [list, json.dumps, packed])
@pytest.mark.parametrize("call", [("/test_program", ASSERTS), ("/test_program_stdio", PAIRS)])
@pytest.mark.parametrize(("program", "results"), [(RIGHT, [1, 1]), (HALF, [1, 0]), ("1 / 0", [0, 0])])
def test_open_instruct_gets_a_number_for_each_test(client, form, call, program, results):
    route, tests = call
    body = {"program": program, "tests": form(tests), "max_execution_time": 1.0}
    answer = client.post(route, json=body).json()
    assert answer["results"] == results
    assert [seconds >= 0 for seconds in answer["runtimes"]] == [bool(result) for result in results]


@pytest.mark.parametrize(("program", "reward"), [(RIGHT, 1.0), (HALF, 0.0)])
def test_slime_gets_a_number_for_a_response(client, program, reward):
    label = json.dumps({"inputs": ["1", "2"], "outputs": ["2", "3"]})
    body = {"prompt": "p", "response": f"<think>hm</think>```python\n{program}\n```", "label": label}
    assert client.post("/rm", json=body).json() == reward


def test_openrlhf_gets_a_number_for_each_query(client):
    label = {"inputs": [[1], [2]], "outputs": [2, 3], "fn_name": "f"}
    prompt = "Write f.\n```python\nold\n```\n"
    queries = [f"{prompt}```python\n{program}\n```" for program in (RIGHT, HALF)]
    body = {"query": queries, "prompts": [prompt] * 2, "labels": [label] * 2}
    answer = client.post("/get_reward", json=body).json()
    assert answer == {"rewards": [1.0, 0.0], "scores": [1.0, 0.0], "extra_logs": {"passed": [1.0, 0.0]}}
    assert client.post("/get_reward", json=body | {"labels": [label]}).status_code == 400


def test_the_native_call_grades_many_programs_with_rows_as_in_a_run_folder(client):
    from harness.run_store.records import outcome_from_row

    body = {"programs": [RIGHT, {"code": HALF, "sample_id": "half"}], "tests": FIRST}
    rows = client.post("/v1/grade", json=body).json()["outcomes"]
    outcomes = [outcome_from_row(row) for row in rows]
    assert [outcome.sample_id for outcome in outcomes] == [0, "half"]
    assert [outcome.verdicts for outcome in outcomes] == [
        {"strict": "passed", "apps": "passed"},
        {"strict": "wrong_answer", "apps": "wrong_answer"},
    ]
    assert outcomes[1].pass_ratio("strict") == 0.5
    rows = client.post("/v1/grade", json=body | {"profile": "apps"}).json()["outcomes"]
    assert outcome_from_row(rows[0]).verdicts == {"apps": "passed"}


def test_the_native_call_knows_the_servers_benchmarks(client):
    from harness import load_benchmark

    problems = load_benchmark("mini", ids=["0-2"]).problems
    programs = [{"code": each.solutions[0], "task_id": each.task_id} for each in problems]
    rows = client.post("/v1/grade", json={"programs": programs}).json()["outcomes"]
    assert [(row["task_id"], row["verdicts"]["strict"]) for row in rows] == [
        (problem.task_id, "passed") for problem in problems
    ]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"programs": ["x"]}, 400),
        ({"programs": [{"code": "x", "task_id": "nothing/1"}]}, 400),
        ({"programs": ["x"], "tests": FIRST, "profile": "nothing"}, 400),
        ({"programs": ["x"], "tests": FIRST, "extract": "nothing"}, 400),
        ({"programs": ["x"], "tests": {"kind": "nothing", "tests": []}}, 400),
        ({"programs": ["x"], "tests": {"kind": "call", "tests": [{}]}}, 400),
        ({"programs": ["x"], "tests": FIRST, "limits": {"output_mib": 1000}}, 422),
        ({"programs": ["x"], "tests": FIRST, "unknown": 1}, 422),
        ({"programs": ["x"] * 201, "tests": FIRST}, 413),
    ],
)
def test_the_native_call_refuses_what_it_does_not_know(client, fields, status):
    assert client.post("/v1/grade", json=fields).status_code == status


def test_no_programs_are_no_outcomes(client):
    assert client.post("/v1/grade", json={"programs": [], "tests": FIRST}).json() == {"outcomes": []}


def test_a_time_limit_holds_for_the_program_that_it_was_sent_with(client):
    body = {"programs": ["def f(x):\n    while True: pass"], "tests": FIRST, "limits": {"cpu_seconds": 0.1}}
    (row,) = client.post("/v1/grade", json=body).json()["outcomes"]
    assert row["verdicts"]["strict"] == "timed_out"
    assert row["cpu_seconds"] < 30


def test_the_native_calls_page_describes_it(client):
    page = client.get("/openapi.json").json()
    assert {"/v1/grade", "/run_code", "/common_evaluate_batch", "/test_program", "/rm"} <= page[
        "paths"
    ].keys()
    assert client.get("/docs").status_code == 200
    assert client.get("/v1/ping").json() == "pong"
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/v1/info").json()["profiles"] == ["strict", "apps"]


def test_a_clients_preamble_never_reaches_the_process_that_all_programs_are_copied_from(monkeypatch, client):
    from harness.integrations import ground_truth
    from harness.types import AssertTest, TestKind, TestSuite

    suite = TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f(1) == 2")], preamble="import builtins\n")
    monkeypatch.setattr(ground_truth, "read", lambda *_, **__: suite)
    answer = client.post("/v1/grade", json={"programs": [RIGHT], "tests": "any"})
    assert answer.status_code == 400
    assert "preamble" in answer.json()["detail"]
