"""Who may ask, how much, and how often: refusals by status, cancelled work, turns; graders that fail."""

import asyncio
import gzip
import json
import logging
import threading
import zlib
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

pytest.importorskip("prometheus_client")
pytest.importorskip("fastapi")
from starlette.testclient import TestClient

from harness.errors import InfrastructureError
from harness.server.app import create_app
from harness.server.bodies import TooLargeError, inflate
from harness.server.fair_queue import FairQueue, QueueFullError
from harness.server.settings import SERVER_LIMITS, Settings, capped
from harness.service import GradingService
from harness.types import Limits, Outcome, Status, StdinTest, TestKind, TestOutcome, TestSuite

SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")])
TESTS = {"kind": "stdin", "tests": [{"input": "", "output": ""}]}


def passed(job):
    statuses = {"strict": Status.PASSED}
    return Outcome(job.task_id, job.sample_id, statuses, (TestOutcome(statuses),))


class Held:
    """A grader that grades nothing before it is let go, and then says what `answer` does."""

    def __init__(self, answer=passed):
        self.answer, self.go, self.begun, self.seen = answer, threading.Event(), threading.Event(), []

    def run(self, jobs):
        self.seen += [job.code for job in jobs]
        self.begun.set()
        self.go.wait()
        yield from map(self.answer, jobs)


def application(grader, **settings):
    settings = Settings(hosts=("testserver",), **settings)
    return create_app(GradingService(runner=grader), settings, workers=1)


def served(grader=None, **settings):
    if grader is None:
        grader = Held()
        grader.go.set()
    return TestClient(application(grader, **settings), raise_server_exceptions=False)


def grade(client, *programs, **options):
    return client.post("/v1/grade", json={"programs": list(programs) or ["x"], "tests": TESTS}, **options)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:8080"}, 200),
        ({"host": "127.0.0.1:1"}, 200),
        ({"host": "[::1]:8080"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:8080"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://testserver"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-encoding": "br"}, 415),
        ({"content-encoding": "gzip"}, 400),
        ({"content-length": "1000000000000"}, 413),
        ({"content-length": "x"}, 413),
    ],
)
def test_headers_decide_who_may_ask(headers, status):
    with served() as client:
        assert grade(client, headers=headers).status_code == status


def test_a_token_is_asked_for_where_there_is_one():
    with served(token="secret") as client:
        assert grade(client).status_code == 401
        assert grade(client, headers={"authorization": "Bearer other"}).status_code == 401
        assert grade(client, headers={"authorization": "Bearer secret"}).status_code == 200
        assert client.get("/metrics").status_code == 401
        assert client.get("/health").status_code == 200


BODY = json.dumps({"programs": ["x"], "tests": TESTS}).encode()


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bodies_may_be_compressed(coding, pack):
    with served() as client:
        headers = {"content-type": "application/json", "content-encoding": coding}
        assert client.post("/v1/grade", content=pack(BODY), headers=headers).status_code == 200
        assert client.post("/v1/grade", content=pack(BODY)[:-2], headers=headers).status_code == 400
        bomb = pack(b" " * (8 << 20))
        assert len(bomb) < 1 << 16
        assert (
            client.post("/v1/grade", content=bomb, headers=headers).status_code == 422
        )  # blanks are no JSON


def test_bodies_are_bounded_as_sent_and_decompressed():
    with served(most_body_mib=1) as client:
        headers = {"content-type": "application/json"}
        large = b" " * (2 << 20)
        assert client.post("/v1/grade", content=large, headers=headers).status_code == 413
        assert client.post("/v1/grade", content=iter([large]), headers=headers).status_code == 413
        headers["content-encoding"] = "gzip"
        assert client.post("/v1/grade", content=gzip.compress(large), headers=headers).status_code == 413
    with pytest.raises(TooLargeError):
        inflate(gzip.compress(b"12345"), 4)
    assert inflate(gzip.compress(b"12") + gzip.compress(b"34"), 4) == b"1234"


