"""Requests made to stall the server or to fill its memory: each is bounded, and others are answered."""

import asyncio
import gzip
import json
import threading
from concurrent.futures import Future

import pytest

pytest.importorskip("prometheus_client")
pytest.importorskip("fastapi")
from harness.commands.serve import settings_of
from harness.errors import InputError
from harness.runner.execution import check_files
from harness.server import answering, bodies, engine
from harness.server.answering import Answering
from harness.server.bodies import MOST_VALUES, inflate, memory_of, values_in
from harness.server.fair_queue import FairQueue, QueueFullError
from harness.server.hang_ups import LeftError
from harness.server.origins import Refusal
from harness.server.settings import SERVER_LIMITS
from rltf.cli import build_parser

STDIN = {"kind": "stdin", "tests": [{"input": "", "output": "1"}]}


def right(client):
    body = {"programs": ["print(1)", "print(2)"], "tests": STDIN}
    answer = client.post("/v1/grade", json=body)
    assert answer.status_code == 200
    return [row["verdicts"]["strict"] for row in answer.json()["outcomes"]] == ["passed", "wrong_answer"]


def test_a_gzip_file_of_many_empty_members_is_refused_and_not_copied_once_for_each():
    member = gzip.compress(b"")
    with pytest.raises(ValueError, match="more than 64 members"):
        inflate(member * 200_000, 1 << 20)  # at a copy for each, 400 GiB
    assert inflate(member * 63 + gzip.compress(b"12"), 4) == b"12"


def test_values_are_counted_before_json_is_read_and_text_counts_as_one():
    few = json.dumps({"a": [1, 2, {"b": '\\",[[[{{{,,,'}]}).encode()
    assert values_in(few) >= 4
    lists = b"[" + b"[]," * MOST_VALUES + b"0]"
    assert values_in(lists) > MOST_VALUES
    text = json.dumps({"code": '\\"[,{' * MOST_VALUES}).encode()
    assert values_in(text) < 10
    texts = b"[" + b'"",' * (MOST_VALUES + 1) + b"0]"
    assert values_in(texts) > MOST_VALUES


def test_a_body_of_more_values_than_are_read_at_a_time_is_refused(client, monkeypatch):
    monkeypatch.setattr("harness.server.guard.MOST_VALUES", 1000)
    monkeypatch.setattr(bodies, "MOST_VALUES", 1000)
    answer = client.post("/v1/grade", json={"programs": ["print(1)"], "tests": [[]] * 1001})
    assert (answer.status_code, answer.json()["detail"]) == (413, "a request may have 1000 values")
    assert right(client)


def test_text_beyond_latin_counts_as_the_four_bytes_a_character_that_it_takes():
    assert memory_of(b"a" * 100, 0) == 100
    assert memory_of("\u20ac".encode() * 100, 0) >= 400
    assert memory_of(b"\\ud83d\\ude00" + b"a" * 100, 1) > 400


def test_a_small_request_for_a_huge_answer_is_refused_before_any_program_is_run(client, monkeypatch):
    monkeypatch.setattr(engine, "_MOST_RESULTS", 100)
    tests = {"kind": "stdin", "tests": STDIN["tests"] * 51}
    answer = client.post("/v1/grade", json={"programs": ["("] * 2, "tests": tests})
    assert answer.status_code == 413
    assert "100 tests of programs" in answer.json()["detail"]
    assert client.post("/v1/grade", json={"programs": ["("], "tests": tests}).status_code == 200
    assert right(client)


def test_results_of_all_requests_together_have_a_bound():
    async def scenario():
        queue, waiting = FairQueue(100, 1, most_results=10), Future()
        first = asyncio.ensure_future(queue.run("a", [lambda: waiting], results=6))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await queue.run("b", [Future], results=5)
        waiting.set_result(1)
        await first
        waiting = Future()
        waiting.set_result(2)
        assert await queue.run("b", [lambda: waiting], results=10) == [2]

    asyncio.run(scenario())


def message(body, *, more=False):
    return {"type": "http.response.body", "body": body, "more_body": more}


def test_an_answer_goes_out_in_pieces_so_that_little_of_it_waits_for_a_client_that_does_not_read():
    sent, held = [], []

    async def send(each):
        sent.append(each)

    async def scenario():
        answer = Answering(send, held.append)
        await answer({"type": "http.response.start", "status": 200, "headers": []})
        assert not sent
        await answer(message(b"x" * 200_000))
        assert answer.status == "200"

    asyncio.run(scenario())
    assert b"".join(each["body"] for each in sent[1:]) == b"x" * 200_000
    assert max(len(each["body"]) for each in sent[1:]) <= 1 << 16
    assert [each["more_body"] for each in sent[1:]] == [True] * (len(sent) - 2) + [False]
    assert held == [200_000]


