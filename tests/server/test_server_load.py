"""Many clients, others' payloads, nonsense, dying workers: right verdicts or a status, never 500."""

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import Job, Limits, Runner, load_benchmark
from harness.types import TestKind

ROUTES = {
    "/v1/grade": ("programs", "tests", "task_id", "limits", "profile", "extract"),
    "/run_code": ("code", "language", "stdin", "files", "run_timeout", "memory_limit_MB", "fetch_files"),
    "/submit": ("dataset", "id", "completion", "config"),
    "/common_evaluate_batch": ("dataset", "id", "completion", "config"),
    "/test_program": ("program", "tests", "max_execution_time"),
    "/rm": ("prompt", "response", "label"),
    "/get_reward": ("query", "prompts", "labels"),
}
USUAL = st.sampled_from(
    [
        "", "python", "print(1)", "chat", "strict", 0, -1, 1e308, True, None, [], {}, ["print(1)"],
        [{"code": "1"}], {"kind": "stdin", "tests": [{"input": "", "output": "1"}]}, {"kind": "call",
        "tests": [{"args": []}]}, ["assert 1 == 1"], [{"input": "", "output": "1"}], {"inputs": [""],
        "outputs": ["1"]}, {"a": "AA=="}, {"provided_data": {"test_cases": {"input": [""], "output":
        [""]}}}, {"provided_data": {"test": [1]}}, {"cpu_seconds": 0.1},
        '{"inputs": [[]], "outputs": [1], "fn_name": "f"}', "eJwDAAAAAAE=", "\ud800",
    ]
)  # fmt: skip
ANY = USUAL | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES)
def test_no_body_makes_the_server_fail(client, route):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.dictionaries(st.sampled_from(ROUTES[route]), ANY) | ANY)
    def check(body):
        headers = {"content-type": "application/json"}
        answer = client.post(route, content=json.dumps(body), headers=headers)
        assert answer.status_code in (200, 400, 413, 422), (answer.status_code, answer.text, body)

    check()


def programs():
    """For each of some problems its solution, one that prints too much, one that breaks, none."""
    for problem in load_benchmark("mini", ids=["0-49"]).problems:
        gold = problem.solutions[0]
        for number, code in enumerate((gold, gold + "\nprint('more')\n", gold + "\n1 / 0\n", "pass")):
            yield Job(problem.task_id, number, code, problem)


def payload(job):
    """Inputs and outputs; and the function that is called, if one is."""
    suite = job.problem.suite
    if suite.kind is TestKind.STDIN:
        return [test.input for test in suite.tests()], [test.output for test in suite.tests()], None
    return (
        [list(test.args) for test in suite.tests()],
        [test.expected for test in suite.tests()],
        suite.entry_point,
    )


def same_verdicts(client, job, expected):
    """Ask in the protocols that have a way for this job; gives whether it is a script."""
    inputs, outputs, name = payload(job)
    if name is None:
        rows = [{"input": i, "output": o} for i, o in zip(inputs, outputs, strict=True)]
        body = {"program": job.code, "tests": rows, "max_execution_time": 1}
        results = client.post("/test_program_stdio", json=body).json()["results"]
        assert results == [int(test.statuses["strict"] == "passed") for test in expected.tests]
    tests = {"type": "function_call" if name else "stdin_stdout", "fn_name": name}
    tests |= {"input": inputs, "output": outputs}
    config = {"provided_data": {"test_cases": tests}}
    body = {"completion": f"```python\n{job.code}\n```", "config": config}
    answer = client.post("/common_evaluate_batch", json=body).json()
    assert answer["accepted"] is expected.passed("strict")
    return name is None


@pytest.mark.slow
def test_payloads_of_others_get_the_verdicts_of_our_own_runner(client):
    jobs = list(programs())
    assert len(jobs) == 200
    with Runner(workers=2, limits=Limits(), profiles=("strict",)) as runner:
        own = {(each.task_id, each.sample_id): each for each in runner.run(jobs)}
    with ThreadPoolExecutor(4) as pool:
        kinds = set(pool.map(lambda job: same_verdicts(client, job, own[job.task_id, job.sample_id]), jobs))
    assert kinds == {True, False}


def graded(client, number):
    """Whether the answer to one program is right; `None` where there is none now."""
    right = bool(number % 3)
    code = f"print(int(input()) + {1 if right else 2})  # {number}"
    tests = {"kind": "stdin", "tests": [{"input": "1", "output": "2"}]}
    answer = client.post("/v1/grade", json={"programs": [code], "tests": tests})
    if answer.status_code in (503, 504):
        assert answer.status_code == 504 or answer.headers["retry-after"]
        return None
    assert answer.status_code == 200, answer.text
    return (answer.json()["outcomes"][0]["verdicts"]["strict"] == "passed") is right


@pytest.mark.slow
def test_many_clients_get_each_its_own_answer(client):
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(lambda number: graded(client, number), range(400)))
    assert found.count(False) == 0
    assert found.count(True) > 200


@pytest.mark.slow
def test_workers_that_are_killed_give_no_wrong_answer(client, application):
    pause = threading.Event()
    service = application._app.state.service
    killed = 0
    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(graded, client, number) for number in range(1000, 1300)]
        for _ in range(3):
            pause.wait(1)
            for each in list(service._runner._workers):
                with suppress(ProcessLookupError):  # its end is not seen yet
                    os.kill(each.worker.pid, signal.SIGKILL)
                    killed += 1
        found = [future.result() for future in futures]
    assert killed
    assert found.count(False) == 0
    assert graded(client, 1) is True
