"""The grading service: every outcome to its asker, from threads, coroutines and copies; nothing left."""

import asyncio
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import CancelledError

import pytest

from harness import GradingService, Job, Limits, Problem, Runner, TestSuite
from harness.errors import InfrastructureError, InputError
from harness.types import Outcome, Status, StdinTest, TestKind

LIMITS = Limits(cpu_seconds=1.0, wall_factor=2.0)
SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "1\n")])
PROBLEM = Problem("echo", "", load_suite=lambda: SUITE)
CLIENTS = 64


def job(number):
    """A program unlike any other, right unless its number is a multiple of three; all ids are the same."""
    return Job("echo", 0, f"print({'input()' if number % 3 else 0})  # {number}", PROBLEM)


def is_of(outcome, number):
    return outcome.verdicts["strict"] == ("passed" if number % 3 else "wrong_answer")


@pytest.fixture(scope="module")
def service():
    with GradingService(workers=2, limits=LIMITS) as service:
        yield service


def test_sixty_four_threads_get_each_its_own_outcomes(service):
    wrong = []

    def client(first):
        wrong.extend(n for n in (first, first + CLIENTS) if not is_of(service.submit(job(n)).result(), n))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_sixty_four_coroutines_get_each_its_own_outcomes(service):
    async def client(first):
        return [is_of(await service.grade(job(n)), n) for n in (first, first + CLIENTS)]

    async def all_clients():
        return await asyncio.gather(*(client(number) for number in range(CLIENTS)))

    assert all(map(all, asyncio.run(all_clients())))


def test_outcomes_of_a_list_come_in_its_order_and_those_of_a_run_one_for_each(service):
    assert all(is_of(outcome, n) for n, outcome in enumerate(service.grade_all(map(job, range(40)))))
    jobs = [Job("echo", n, job(n).code, PROBLEM) if n != 5 else None for n in range(40)]
    assert sorted(o.sample_id for o in service.run(jobs)) == [n for n in range(40) if n != 5]


def test_a_program_is_executed_with_input_and_files(service):
    done = service.execute("print(input() + open('a').read())", "1\n", files={"a": "2"}).result()
    assert (done.status, done.tests[0].stdout) == ("ok", "12\n")
    with pytest.raises(InputError, match="not a plain name"):
        service.execute("", files={"../a": "2"})


class Held:
    """A runner that grades nothing before it is let go, and then what `answer` says."""

    def __init__(self, answer):
        self.answer, self.go, self.begun, self.seen = answer, threading.Event(), threading.Event(), []

    def run(self, jobs):
        self.seen += [job.code for job in jobs]
        self.begun.set()
        self.go.wait()
        yield from map(self.answer, jobs)


def passed(job):
    return Outcome(job.task_id, job.sample_id, {"strict": Status.PASSED})


def test_a_cancelled_program_is_not_started():
    runner = Held(passed)
    with GradingService(runner=runner) as service:
        first = service.submit(job(1))
        runner.begun.wait()
        second, third = service.submit(job(2)), service.submit(job(3))
        assert second.cancel()
        assert not first.cancel()  # it is running
        runner.go.set()
        assert third.result()
    assert runner.seen == [job(1).code, job(3).code]


def test_programs_with_the_same_ids_get_each_its_own_outcome_from_any_grader():
    def answer(job):
        verdict = Status.PASSED if "input" in job.code else Status.WRONG_ANSWER
        return Outcome(job.task_id, job.sample_id, {"strict": verdict})

    runner = Held(answer)
    runner.go.set()
    with GradingService(runner=runner) as service:
        assert all(is_of(outcome, n) for n, outcome in enumerate(service.grade_all(map(job, range(30)))))


def test_what_is_submitted_while_the_service_falls_asleep_wakes_it(monkeypatch):
    runner, futures, read = Held(passed), [], os.read
    runner.go.set()
    with GradingService(runner=runner) as service:

        def read_after_a_submission(descriptor, size):
            if descriptor == service._wake and len(futures) < 3:
                futures.append(service.submit(job(len(futures))))
            return read(descriptor, size)

        monkeypatch.setattr(os, "read", read_after_a_submission)
        assert service.submit(job(9)).result(timeout=60)
        while len(futures) < 3:
            assert service.submit(job(10)).result(timeout=60)
        assert all(future.result(timeout=60) for future in futures)