@pytest.mark.parametrize("bound", [{"most_held_mib": 1}, {"most_requests": 0}])
def test_more_than_can_be_held_at_a_time_is_asked_to_come_again(bound):
    with served(**bound) as client:
        client.app._held = 1 << 20  # by others
        answer = grade(client, "x")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_request_that_is_alone_more_than_can_be_held_need_not_come_again():
    with served(most_held_mib=1) as client:
        assert grade(client, " " * (2 << 20)).status_code == 413


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b'{"programs": NaN}', b"1" * 10_000, b"\xff\xfe"]
)
def test_a_body_that_is_no_request_is_refused(body):
    with served() as client:
        answer = client.post("/v1/grade", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422)


def test_a_full_queue_says_when_to_come_again():
    grader = Held()
    with served(grader, most_waiting=2) as client:
        first = threading.Thread(target=grade, args=(client, "a", "b"))
        first.start()
        grader.begun.wait()
        answer = grade(client, "c")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert grade(client, "c", "d", "e").status_code == 413
        grader.go.set()
        first.join()
        assert grade(client, "c").status_code == 200
        assert "rltf_waiting_programs 0.0" in client.get("/metrics").text


def test_a_failure_of_the_grader_is_no_verdict():
    def fails(job):
        return Outcome(job.task_id, job.sample_id, {"strict": Status.NOT_RUN}, infrastructure_error="lost")

    grader = Held(fails)
    grader.go.set()
    with served(grader) as client:
        assert grade(client).status_code == 504
        rows = [{"input": "", "output": ""}]
        assert client.post("/rm", json={"response": "x", "label": rows}).status_code == 504
        body = {"program": "x", "tests": rows}
        assert client.post("/test_program_stdio", json=body).status_code == 504
        body = {"completion": "x", "config": {"provided_data": {"test_cases": rows}}}
        assert client.post("/common_evaluate_batch", json=body).status_code == 504
        assert client.get("/health").status_code == 200


def test_a_grader_that_has_ended_is_no_verdict_and_the_server_says_so():
    def broken(job):
        raise InfrastructureError("/secret/path")

    grader = Held(broken)
    grader.go.set()
    with served(grader) as client:
        answer = grade(client)
        assert answer.status_code == 504
        assert "secret" not in answer.text
        assert grade(client).status_code == 504
        assert client.get("/health").status_code == 503


def test_nothing_of_programs_or_tokens_is_logged_or_sent_back(caplog):
    caplog.set_level(logging.DEBUG)
    with served(token="token-1234") as client:
        headers = {"authorization": "Bearer token-1234"}
        answers = [
            grade(client, "program-1234", headers=headers),
            client.post("/v1/grade", json={"programs": [{"codes": "program-1234"}]}, headers=headers),
            client.post("/run_code", json={"code": "program-1234", "language": "python"}, headers=headers),
        ]
    assert [answer.status_code for answer in answers] == [200, 422, 504]  # this grader does not execute
    text = caplog.text + "".join(answer.text for answer in answers)
    assert "1234" not in text


def test_what_a_client_that_hung_up_has_asked_is_not_graded():
    grader = Held()
    app = application(grader)

    async def scenario():
        sent, gone = asyncio.Queue(), asyncio.Event()
        body = json.dumps({"programs": [str(n) for n in range(100)], "tests": TESTS}).encode()
        messages = [{"type": "http.request", "body": body}]

        async def receive():
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {
            "type": "http", "method": "POST", "path": "/v1/grade", "raw_path": b"/v1/grade",
            "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1", "headers": headers,
            "client": ("10.0.0.1", 1), "server": ("localhost", 80),
        }  # fmt: skip
        task = asyncio.ensure_future(app(scope, receive, sent.put))
        await asyncio.to_thread(grader.begun.wait)
        gone.set()
        await task
        assert sent.empty()
        grader.go.set()

    asyncio.run(scenario())
    # The first batch had begun; of what was queued behind it, nothing is.
    assert len(grader.seen) < 100


