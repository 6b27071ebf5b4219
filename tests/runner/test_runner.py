"""The host: every job one outcome, whatever dies; jobs taken as they are graded; nothing left running."""

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.errors import InputError
from harness.runner.backend import Task
from harness.runner.worker_handle import LocalWorker
from harness.types import Outcome, Status, StdinTest, TestKind

ROOT = Path(__file__).parents[2]
LIMITS = Limits(cpu_seconds=1.0, wall_factor=2.0)
SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "1\n"), StdinTest("2\n", "2\n")])
PROBLEM = Problem("echo", "", load_suite=lambda: SUITE)
EMPTY = Problem("empty", "", load_suite=lambda: TestSuite.pack(TestKind.STDIN, []))
WAIT_SECONDS = 60
"""How long a test waits for what must happen, before it says that it did not."""


def right(number):
    """A program that passes, unlike any other."""
    return Job("echo", number, f"print(input())  # {number}", PROBLEM)


def wrong(number):
    """A program that fails, unlike any other."""
    return Job("echo", number, f"print(1)  # {number}", PROBLEM)


def mixed(count):
    return [right(number) if number % 3 else wrong(number) for number in range(count)]


def check_mixed(outcomes, count):
    """Every job exactly one outcome, and the right one."""
    assert sorted(outcome.sample_id for outcome in outcomes) == list(range(count))
    for outcome in outcomes:
        expected = "passed" if outcome.sample_id % 3 else "wrong_answer"
        assert outcome.verdicts["strict"] == expected, outcome
        assert len(outcome.tests) == 2


def eventually(condition):
    """Whether the condition comes to hold."""
    for _ in range(WAIT_SECONDS * 20):
        if condition():
            return True
        time.sleep(0.05)
    return False


