"""Rewards of trainers that grade at an `rltf serve` elsewhere are those that are graded here."""

import http.client
import json
import re
import zlib
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from benchmarks.humaneval.checker import CHECKER
from harness import load_benchmark
from harness.errors import InputError
from harness.integrations import remote
from harness.integrations.ground_truth import read_tests
from harness.integrations.remote import RemoteService
from harness.integrations.scoring import Scorer
from harness.types import Benchmark, CallTest, Job, Problem, StdinTest, TestKind, TestSuite, ValueTest

PAIRS = {"inputs": ["1\n", "2\n"], "outputs": ["2\n", "3\n"]}
CALLS = {"inputs": [[1], [2]], "outputs": [2, 3], "fn_name": "f"}
ANSWERS = [
    ("```python\nprint(int(input()) + 1)\n```", PAIRS),
    ("```python\nprint(2)\n```", PAIRS),
    ("```python\ndef f(x):\n    return x + 1\n```", CALLS),
    ("```python\ndef f(x):\n    return 1 / 0\n```", ["assert f(1) == 2"]),
    ("", PAIRS),
    ("x", "broken"),
]


def test_rewards_are_the_same_there_as_here(url):
    here, there = (Scorer(reward="pass_ratio", workers=1, url=each) for each in (None, url))
    expected = [each.reward for each in here.score_all(ANSWERS)]
    assert [each.reward for each in there.score_all(ANSWERS)] == expected == [1.0, 0.5, 1.0, 0.0, 0.0, None]


def test_problems_of_a_benchmark_are_sent_with_their_tests(url):
    problems = load_benchmark("mini", ids=["0-9"]).problems
    scorer = Scorer("mini", url=url)
    answers = [(f"```python\n{each.solutions[0]}\n```", each.task_id) for each in problems]
    assert [each.reward for each in scorer.score_all(answers)] == [1.0] * 10


def test_a_server_that_is_not_there_at_first_is_the_users_mistake_and_is_named(monkeypatch):
    monkeypatch.setattr(remote.time, "sleep", lambda _: pytest.fail("waits for it"))
    with pytest.raises(
        InputError, match=r"^url http://127\.0\.0\.1:9: no rltf serve answers there \(.*refused"
    ):
        Scorer(url="http://127.0.0.1:9").score_all(ANSWERS[:1])


def test_a_server_that_goes_later_is_no_reward_and_is_named(url, monkeypatch):
    monkeypatch.setattr(remote.time, "sleep", lambda _: None)
    scorer = Scorer(url=url)
    scorer.service()
    monkeypatch.setattr(scorer.service(), "_url", "http://127.0.0.1:9/v1/grade")
    (scored,) = scorer.score_all(ANSWERS[:1])
    assert scored.reward is None
    assert re.match(r"http://127\.0\.0\.1:9/v1/grade: .*refused", scored.cause)


def test_an_address_of_no_server_of_ours_and_a_profile_that_it_lacks_are_refused_at_once(url):
    with pytest.raises(InputError, match="http://host:port"):
        RemoteService("localhost:80", "strict")
    with pytest.raises(InputError, match=r"profile 'nothing' is none of the server's \(strict, apps\)"):
        RemoteService(url, "nothing")
    with pytest.raises(InputError, match="is no rltf serve for us"):
        RemoteService(f"{url}/elsewhere", "strict")