def test_requests_and_clients_take_turns():
    started = []

    def start(name):
        def begin():
            started.append(name)
            future = Future()
            waiting.append(future)
            return future

        return begin

    waiting = []

    async def scenario():
        queue = FairQueue(most_waiting=100, most_running=1)
        batch = asyncio.ensure_future(queue.run("a", [start(f"a{n}") for n in range(4)]))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(queue.run("a", [start("b0"), start("b1")]))
        other = asyncio.ensure_future(queue.run("c", [start(f"c{n}") for n in range(3)]))
        while len(started) < 9 or waiting:
            await asyncio.sleep(0)
            if waiting:
                waiting.pop().set_result(started[-1])
        assert await batch == ["a0", "a1", "a2", "a3"]
        assert await second == ["b0", "b1"]
        assert await other == ["c0", "c1", "c2"]
        assert (queue.waiting, queue.running) == (0, 0)

    asyncio.run(scenario())
    assert started == ["a0", "a1", "c0", "b0", "c1", "a2", "c2", "b1", "a3"]


def test_a_cancelled_request_leaves_its_room():
    async def scenario():
        queue = FairQueue(most_waiting=3, most_running=1)
        first, futures = Future(), []
        running = asyncio.ensure_future(queue.run("a", [lambda: first]))
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(queue.run("b", [lambda: futures.append(1) or Future()] * 2))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await queue.run("c", [Future])
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (queue.waiting, queue.running) == (0, 1)
        first.set_result(None)
        await running
        assert not futures

    asyncio.run(scenario())


def test_limits_of_a_client_are_rounded_up_and_never_above_the_servers():
    server = Limits(cpu_seconds=4, load_cpu_seconds=3, memory_mib=1000)
    assert capped(server) == server
    assert capped(server, cpu_seconds=0.01).cpu_seconds == 0.5
    least = capped(server, cpu_seconds=5e-324, memory_mib=5e-324)  # which a division makes nought
    assert (least.cpu_seconds, least.memory_mib) == (0.5, 64)
    assert capped(server, cpu_seconds=2.1).cpu_seconds == 3.0
    assert (
        capped(server, cpu_seconds=1e308).cpu_seconds,
        capped(server, cpu_seconds=9).load_cpu_seconds,
    ) == (4, 3)
    assert [capped(server, memory_mib=mib).memory_mib for mib in (-1, 0, 1, 65, 1e300)] == [
        1000,
        1000,
        64,
        128,
        1000,
    ]
    assert capped(SERVER_LIMITS, cpu_seconds=None, memory_mib=None) == SERVER_LIMITS


def test_one_problem_that_cannot_be_loaded_is_no_failure_of_the_whole():
    from harness.types import Benchmark, Problem

    def missing():
        raise KeyError("no tests")

    loads = []

    def once():  # the first look is the server's own
        loads.append(1)
        return SUITE if len(loads) == 1 else missing()

    benchmark = Benchmark("x", "test", "1", [Problem("x/1", "", load_suite=once)], "", "")
    with served(benchmarks=[benchmark]) as client:
        answer = client.post("/v1/grade", json={"programs": [{"code": "1", "task_id": "x/1"}]})
        assert answer.status_code == 504
        assert client.get("/health").status_code == 200
        assert grade(client).status_code == 200


def test_a_service_that_is_closed_is_no_verdict():
    grader = Held()
    service = GradingService(runner=grader)
    app = create_app(service, Settings(hosts=("testserver",)), workers=1)
    with TestClient(app, raise_server_exceptions=False) as client, ThreadPoolExecutor() as pool:
        waiting = pool.submit(grade, client, "a")
        grader.begun.wait()
        queued = pool.submit(grade, client, "b")
        while not client.get("/metrics").text.count("rltf_running_programs 2.0"):
            pass
        closing = pool.submit(service.close)
        assert waiting.result().status_code == queued.result().status_code == 504
        grader.go.set()
        closing.result()
        assert client.get("/health").status_code == 503