def gone(pid):
    """Whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def all_processes(runner, processes):
    """Workers, servers, and whatever waits between or runs below them."""
    found = set(processes.workers(runner))
    while True:
        more = found | {child for pid in found for child in processes.children(pid)}
        if more == found:
            return found
        found = more


@pytest.fixture(scope="module")
def runner():
    with Runner(workers=2, limits=LIMITS) as runner:
        yield runner


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_job_gets_one_right_outcome(workers):
    with Runner(workers=workers, limits=LIMITS) as runner:
        check_mixed(list(runner.run(mixed(60))), 60)
        check_mixed(list(runner.run(iter(mixed(20)))), 20)
        assert list(runner.run([])) == []


def test_identical_programs_are_run_once_and_answered_each(runner):
    jobs = [Job("echo", number, "print(input())", PROBLEM) for number in range(50)]
    outcomes = list(runner.run(jobs))
    assert sorted(outcome.sample_id for outcome in outcomes) == list(range(50))
    assert {outcome.verdicts["strict"].value for outcome in outcomes} == {"passed"}
    assert sum(outcome.cached for outcome in outcomes) > 0


def test_programs_alike_on_other_tests_are_told_apart(runner):
    other = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "2\n")])
    problems = [PROBLEM, Problem("other", "", load_suite=lambda: other)]
    jobs = [Job(p.task_id, n, "print(input())", p) for n in range(10) for p in problems]
    verdicts = Counter((o.task_id, o.verdicts["strict"].value) for o in runner.run(jobs))
    assert verdicts == {("echo", "passed"): 10, ("other", "wrong_answer"): 10}


def test_a_problem_without_tests_is_unscorable_and_costs_nothing(runner):
    (outcome,) = runner.run([Job("empty", 0, "print(1)", EMPTY)])
    assert outcome.unscorable
    assert outcome.infrastructure_error is None


def test_a_second_run_is_answered_from_disk(tmp_path):
    for cached in (False, True):
        with Runner(workers=1, limits=LIMITS, cache=tmp_path) as runner:
            outcomes = list(runner.run(mixed(20)))
            check_mixed(outcomes, 20)
            assert {outcome.cached for outcome in outcomes} == {cached}


@pytest.mark.slow
def test_other_limits_or_profiles_are_another_verdict(tmp_path):
    for options in ({"limits": LIMITS}, {"limits": Limits(cpu_seconds=2.0)}, {"profiles": ("strict",)}):
        with Runner(workers=1, cache=tmp_path, **options) as runner:
            assert {outcome.cached for outcome in runner.run(mixed(3))} == {False}


def test_a_cache_that_is_no_cache_is_an_input_error(tmp_path):
    (tmp_path / "verdicts.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(InputError, match=r"verdicts\.sqlite: .*remove it"):
        Runner(workers=1, cache=tmp_path)


def test_a_cache_that_breaks_on_the_way_is_an_input_error(tmp_path):
    with Runner(workers=1, limits=LIMITS, cache=tmp_path) as runner:
        list(runner.run(mixed(300)))
    path = tmp_path / "verdicts.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xee" * (len(data) - 4096)
    path.write_bytes(data)
    with (
        pytest.raises(InputError, match=r"verdicts\.sqlite: .*remove it"),
        Runner(workers=1, limits=LIMITS, cache=tmp_path) as runner,
    ):
        list(runner.run(mixed(300)))


def test_a_row_that_is_no_outcome_is_an_input_error(tmp_path):
    import sqlite3

    with Runner(workers=1, limits=LIMITS, cache=tmp_path) as runner:
        list(runner.run(mixed(3)))
    with sqlite3.connect(tmp_path / "verdicts.sqlite") as db:
        db.execute("UPDATE verdicts SET outcome = x'00'")
    with (
        pytest.raises(InputError, match=r"verdicts\.sqlite: .*remove it"),
        Runner(workers=1, limits=LIMITS, cache=tmp_path) as runner,
    ):
        list(runner.run(mixed(3)))


@pytest.mark.parametrize("same", [False, True])
def test_an_endless_source_of_jobs_is_taken_only_as_fast_as_it_is_graded(runner, same):
    taken = itertools.count()
    jobs = (
        Job("echo", next(taken), "print(input())" + "#" * (not same) * n, PROBLEM) for n in itertools.count()
    )
    outcomes = list(itertools.islice(runner.run(jobs), 10))
    assert len(outcomes) == 10
    # Two chunks a worker, and what waits for the same program.
    assert next(taken) < 10_000


def test_a_run_after_an_abandoned_one_is_whole(runner):
    for _ in range(3):
        jobs = (right(number) for number in itertools.count(1000))
        for _ in itertools.islice(runner.run(jobs), 10):
            pass
        check_mixed(list(runner.run(mixed(30))), 30)


def test_what_was_answered_in_one_message_is_counted_though_the_consumer_stops_within_it():
    # Once, the rest of such a message was lost, its worker taken for busy for ever, and the next run hung.
    outcome = Outcome("echo", 0, {"strict": Status.PASSED, "apps": Status.PASSED})
    with Runner(workers=1, limits=LIMITS) as runner:
        (handle,) = runner._workers
        handle.outstanding.update(
            {number: Task(number, "echo", number, "", SUITE.digest) for number in range(8)}
        )
        handle._chunks.append(8)
        poll = handle.worker.poll
        handle.worker.poll = lambda: [(number, outcome) for number in range(8)]
        for _ in handle.outcomes():
            break
        handle.worker.poll = poll
        assert not handle.outstanding
        assert handle.has_room()
        check_mixed(list(runner.run(mixed(30))), 30)


@pytest.mark.slow
def test_large_inputs_and_large_outputs_at_once_block_nobody():
    # Once, unread batches filled the pipe to the server while it was busy filling the one back.
    def job(number):
        text = f"{number}\n" + "x" * 55_000
        suite = TestSuite.pack(TestKind.STDIN, [StdinTest(text, text)] * 4)
        problem = Problem(f"large/{number}", "", load_suite=lambda: suite)
        code = "import sys\ntext = sys.stdin.read()\nsys.stdout.write(text * 40)"
        return Job(problem.task_id, number, code, problem)

    with Runner(workers=1, limits=LIMITS) as runner:
        list(runner.run(mixed(300)))  # so that many programs are handed to the worker at once
        runner._workers[0]._chunk_size = 12
        outcomes = list(runner.run(map(job, range(12))))
    assert sorted(outcome.sample_id for outcome in outcomes) == list(range(12))
    assert {outcome.verdicts["strict"] for outcome in outcomes} == {Status.WRONG_ANSWER}


@pytest.mark.slow
def test_a_run_after_one_abandoned_while_all_workers_were_busy_is_whole(runner):
    slow = (
        Job("echo", n, f"import time; time.sleep(0.1); print(input())  # {n}", PROBLEM) for n in range(40)
    )
    next(runner.run(slow))
    check_mixed(list(runner.run(mixed(30))), 30)


def test_an_error_in_the_source_of_jobs_reaches_the_caller_and_spares_the_runner(runner):
    def broken():
        yield from mixed(10)
        raise KeyError("no such sample")

    with pytest.raises(KeyError, match="no such sample"):
        list(runner.run(broken()))
    check_mixed(list(runner.run(mixed(10))), 10)


@pytest.mark.slow
def test_an_interrupt_in_the_consumer_ends_everything(processes):
    with pytest.raises(KeyboardInterrupt), Runner(workers=2, limits=LIMITS) as runner:  # noqa: PT012 - all of it matters
        for _ in runner.run(right(number) for number in itertools.count()):
            started = all_processes(runner, processes)
            raise KeyboardInterrupt
    assert len(started) >= 4
    assert eventually(lambda: all(map(gone, started)))


def test_a_runner_is_used_within_its_block_and_by_one_run_at_a_time(runner):
    with pytest.raises(RuntimeError, match="context manager"):
        next(Runner(workers=1).run(mixed(1)))
    first = runner.run(mixed(10))
    next(first)
    with pytest.raises(RuntimeError, match="already running"):
        next(runner.run(mixed(1)))
    first.close()
    check_mixed(list(runner.run(mixed(5))), 5)


@pytest.mark.slow
def test_a_run_that_outlives_its_block_says_so():
    with Runner(workers=1, limits=LIMITS) as runner:
        outcomes = runner.run(right(number) for number in itertools.count())
        next(outcomes)
    with pytest.raises(RuntimeError, match="outlived its runner"):
        list(outcomes)


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(workers):
    with pytest.raises(ValueError, match="workers must be at least 1"):
        Runner(workers=workers)


def test_an_unknown_profile_is_an_input_error():
    with pytest.raises(InputError, match="unknown profile 'lenient'"):
        Runner(profiles=("lenient",))


@pytest.mark.slow
def test_it_works_in_a_thread_and_two_at_once():
    results = {}

    def grade(name):
        with Runner(workers=1, limits=LIMITS) as runner:
            results[name] = list(runner.run(mixed(30)))

    main = sys.modules["__main__"]
    threads = [threading.Thread(target=grade, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outcomes in results.values():
        check_mixed(outcomes, 30)
    assert len(results) == 3
    assert sys.modules["__main__"] is main


# --- deaths ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["worker", "server"])
def test_killed_processes_of_ours_cost_no_outcome(processes, victim):
    dice = random.Random(victim)
    with Runner(workers=2, limits=LIMITS) as runner:
        started = set()
        done = threading.Event()

        def kill():
            for _ in range(8):
                if done.wait(dice.uniform(0.05, 0.3)):
                    return
                started.update(all_processes(runner, processes))
                if not all(handle.worker._info for handle in list(runner._workers)):
                    continue  # one is still starting; killed five times at that, it would be given up
                alive = processes.workers(runner) if victim == "worker" else processes.servers(runner)
                with contextlib.suppress(ProcessLookupError, IndexError):
                    os.kill(dice.choice(alive), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        outcomes = list(runner.run(mixed(1500)))
        done.set()
        killer.join()
        check_mixed(outcomes, 1500)
        started |= all_processes(runner, processes)
    assert eventually(lambda: all(map(gone, started)))


@pytest.mark.slow
def test_nothing_outlives_a_killed_host(started):
    script = f"""
