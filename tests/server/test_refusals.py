"""What is refused before or instead of an answer: by which status, with which headers, and what is logged."""

import asyncio
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("prometheus_client")
pytest.importorskip("fastapi")
from starlette.testclient import TestClient

from harness.integrations.ground_truth import problem_of
from harness.server import engine, guard
from harness.server.guard import Guard
from harness.server.meters import Meters
from harness.server.settings import Settings


@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("TRACE", "/v1/grade", "POST"), ("POST", "/health", "GET")]
)
def test_a_method_that_a_route_does_not_take_is_told_those_that_it_does(client, method, path, allowed):
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_numbers_are_no_truth_values(client):
    tests = {"kind": "stdin", "tests": [{"input": "", "output": "1"}]}
    body = {"programs": ["print(1)"], "tests": tests, "limits": {"stop_at_first_failure": 0}}
    assert client.post("/v1/grade", json=body).status_code == 422
    body["limits"] = {"stop_at_first_failure": False, "cpu_seconds": 1}
    assert client.post("/v1/grade", json=body).status_code == 200


@pytest.mark.parametrize("name", [5, ["f"], {"f": 1}])
def test_a_name_to_call_that_is_no_text_is_a_bad_request_and_ends_nobodys_grading(client, name):
    tests = {"kind": "call", "entry_point": name, "tests": [{"args": [1], "expected": 1}]}
    answer = client.post("/v1/grade", json={"programs": ["def f(x): return x"], "tests": tests})
    assert (answer.status_code, "entry_point" in answer.json()["detail"]) == (400, True)
    assert client.get("/health").status_code == 200


def test_tests_that_do_not_compile_are_a_bad_request_and_no_lost_program(client):
    body = {"programs": ["def f(x): return x"], "tests": {"kind": "asserts", "tests": ["assert f(1) =="]}}
    answer = client.post("/v1/grade", json=body)
    assert (answer.status_code, "can't be used: SyntaxError" in answer.json()["detail"]) == (400, True)


def test_others_are_answered_while_the_tests_of_one_are_made_ready(client, monkeypatch):
    begun, go_on, waited = threading.Event(), threading.Event(), []

    def slow(*arguments, **options):
        begun.set()
        waited.append(go_on.wait(20))
        return problem_of(*arguments, **options)

    monkeypatch.setattr(engine, "problem_of", slow)
    body = {"programs": ["def f(x): return x"], "tests": ["assert f(1) == 1"]}
    with ThreadPoolExecutor(1) as others:
        answer = others.submit(client.post, "/v1/grade", json=body)
        assert begun.wait(20)
        assert client.get("/v1/ping").status_code == 200
        go_on.set()
    assert (waited, answer.result().status_code) == ([True], 200)


def test_every_status_of_a_refusal_is_on_the_native_calls_page(client):
    described = client.get("/openapi.json").json()["paths"]["/v1/grade"]["post"]["responses"]
    assert set(described) == {"200", "400", "401", "403", "408", "413", "415", "422", "503", "504"}


def test_a_body_that_trickles_in_loses_its_place(client, application, monkeypatch):
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.01)
    sent = []

    async def receive():
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/grade",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }  # fmt: skip
    asyncio.run(application(scope, receive, send))
    assert sent[0]["status"] == 408
    assert (application._requests, application._held) == (0, 0)


def test_what_a_failure_says_is_neither_logged_nor_sent(caplog):
    async def app(scope, receive, send):
        raise ValueError("a part of a program-1234")

    caplog.set_level(logging.DEBUG)
    guarded = Guard(app, Settings(hosts=("testserver",)), Meters(), {"/run_code": ("post",)})
    answer = TestClient(guarded).post("/run_code", json={})
    assert answer.status_code == 500
    assert "ValueError at /run_code" in caplog.text
    assert "1234" not in caplog.text + answer.text + json.dumps(dict(answer.headers))
