"""`GradingService`: every outcome to its asker, cancelling, failures, copies; rates are in `studies/`."""

import asyncio
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from harness import GradingService, Job, Limits, Problem, Runner, Status, TestSuite
from harness.errors import InputError
from harness.types import AssertTest, TestKind

SUITE = TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f(2) == 4")])
PROBLEM = Problem("squares/1", "Square a number.", load_suite=lambda: SUITE)
RIGHT, WRONG = "def f(x):\n    return x * x\n", "def f(x):\n    return x + 1\n"


def job(number: int, *, right: bool) -> Job:
    return Job("squares/1", number, f"{RIGHT if right else WRONG}# {number}\n", PROBLEM)


@pytest.fixture(scope="module")
def service():
    with GradingService(workers=2) as service:
        yield service


def test_threads_each_get_the_outcomes_of_their_own_jobs(service):
    def ask(number):
        outcome = service.submit(job(number, right=number % 3 == 0)).result(60)
        return outcome.sample_id, outcome.passed("strict")

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(ask, range(96)))
    assert answers == [(number, number % 3 == 0) for number in range(96)]


def test_coroutines_each_get_the_outcomes_of_their_own_jobs(service):
    async def ask(number):
        outcome = await service.grade(job(number, right=number % 2 == 0))
        return outcome.sample_id, outcome.passed("strict")

    async def everyone():
        return await asyncio.gather(*(ask(number) for number in range(64)))

    assert asyncio.run(everyone()) == [(number, number % 2 == 0) for number in range(64)]


def test_callers_that_use_the_same_ids_get_their_own_outcomes(service):
    futures = [service.submit(job(7, right=right)) for right in (True, False) * 8]
    verdicts = [future.result(60).passed("strict") for future in futures]
    assert verdicts == [True, False] * 8
    assert {future.result().sample_id for future in futures} == {7}


def test_outcomes_of_many_jobs_come_in_their_order_and_jobs_are_taken_as_they_are_consumed(
    service, monkeypatch
):
    monkeypatch.setattr("harness.service._WINDOW", 8)
    taken = []

    def jobs():
        for number in range(40):
            taken.append(number)
            yield job(number, right=True)

    outcomes = service.grade_all(jobs())
    assert next(outcomes).sample_id == 0
    assert len(taken) <= 9
    assert [outcome.sample_id for outcome in outcomes] == list(range(1, 40))


def test_a_job_that_is_cancelled_before_its_turn_is_not_run():
    class Held(Runner):
        def run(self, jobs, **options):
            started.wait(60)
            seen.extend(each for each in iter(lambda: next(jobs), None))
            yield from super().run(iter(seen), **options)
            yield from super().run(jobs, **options)

    started, seen = threading.Event(), []
    with Held(workers=1, profiles=("strict",)) as runner, GradingService(runner=runner) as service:
        first, second = service.submit(job(1, right=True)), service.submit(job(2, right=True))
        assert second.cancel()
        started.set()
        assert first.result(60).passed("strict")
    assert [each.code for each in seen] == [job(1, right=True).code]


def test_what_ends_the_runner_reaches_everybody_who_waits_and_the_next_job_gets_another(monkeypatch):
    failed = threading.Event()

    def start(self):
        if not failed.is_set():
            failed.set()
            raise InputError("no runner today")
        return enter(self)

    enter = Runner.__enter__
    monkeypatch.setattr(Runner, "__enter__", start)
    with GradingService(workers=1) as service:
        with pytest.raises(InputError, match="no runner today"):
            service.submit(job(1, right=True)).result(60)
        assert service.submit(job(1, right=True)).result(60).passed("strict")


def test_a_closed_service_takes_no_jobs_and_has_finished_those_it_took():
    service = GradingService(workers=1)
    futures = [service.submit(job(number, right=True)) for number in range(12)]
    service.close()
    assert all(future.done() and future.result().passed("strict") for future in futures)
    with pytest.raises(RuntimeError, match="closed"):
        service.submit(job(1, right=True))


def test_closing_with_cancel_leaves_no_future_without_an_answer():
    service = GradingService(workers=1)
    futures = [service.submit(job(number, right=True)) for number in range(500)]
    service.close(cancel=True)
    assert all(future.done() for future in futures)
    with pytest.raises((CancelledError, RuntimeError)):
        futures[-1].result()


def test_a_pickled_copy_has_the_settings_and_a_runner_of_its_own(service):
    copy = pickle.loads(pickle.dumps(GradingService(workers=1, limits=Limits(cpu_seconds=1.5))))
    with copy:
        assert copy.submit(job(3, right=True)).result(60).passed("strict")
        assert copy._runner.limits.cpu_seconds == 1.5
        assert copy._runner.workers == 1


def test_a_forked_copy_grades_and_the_parent_goes_on(service):
    assert service.submit(job(1, right=True)).result(60).passed("strict")
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if service.submit(job(2, right=True)).result(60).passed("strict") else 2
            service.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert service.submit(job(4, right=False)).result(60).verdicts["strict"] is Status.WRONG_ANSWER


def test_the_shared_service_is_one_for_equal_settings():
    first, second = GradingService.shared(workers=1), GradingService.shared(workers=1)
    other = GradingService.shared(workers=1, profiles=("apps",))
    assert first is second
    assert first is not other


def test_a_process_that_forgets_to_close_its_service_ends_all_the_same():
    code = (
        "from harness import GradingService, Job, Problem, TestSuite\n"
        "from harness.types import AssertTest, TestKind\n"
        "suite = TestSuite.pack(TestKind.ASSERTS, [AssertTest('assert f(2) == 4')])\n"
        "problem = Problem('p', '', load_suite=lambda: suite)\n"
        "service = GradingService.shared(workers=1)\n"
        "print(service.submit(Job('p', 0, 'f = lambda x: x * x', problem)).result().verdicts['strict'])\n"
        "service.submit(Job('p', 1, 'while True: pass', problem))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "passed"), done.stderr
