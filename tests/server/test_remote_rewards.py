"""Rewards of trainers that grade at an `rltf serve` elsewhere are those that are graded here."""

import re
from concurrent.futures import Future

import pytest

from harness import Job, Limits, load_benchmark
from harness.errors import InputError
from harness.integrations import remote
from harness.integrations.ground_truth import read_tests
from harness.integrations.remote import RemoteService
from harness.integrations.scoring import Scorer
from harness.types import CallTest, Checker, Problem, StdinTest, TestKind, TestSuite

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


def test_what_cannot_be_sent_and_what_the_server_refuses_is_the_users_mistake(url):
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")], checker=Checker("a:b", "1"))
    with pytest.raises(InputError, match="grade in this process"):
        remote.tests_of(suite)
    with pytest.raises(InputError, match="http://host:port"):
        RemoteService("localhost:80", "strict")
    problem = Problem("x", "", load_suite=lambda: read_tests(PAIRS))
    future: Future = RemoteService(url, "nothing").submit(Job("x", 0, "1", problem, Limits()))
    with pytest.raises(InputError, match="profile"):
        future.result()


def test_tests_are_the_same_when_they_have_been_sent():
    suites = [
        TestSuite.pack(TestKind.CALL, [CallTest([1, [2]], {"a": None})], entry_point="f", setup="x = 1"),
        read_tests(["assert f(1) == 2"]),
        read_tests(PAIRS),
    ]
    for suite in suites:
        assert read_tests(remote.tests_of(suite)).digest == suite.digest