def test_a_client_that_does_not_read_its_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(answering, "SEND_SECONDS", 0.01)

    async def send(each):
        if each["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def scenario():
        answer = Answering(send, lambda size: None)
        await answer({"type": "http.response.start", "status": 200, "headers": []})
        with pytest.raises(LeftError):
            await answer(message(b"x"))

    asyncio.run(scenario())


def test_an_answer_that_there_is_no_room_for_is_a_refusal_and_nothing_else():
    sent = []

    async def send(each):
        sent.append(each)

    def take(size):
        raise Refusal(503, "too much to hold at a time", {"retry-after": "1"})

    async def scenario():
        answer = Answering(send, take)
        await answer({"type": "http.response.start", "status": 200, "headers": []})
        await answer(message(b"x" * 10, more=True))
        await answer(message(b"y"))
        await answer.refuse(Refusal(500, "the server failed"))

    asyncio.run(scenario())
    assert [each.get("status") for each in sent] == [503, None]
    assert json.loads(sent[1]["body"]) == {"detail": "too much to hold at a time"}


def test_what_a_client_that_left_has_sent_is_not_kept_until_it_would_be_made_ready(application):
    made, go_on = [], threading.Event()
    engine_of = engine.Engine(None, application._settings, application._meters.__class__(), 1)

    async def scenario():
        def slow():
            go_on.wait(20)

        first = asyncio.ensure_future(engine_of.prepare("a", slow))
        await asyncio.sleep(0.01)
        left = asyncio.ensure_future(engine_of.prepare("b", lambda: made.append("b")))
        await asyncio.sleep(0.01)
        assert (engine_of._preparing.waiting, engine_of._preparing.running) == (1, 1)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        assert engine_of._preparing.waiting == 0
        go_on.set()
        await first

    asyncio.run(scenario())
    assert made == []


def test_one_clients_requests_do_not_keep_anothers_from_being_made_ready(application):
    order, go_on = [], threading.Event()
    engine_of = engine.Engine(None, application._settings, application._meters.__class__(), 1)

    async def scenario():
        asked = [asyncio.ensure_future(engine_of.prepare("a", lambda: go_on.wait(20)))]
        await asyncio.sleep(0.01)
        for client in ("a", "a", "a", "b"):
            asked.append(asyncio.ensure_future(engine_of.prepare(client, lambda c=client: order.append(c))))
        await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.gather(*asked)

    asyncio.run(scenario())
    assert order.index("b") <= 1


def test_few_programs_of_a_client_are_before_anothers_first(application):
    queue = engine.Engine(None, application._settings, application._meters.__class__(), 2).queue
    assert queue._most_running <= 8


def test_no_program_runs_for_days_by_staying_below_the_limit_on_each_of_many_tests():
    assert SERVER_LIMITS.program_cpu_seconds == 300
    args = build_parser("serve").parse_args(["serve", "--limit-cpu", "2"])
    assert settings_of(args).limits.program_cpu_seconds == 60


REFERENCE = {"entry_point": "f", "canonical_solution": "def f(x): return x", "base_input": [[1]]}


@pytest.mark.parametrize(
    "tests",
    [
        {**REFERENCE, "atol": "x"},
        {**REFERENCE, "atol": [1]},
        {**REFERENCE, "atol": 10**400},
        json.dumps(REFERENCE)[:-1] + ', "plus_input": [[' + "9" * 20_000 + "]]}",
    ],
    ids=["a word", "a list", "beyond any float", "an integer that Python does not write"],
)
def test_numbers_of_a_request_that_are_none_are_a_bad_request(client, tests):
    answer = client.post("/v1/grade", json={"programs": ["def f(x): return x"], "tests": tests})
    assert (answer.status_code, "can't be read" in answer.json()["detail"]) == (400, True)


def test_tests_too_deep_in_one_another_are_a_bad_request(client):
    raw = b'{"programs": ["print(1)"], "tests": ' + b'{"tests": ' * 900 + b"1" + b"}" * 900 + b"}"
    answer = client.post("/v1/grade", content=raw, headers={"content-type": "application/json"})
    assert (answer.status_code, "too deeply" in answer.json()["detail"]) == (400, True)


def test_a_file_whose_name_no_folder_can_have_is_refused_and_costs_no_worker(client):
    raw = b'{"code": "print(1)", "language": "python", "files": {"\\ud800": "AAAA"}}'
    answer = client.post("/run_code", content=raw, headers={"content-type": "application/json"})
    assert (answer.status_code, "not a plain name" in answer.json()["detail"]) == (400, True)
    with pytest.raises(InputError, match="not a plain name"):
        check_files({"\ud800": b""})
    check_files({"\udcff": b""})  # a byte that is no text, as Python has it
    assert right(client)
