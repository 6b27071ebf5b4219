"""A source that has no job for the moment, and a run that another thread ends."""

import threading
import time

import pytest

from harness.runner import Runner
from harness.runner.worker_handle import LocalWorker
from harness.types import AssertTest, Job, Limits, Problem, TestKind, TestSuite

SUITE = TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f() == 1")])
PROBLEM = Problem("made/0", "", lambda: SUITE)


def _job(number: int, code: str = "def f(): return 1") -> Job:
    return Job("made/0", number, f"{code}\n# {number}", PROBLEM)


def test_what_a_source_gave_is_graded_before_it_gives_more():
    """The source waits for the outcome of the job before, for ever, if that were held back."""
    known: list[object] = []

    def jobs():
        for number in range(3):
            yield _job(number)
            for _ in range(1000):
                if len(known) > number:
                    break
                yield None
            assert len(known) == number + 1

    with Runner(workers=1) as runner:
        for outcome in runner.run(jobs()):
            known.append(outcome.sample_id)
    assert known == [0, 1, 2]


@pytest.mark.slow
def test_a_run_that_waits_for_a_slow_program_can_be_ended_from_another_thread():
    limits = Limits(cpu_seconds=60.0, load_cpu_seconds=60.0)
    with Runner(workers=1, limits=limits) as runner:
        found: list[object] = []
        endless = _job(0, "def f():\n    while True: pass")
        thread = threading.Thread(target=lambda: found.extend(runner.run([endless, _job(1)])))
        thread.start()
        time.sleep(0.3)
        runner.cancel()
        thread.join(30)
        assert not thread.is_alive()
        assert found == []


def test_no_more_workers_are_started_than_there_are_programs():
    started = []

    def factory(start):
        started.append(start)
        return LocalWorker(start)

    runner = Runner(workers=[factory] * 3, limits=Limits(cpu_seconds=1.0))
    runner.expect(1)
    with runner:
        (outcome,) = runner.run([_job(0)])
    assert outcome.passed("strict")
    assert (len(started), runner.describe()["workers"]) == (1, 1)