import itertools, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from harness import Job, Problem, Runner, TestSuite
from harness.types import StdinTest, TestKind
suite = TestSuite.pack(TestKind.STDIN, [StdinTest("1\\n", "1\\n")])
problem = Problem("echo", "", load_suite=lambda: suite)
with Runner(workers=2) as runner:
    jobs = (Job("echo", n, f"while True: pass # {{n}}", problem) for n in itertools.count())
    print("ready", flush=True)
    for outcome in runner.run(jobs):
        pass
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = started([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert process.stdout.readline() == "ready\n"
    tree = set()

    def programs_run():
        found = {process.pid}
        while True:
            more = found | {child for pid in found for child in _children(pid)}
            if more == found:
                break
            found = more
        tree.update(found)
        return len(found) >= 7  # host, two workers, two servers, two programs; more with pid namespaces

    assert eventually(programs_run)
    process.kill()
    process.wait()
    assert eventually(lambda: all(map(gone, tree)))


def _children(pid):
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_ctrl_c_ends_a_script_and_all_it_started(started):
    script = """
import itertools
from harness import Job, Problem, Runner, TestSuite
from harness.types import StdinTest, TestKind
suite = TestSuite.pack(TestKind.STDIN, [StdinTest("1\\n", "1\\n")])
problem = Problem("echo", "", load_suite=lambda: suite)
with Runner(workers=2) as runner:
    print(*[handle.worker.pid for handle in runner._workers], flush=True)
    for outcome in runner.run(Job("echo", n, f"print(input()) # {n}", problem) for n in itertools.count()):
        pass
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = started(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        start_new_session=True,
    )  # fmt: skip
    workers = [int(pid) for pid in process.stdout.readline().split()]
    servers = [child for worker in workers for child in _children(worker)]
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does: to the workers as well
    _, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    assert eventually(lambda: all(map(gone, workers + servers)))


@pytest.mark.slow
def test_a_script_without_a_main_guard_can_use_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("""
from harness import Job, Problem, Runner, TestSuite
from harness.types import StdinTest, TestKind
print("start")
suite = TestSuite.pack(TestKind.STDIN, [StdinTest("1\\n", "1\\n")])
problem = Problem("echo", "", load_suite=lambda: suite)
with Runner(workers=2) as runner:
    for outcome in runner.run([Job("echo", 0, "print(input())", problem)]):
        print(outcome.verdicts["strict"].value)
""")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environment, check=True, timeout=120
    )
    assert done.stdout == "start\npassed\n"
    assert "Error" not in done.stderr


def test_no_folder_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", None)
    with Runner(workers=1, limits=LIMITS) as runner:
        check_mixed(list(runner.run(mixed(10))), 10)
        assert list(tmp_path.iterdir())
        os.kill(runner._workers[0].worker.pid, signal.SIGKILL)
        check_mixed(list(runner.run(mixed(10))), 10)
    with Runner(workers=1, limits=LIMITS):
        pass
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) <= 1, left  # of a worker that was ended just now: swept by the next


# --- starting -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_missing_layers_are_said_aloud(monkeypatch):
    ready = LocalWorker.wait_ready

    def without_landlock(self):
        ready(self)
        self._info = replace(self._info, layers=self._info.layers | {"landlock": "not in this kernel"})

    monkeypatch.setattr(LocalWorker, "wait_ready", without_landlock)
    with pytest.warns(
        UserWarning, match=r"less isolation than they could: .*landlock \(not in this kernel\)"
    ):
        Runner(workers=1, limits=LIMITS).__enter__().close()
