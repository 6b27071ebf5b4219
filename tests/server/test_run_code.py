"""SandboxFusion's `/run_code` and `/submit`: each status that a program can reach, and what is refused."""

import base64
import json

import pytest


def ran(client, code, **fields):
    answer = client.post("/run_code", json={"code": code, "language": "python"} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


def test_a_program_that_ends_well_is_a_success_with_its_output(client):
    answer = ran(client, "import sys\nprint(input())\nprint('w', file=sys.stderr)", stdin="hello")
    assert (answer["status"], answer["compile_result"], answer["message"]) == ("Success", None, "")
    result = answer["run_result"]
    assert (result["status"], result["return_code"]) == ("Finished", 0)
    assert (result["stdout"], result["stderr"]) == ("hello\n", "w\n")
    assert result["execution_time"] >= 0


def test_no_input_is_an_empty_one(client):
    assert (
        ran(client, "import sys\nprint(repr(sys.stdin.read()))", stdin=None)["run_result"]["stdout"] == "''\n"
    )


@pytest.mark.parametrize(
    ("code", "return_code", "stderr"),
    [
        ("print(1)\n1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("def f(:", 1, "SyntaxError"),
        ("import sys\nprint('w', file=sys.stderr)\nsys.exit(3)", 3, "w"),
        ("import os\nos.abort()", -6, ""),
        ("x = bytearray(2 << 30)", 1, "MemoryError"),
        ("while True: print('x' * 100000)", 1, "output limit"),
    ],
)
def test_a_program_that_ends_badly_has_failed(client, code, return_code, stderr):
    answer = ran(client, code)
    assert answer["status"] == "Failed"
    result = answer["run_result"]
    assert (result["status"], result["return_code"]) == ("Finished", return_code)
    assert stderr in result["stderr"]
    assert "SystemExit" not in result["stderr"]


@pytest.mark.parametrize("code", ["while True: pass", "import time\ntime.sleep(100)"])
def test_a_program_that_takes_too_long_has_no_return_code_and_what_it_printed(client, code):
    answer = ran(client, f"print('before', flush=True)\n{code}", run_timeout=0.5)
    assert answer["status"] == "Failed"
    result = answer["run_result"]
    assert (result["status"], result["return_code"]) == ("TimeLimitExceeded", None)
    assert result["stdout"] == "before\n"


@pytest.mark.slow
def test_no_client_gets_more_than_the_server_allows(client):
    assert ran(client, "while True: pass", run_timeout=1e9)["run_result"]["status"] == "TimeLimitExceeded"
    assert ran(client, "x = bytearray(2 << 30)", memory_limit_MB=1e9)["message"] == "memory limit"


def test_files_are_there(client):
    answer = ran(client, "print(open('a.txt').read())", files={"a.txt": base64_of("é"), "b": None})
    assert answer["run_result"]["stdout"] == "é\n"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"language": "cpp"}, 400),
        ({"files": {"../a": ""}}, 400),
        ({"files": {"/etc/passwd": ""}}, 400),
        ({"files": {"a": "not base64!"}}, 400),
        ({"fetch_files": ["a"]}, 400),
        ({"run_timeout": 0}, 422),
        ({"run_timeout": -1}, 422),
        ({"code": None}, 422),
        ({"files": []}, 422),
    ],
)
def test_what_is_not_served_is_refused(client, fields, status):
    answer = client.post("/run_code", json={"code": "", "language": "python"} | fields)
    assert answer.status_code == status
    assert "detail" in answer.json()


@pytest.mark.parametrize(
    ("field", "text", "status"),
    [("stdin", "\\u0000\\ud83d\\ude00", 200), ("stdin", "\\ud800", 200), ("code", "print(1) # \\ud800", 200)],
)
def test_text_that_is_no_text_harms_nobody(client, field, text, status):
    fields = {"code": "print(ascii(input()))", "language": "python", field: "TEXT"}
    body = json.dumps(fields).replace("TEXT", text)
    answer = client.post("/run_code", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status


def test_running_a_program_again_runs_it_again(client):
    code = "import random\nprint(random.SystemRandom().random())"
    first, second = (ran(client, code)["run_result"]["stdout"] for _ in range(2))
    assert first != second


PROVIDED = {
    "id": 1,
    "content": "",
    "labels": {},
    "test": [
        {"input": {"stdin": "1"}, "output": {"stdout": "2\n"}},
        {"input": {"stdin": "2"}, "output": {"stdout": "3\n"}},
    ],
}


@pytest.mark.parametrize(("program", "passed"), [("int(input()) + 1", [True, True]), ("2", [True, False])])
def test_an_answer_is_graded_on_the_tests_that_come_with_it(client, program, passed):
    config = {"dataset_type": "CommonOJDataset", "provided_data": PROVIDED}
    body = {
        "dataset": "x",
        "id": 1,
        "completion": f"So:\n```python\nprint({program})\n```\n",
        "config": config,
    }
    answer = client.post("/submit", json=body).json()
    assert answer["accepted"] is all(passed)
    assert answer["extracted_code"].strip() == f"print({program})"
    assert answer["extracted_type"] == "fenced"
    assert [test["passed"] for test in answer["tests"]] == passed
    assert answer["tests"][0]["exec_info"]["run_result"]["status"] == "Finished"


def test_an_answer_is_graded_on_a_benchmark_of_the_server(client):
    from harness import load_benchmark

    problem = load_benchmark("mini", ids=["0"]).problems[0]
    for number in (0, "0", problem.task_id):
        body = {"dataset": "mini", "id": number, "completion": problem.solutions[0]}
        assert client.post("/submit", json=body).json()["accepted"] is True
    answer = client.post("/submit", json={"dataset": "mini", "id": 77777, "completion": ""})
    assert answer.status_code == 400
    assert "no problem" in answer.json()["detail"]
