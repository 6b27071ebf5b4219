"""Many nodes that are slow, get lost and join: nothing is lost or doubled, memory is bounded. Without Ray."""

import pytest
from cases import cases
from fake_nodes import FakeCluster

from harness import Job, Problem, Runner, TestSuite
from harness.types import StdinTest, TestKind

SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")])
PROBLEM = Problem("task", "", load_suite=lambda: SUITE)


def graded(cluster):
    """Grade all programs: how many were taken and not answered, at most."""
    taken, most, outcomes = 0, 0, []

    def jobs():
        nonlocal taken
        for n in range(cluster.programs):
            taken += 1
            yield Job("task", n, f"print({n})", PROBLEM)

    with Runner(workers=cluster, profiles=("strict",)) as runner:
        for outcome in runner.run(jobs()):
            outcomes.append(outcome)
            most = max(most, taken - len(outcomes))
    assert sorted(outcome.sample_id for outcome in outcomes) == list(range(cluster.programs))
    for outcome in outcomes:
        assert outcome.verdicts["strict"] == ("passed" if outcome.sample_id % 3 else "wrong_answer")
    return most


@cases("losses", [0, 3])
def test_each_program_is_answered_once_whatever_nodes_are_lost(losses):
    cluster = FakeCluster(8, programs=400, losses=losses)
    graded(cluster)
    assert not cluster.loss_at
    assert losses or sum(cluster.graded.values()) == cluster.programs


@pytest.mark.slow
def test_256_nodes_of_which_40_are_lost():
    cluster = FakeCluster(256, programs=20_000, losses=40)
    graded(cluster)
    assert not cluster.loss_at


@cases("programs", [1000, 4000])
def test_what_is_in_flight_is_bounded_by_the_nodes_and_not_by_the_programs(programs):
    cluster = FakeCluster(4, programs=programs)
    most = graded(cluster)
    assert cluster.most_held <= 200 * 2 + 128  # chunks of a quarter of a second, of 800 programs a second
    assert most <= 4 * (cluster.most_held + 200)


def test_a_slow_driver_makes_no_smaller_chunks():
    cluster = FakeCluster(2, programs=2000)
    sizes = []
    sent = cluster.sent
    cluster.sent = lambda node, chunk: (sizes.append(len(chunk.tasks)), sent(node, chunk))
    graded(cluster)
    assert max(sizes) == 200