def test_a_redirect_is_not_followed_so_the_token_goes_to_nobody_else(url, monkeypatch):
    class Redirects(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(307)
            self.send_header("Location", f"{url}{self.path}")
            self.end_headers()

    monkeypatch.setenv("RLTF_SERVE_TOKEN", "secret")
    with HTTPServer(("127.0.0.1", 0), Redirects) as server:
        Thread(target=server.handle_request).start()
        with pytest.raises(InputError, match=rf"status 307, a redirect to {url}/v1/info; give that address"):
            RemoteService(f"http://127.0.0.1:{server.server_port}", "strict")


def test_without_a_profile_the_benchmarks_own_is_taken(url):
    problem = load_benchmark("mini", ids=["0"]).problems[0]
    scorer = Scorer("mini", profile=None, url=url)
    answers = [(f"```python\n{problem.solutions[0]}\n```", problem.task_id)]
    assert [each.reward for each in scorer.score_all(answers)] == [1.0]


UNSENT = {
    "a checker": {"checker": CHECKER},
    "a preamble": {"preamble": "one = 1\n"},
    "an exact text": {"kind": TestKind.STDIN, "tests": [StdinTest("", "1.0\n")], "exact_text": True},
    "keys that are numbers": {"kind": TestKind.CALL, "tests": [CallTest([{1: 2}], 2)], "entry_point": "f"},
    "a value": {"entry_point": "f"},
}
"""Suites that no request can hold."""
PROGRAMS = {
    "a checker": "def f():\n    return 1.05\n",  # near enough for the checker alone
    "a preamble": "def f():\n    return one\n",
    "an exact text": "print(1.0)\n",
    "keys that are numbers": "def f(x):\n    return x[1]\n",
    "a value": "def f():\n    return 1\n",
}


def unsent(name, **changes):
    expected = '("near", 1, 0.1, "<")' if "checker" in UNSENT[name] else "1"
    row = {"kind": TestKind.ASSERTS, "tests": [ValueTest("f()", expected)]} | UNSENT[name] | changes
    suite = TestSuite.pack(row.pop("kind"), row.pop("tests"), **row)
    return Problem(f"own/{name}", "", load_suite=lambda: suite)


def own(**changes):
    problems = [unsent(name, **changes) for name in UNSENT]
    return Benchmark("own", "test", "1", problems, dataset_hash="own", source="made here")


def answers(benchmark):
    tasks = [each.task_id for each in benchmark.problems]
    return [(f"```python\n{PROGRAMS[task.removeprefix('own/')]}```", task) for task in tasks]


@pytest.mark.slow
def test_tests_that_cannot_be_sent_are_graded_where_the_server_has_their_benchmark(serving):
    benchmark = own()
    assert not any(remote.can_be_sent(problem.suite) for problem in benchmark.problems)
    rewards = [
        [each.reward for each in Scorer(benchmark, workers=1, url=where).score_all(answers(benchmark))]
        for where in (None, serving(benchmark))
    ]
    assert rewards == [[1.0] * len(UNSENT)] * 2


@pytest.mark.slow
def test_other_tests_under_the_same_name_are_refused(serving):
    there, here = own(), own(setup="x = 1")
    with pytest.raises(InputError, match="own/a checker has other tests here; use the same data"):
        Scorer(here, url=serving(there)).score_all(answers(here)[:1])


def test_a_server_without_the_benchmark_is_refused_before_a_program_is_sent(url, monkeypatch):
    monkeypatch.setattr(RemoteService, "submit", lambda *_: pytest.fail("was sent"))
    with pytest.raises(
        InputError, match=r"own/a checker can't be sent .* start it with --benchmark own:test"
    ):
        Scorer(own(), url=url).score_all(answers(own()))


def test_what_compresses_tests_has_no_part_in_their_comparison():
    suite = own().problems[0].suite
    other = replace(suite, packed=zlib.compress(zlib.decompress(suite.packed), level=0))
    assert other.digest != suite.digest
    assert other.content_digest == suite.content_digest
    assert own(setup="x = 1").problems[0].suite.content_digest != suite.content_digest


def test_a_digest_goes_with_a_task_id(client):
    body = {"programs": [{"code": "x = 1", "tests_digest": "0"}], "tests": PAIRS}
    answer = client.post("/v1/grade", json=body)
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "programs[0]: tests_digest goes with a task_id",
    )


def test_tests_are_the_same_when_they_have_been_sent():
    suites = [
        TestSuite.pack(TestKind.CALL, [CallTest([1, [2]], {"a": None})], entry_point="f", setup="x = 1"),
        read_tests(["assert f(1) == 2"]),
        read_tests(PAIRS),
    ]
    for suite in suites:
        assert remote.can_be_sent(suite)
        assert read_tests(json.loads(json.dumps(remote.tests_of(suite)))).digest == suite.digest


ROW = (
    b'{"outcomes": [{"task_id": "t", "sample_id": %d, "verdicts": {"%b": "passed"}, "tests": [],'
    b' "error": null, "infrastructure_error": null, "cached": false, "peak_memory_mib": 0,'
    b' "cpu_seconds": %b}]}'
)


@pytest.mark.parametrize(
    "answer",
    [
        b"[" * 100_000,
        b'{"outcomes": [{"sample_id": 0}]}',
        b'{"outcomes": []}',
        b"\xff",
        ROW % (1, b"strict", b"0"),
        ROW % (0, b"other", b"0"),
        ROW % (0, b"strict", b"1" * 400),
        None,
    ],
    ids=["deep", "no row", "none", "no text", "another program's", "another profile's", "endless", "cut"],
)
def test_an_answer_that_is_no_outcome_of_the_program_is_no_verdict(monkeypatch, answer):
    def asked(url, body, timeout):
        if body is None:
            return {"profiles": ["strict"], "benchmarks": []}
        if answer is None:
            raise http.client.IncompleteRead(b"")
        return json.loads(answer)

    monkeypatch.setattr(remote, "_asked", asked)
    monkeypatch.setattr(remote.time, "sleep", lambda seconds: None)
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "1")])
    problem = Problem("own/1", "", load_suite=lambda: suite)
    outcome = (
        remote.RemoteService("http://localhost:1", "strict").submit(Job("own/1", 0, "x", problem)).result()
    )
    assert outcome.verdicts == {"strict": "not_run"}
    assert outcome.infrastructure_error
