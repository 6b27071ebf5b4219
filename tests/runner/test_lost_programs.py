"""Programs that cost the grader its processes, and what becomes of them and of everybody else."""

import contextlib
import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.errors import InfrastructureError, IsolationError
from harness.run_store.journal import OutcomeFile
from harness.run_store.records import outcome_from_row, outcome_row
from harness.runner import pool
from harness.runner import retry as retrying
from harness.runner.backend import Task, WorkerStart
from harness.runner.lost_programs import lost_outcome
from harness.runner.worker_handle import LocalWorker
from harness.types import Benchmark, Outcome, Status, StdinTest, TestKind, TestOutcome
from rltf.rewards.feedback import feedback
from rltf.rewards.rltf import RewardConfig, raw_rewards

LIMITS = Limits(cpu_seconds=1.0, wall_factor=2.0)
SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "1\n"), StdinTest("2\n", "2\n")])
PROBLEM = Problem("echo", "", load_suite=lambda: SUITE)
DEADLY = Job("echo", "deadly", "import time\ntime.sleep(0.5)\nprint(input())", PROBLEM)
LOST = lost_outcome(Task(0, "echo", 0, "", ""), 2, ("strict", "apps"), "gone")


def right(number):
    return Job("echo", number, f"print(input())  # {number}", PROBLEM)


@contextlib.contextmanager
def killing(runner, processes, victim):
    """While the block runs, the server or worker of a program that sleeps for a moment is killed."""
    done = threading.Event()

    def kill():
        running = set()  # looked at twice: what is tried when a server starts is over by then
        while not done.wait(0.08):
            before, running = running, set()
            for worker in processes.workers(runner):
                for server in below(processes, worker):
                    programs = set(processes.children(server))
                    if any(is_asleep(pid) for pid in programs & before):
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(worker if victim == "worker" else server, signal.SIGKILL)
                    running |= programs

    def below(processes, worker):
        servers = processes.children(worker)
        return [child for server in servers for child in processes.children(server)]

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        done.set()
        killer.join()


def is_asleep(pid):
    """Whether the program is in time.sleep: servers wait for something else."""
    with contextlib.suppress(OSError):
        return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()
    return False


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["worker", "server"])
def test_a_program_that_is_lost_alone_too_has_failed_and_costs_nobody_else(processes, victim):
    # No program can do that, so the test does it for one: whenever it runs.
    with Runner(workers=1, limits=LIMITS) as runner:
        jobs = [*map(right, range(5)), DEADLY, *map(right, range(5, 10))]
        with killing(runner, processes, victim):
            outcomes = {outcome.sample_id: outcome for outcome in runner.run(jobs)}
        lost = outcomes.pop("deadly")
        assert {outcome.verdicts["strict"] for outcome in outcomes.values()} == {Status.PASSED}
        assert len(outcomes) == 10
        assert lost.infrastructure_error is None
        assert set(lost.verdicts.values()) == {Status.LOST}
        assert [test.statuses["strict"] for test in lost.tests] == [Status.LOST, Status.NOT_RUN]
        assert "at last alone" in lost.error.message
        assert lost.error.line is None
        (again,) = runner.run([DEADLY])
        assert (again.verdicts["strict"], again.cached) == (Status.PASSED, False)


@pytest.mark.slow
def test_a_program_that_is_lost_only_beside_others_is_graded_alone(processes, monkeypatch):
    monkeypatch.setattr("harness.runner.runner._MAX_LOSSES", 1)
    with Runner(workers=2, limits=LIMITS) as runner:
        first = runner._workers[0].worker.pid, runner._workers[1].worker.pid

        def kill():
            time.sleep(0.3)
            for pid in first:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        outcomes = list(runner.run([DEADLY, *map(right, range(20))]))
        killer.join()
    assert len(outcomes) == 21
    assert {(outcome.verdicts["strict"], outcome.infrastructure_error) for outcome in outcomes} == {
        (Status.PASSED, None)
    }


@pytest.mark.slow
def test_a_canary_that_fails_after_the_loss_leaves_an_infrastructure_error(processes, monkeypatch):
    with Runner(workers=1, limits=LIMITS) as runner:
        replace = runner._pool.replace
        trials = []

        def failing(worker, *, prove_all=False):
            trials.append(prove_all)
            if trials.count(True) > 1:
                raise IsolationError("the start-up check failed")
            return replace(worker, prove_all=prove_all)

        monkeypatch.setattr(runner._pool, "replace", failing)
        outcomes = []
        with (
            killing(runner, processes, "worker"),
            pytest.raises(IsolationError, match="start-up check failed"),
        ):
            outcomes.extend(runner.run([DEADLY]))  # which keeps what came before the error
        assert [outcome.infrastructure_error for outcome in outcomes] == ["the worker process ended"]


def test_a_lost_program_is_tried_again_by_the_next_session(tmp_path):
    rows = OutcomeFile(tmp_path / "outcomes.jsonl")
    rows.append(LOST)
    rows.close()
    rows = OutcomeFile(tmp_path / "outcomes.jsonl")
    assert not rows.is_graded(("echo", 0))
    passed = dict.fromkeys(("strict", "apps"), Status.PASSED)
    rows.append(Outcome("echo", 0, passed, (TestOutcome(passed),) * 2))
    assert rows.is_graded(("echo", 0))
    rows.close()