def test_an_error_of_the_runner_reaches_all_who_wait_and_all_who_come():
    def broken(job):
        raise InfrastructureError("workers die")

    runner = Held(broken)
    with GradingService(runner=runner) as service:
        futures = [service.submit(job(number)) for number in range(5)]
        runner.begun.wait()
        runner.go.set()
        for future in futures:
            with pytest.raises(InfrastructureError, match="workers die"):
                future.result()
        with pytest.raises(InfrastructureError, match="workers die"):
            service.submit(job(9)).result()


def test_a_grader_that_leaves_a_program_out_is_an_error_and_no_endless_wait():
    class Forgetful:
        def run(self, jobs):
            yield from ()

    with (
        GradingService(runner=Forgetful()) as service,
        pytest.raises(InfrastructureError, match="left out echo sample 0 and 0 more"),
    ):
        service.submit(job(2)).result(timeout=60)


def test_an_error_of_one_problem_is_its_askers_alone(service):
    def missing():
        raise KeyError("no tests")

    with pytest.raises(KeyError, match="no tests"):
        service.submit(Job("broken", 0, "", Problem("broken", "", load_suite=missing))).result()
    assert is_of(service.submit(job(100)).result(), 100)


def test_tests_that_have_no_digest_are_their_askers_trouble_alone(service):
    suite = TestSuite.pack(TestKind.CALL, [], entry_point=5)
    odd = service.submit(Job("odd", 0, "", Problem("odd", "", load_suite=lambda: suite)))
    with pytest.raises(TypeError):
        odd.result(timeout=60)
    assert is_of(service.submit(job(1)).result(timeout=60), 1)


def test_an_error_in_the_block_ends_the_service_at_once():
    with pytest.raises(KeyError), GradingService(workers=1, limits=LIMITS) as service:  # noqa: PT012 - all of it
        futures = [service.submit(job(number)) for number in range(200)]
        raise KeyError
    assert any(future.cancelled() or isinstance(future.exception(), CancelledError) for future in futures)
    with pytest.raises(RuntimeError, match="closed"):
        service.submit(job(1))


def test_the_end_of_a_block_waits_for_what_was_submitted():
    with GradingService(workers=1, limits=LIMITS) as service:
        futures = [service.submit(job(number)) for number in range(10)]
    assert all(is_of(future.result(timeout=0), number) for number, future in enumerate(futures))


def test_a_given_runner_lives_on():
    with Runner(workers=1, limits=LIMITS, profiles=("strict",)) as runner:
        for _ in range(2):
            with GradingService(runner=runner) as service:
                assert is_of(service.submit(job(1)).result(), 1)
        assert is_of(next(runner.run([job(2)])), 2)


@pytest.mark.slow
def test_a_pickled_copy_opens_a_service_of_its_own(service, tmp_path):
    copy = pickle.loads(pickle.dumps(service))
    with copy:
        assert is_of(copy.submit(job(1)).result(), 1)
        assert copy._runner is not service._runner
        assert copy._runner.limits == LIMITS
    assert is_of(service.submit(job(200)).result(), 200)


def test_a_forked_copy_opens_a_service_of_its_own_and_leaves_the_parents_alone(service):
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if is_of(service.submit(job(1)).result(), 1) else 2
            service.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert is_of(service.submit(job(300)).result(), 300)


def test_there_is_one_shared_service_for_the_same_options():
    first = GradingService.shared(1, LIMITS)
    assert GradingService.shared(1, LIMITS) is first
    assert GradingService.shared(1) is not first
    first.close()
    assert GradingService.shared(1, LIMITS) is not first


@pytest.mark.slow
def test_the_interpreters_end_leaves_no_process_behind():
    script = (
        "from harness import GradingService, Job, Problem, TestSuite\n"
        "from harness.types import StdinTest, TestKind\n"
        "if __name__ == '__main__':\n"
        "    suite = TestSuite.pack(TestKind.STDIN, [StdinTest('', '')])\n"
        "    service = GradingService.shared(1)\n"
        "    service.submit(Job('a', 0, '', Problem('a', '', load_suite=lambda: suite))).result()\n"
        "    print(service._runner._workers[0].worker.pid)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not os.path.exists(f"/proc/{int(done.stdout)}")