def test_a_row_that_makes_no_sense_is_made_again(tmp_path):
    path = tmp_path / "outcomes.journal.jsonl"
    for odd in ({"cpu_seconds": float("inf")}, {"verdicts": []}, {"tests": {}}, {"sample_id": []}):
        path.write_text(json.dumps(outcome_row(LOST) | odd) + "\n")
        assert ("echo", 0) not in OutcomeFile(tmp_path / "outcomes.jsonl")
    path.write_text(json.dumps(outcome_row(LOST)) + "\n")
    assert ("echo", 0) in OutcomeFile(tmp_path / "outcomes.jsonl")
    assert outcome_from_row(outcome_row(LOST)) == LOST


def test_a_lost_program_counts_as_failed_and_is_counted_apart():
    from harness.metrics.summary import Summary
    from harness.report.tables import remarks

    benchmark = Benchmark("toy", "test", version="1", problems=[PROBLEM], dataset_hash="", source="")
    summary = Summary(benchmark, ["strict", "apps"])
    passed = dict.fromkeys(("strict", "apps"), Status.PASSED)
    summary.add(LOST)
    summary.add(Outcome("echo", 1, passed, (TestOutcome(passed),) * 2))
    metrics = summary.metrics([1])
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == 0.5
    assert metrics["profiles"]["strict"]["overall"]["verdicts"] == {"lost": 1, "passed": 1}
    assert metrics["counts"]["lost_programs"] == 1
    assert any(sentence.startswith("1 programs cost the grader") for sentence in remarks(metrics))


def test_a_lost_program_blames_no_line_and_is_worth_no_more_than_an_error():
    said = feedback(LOST, "print(input())\n", profile="strict")
    assert (said.category, said.subtype, said.line) == ("error", "lost", None)
    assert raw_rewards(said, RewardConfig()).coarse == pytest.approx(-0.6)


# --- shortages ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_shortage_while_starting_is_waited_out_and_leaves_no_descriptor(monkeypatch):
    monkeypatch.setattr(retrying, "_FIRST_PAUSE_SECONDS", 0.001)
    failures = iter([BlockingIOError(11, "no process"), OSError(12, "no memory")] * 3)

    def scarce(*args, **options):
        for error in failures:
            raise error
        return LocalWorker(*args, **options)

    with Runner(workers=[scarce], limits=LIMITS) as runner:
        assert next(failures, None) is None
        assert len(list(runner.run(map(right, range(3))))) == 3


def test_a_worker_that_can_not_start_leaves_no_descriptor(monkeypatch):
    import multiprocess

    def refused(self):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(multiprocess.get_context("spawn").Process, "start", refused)
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            LocalWorker(WorkerStart(LIMITS, ["strict"]))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.slow
def test_a_lasting_shortage_is_one_line_and_closing_raises_nothing(monkeypatch):
    def refused(*args, **options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(pool, "SHORTAGE_ATTEMPTS", 2)
    runner = Runner(workers=[refused], limits=LIMITS)
    with pytest.raises(InfrastructureError, match="temporarily unavailable; raise the limit"):
        runner.__enter__()
    runner.close()


@pytest.mark.slow
def test_closing_raises_nothing_whatever_has_gone_before():
    with Runner(workers=1, limits=LIMITS) as runner:
        (handle,) = runner._workers
        os.kill(handle.worker.pid, signal.SIGKILL)
        handle.worker.close(at_once=True)
        handle.worker.close()


def test_what_is_retried_is_given_up_at_last_and_what_is_not_named_at_once(monkeypatch):
    monkeypatch.setattr(retrying, "_FIRST_PAUSE_SECONDS", 0.0)
    calls = []

    def failing(kind):
        calls.append(kind)
        raise kind

    with pytest.raises(ConnectionError):
        retrying.retried(lambda: failing(ConnectionError), {OSError: 3})
    assert len(calls) == 3
    with pytest.raises(KeyError):
        retrying.retried(lambda: failing(KeyError), {OSError: 3})
    assert len(calls) == 4


@pytest.mark.parametrize("cached", [False, True])
def test_tests_that_can_not_be_used_are_an_error_of_their_own_and_cost_no_worker(tmp_path, processes, cached):
    def unusable():
        suite = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "1\n")])
        return replace(suite, packed=b"what no version of ours has written")

    odd = Problem("odd", "", load_suite=unusable)
    jobs = [right(1), Job("odd", 0, "print(1)", odd), Job("odd", 1, "print(2)", odd), right(2)]
    with Runner(1, cache=tmp_path / "cache" if cached else None) as runner:
        workers = processes.workers(runner)
        outcomes = {(each.task_id, each.sample_id): each for each in runner.run(jobs)}
        assert processes.workers(runner) == workers
    assert [outcomes["echo", n].passed("strict") for n in (1, 2)] == [True, True]
    for number in (0, 1):
        found = outcomes["odd", number]
        assert "the tests of odd can't be used" in found.infrastructure_error
        assert not found.lost
