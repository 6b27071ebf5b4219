"""A worker ends with its host whatever either is doing, keeps to its memory, is replaced when it is stuck."""

import contextlib
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.runner import channels
from harness.runner import worker_handle as workers
from harness.runner import worker_life as life
from harness.types import CallTest, Status, StdinTest, TestKind

ROOT = Path(__file__).parents[2]
LIMITS = Limits(cpu_seconds=1.0, wall_factor=2.0)
SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "1\n")])
PROBLEM = Problem("echo", "", load_suite=lambda: SUITE)
END_SECONDS = 2
"""How long a worker may outlive its host."""
BUSY = {
    "in C code, with the interpreter's lock": "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    "in Python": "while True: pass",
    "asleep": "import time; time.sleep(1000)",
    "stopped": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
}
HOST = """
import multiprocessing, os, sys, threading, time
tied, of_main_thread, busy = sys.argv[1] == "tied", sys.argv[2] == "main", sys.argv[3]
tie, end = multiprocessing.Pipe(duplex=False)
host = os.getpid()
def start():
    if os.fork() == 0:
        end.close()
        if tied:
            from harness.runner.worker_life import end_with_host
            end_with_host(tie, host, of_main_thread=of_main_thread)
        os.write(1, b"%d\\n" % os.getpid())
        exec(busy)
if of_main_thread:
    start()
else:
    thread = threading.Thread(target=start)
    thread.start()
time.sleep(1000)
"""


def jobs(count):
    return [Job("echo", number, f"print(input())  # {number}", PROBLEM) for number in range(count)]


def all_pass(outcomes, count):
    assert sorted(outcome.sample_id for outcome in outcomes) == list(range(count))
    assert {(o.verdicts["strict"], o.infrastructure_error) for o in outcomes} == {(Status.PASSED, None)}


def gone(pid, seconds=END_SECONDS):
    """Whether a process comes to its end, in that time at most."""
    for _ in range(seconds * 50):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def child_of_killed_host(*args):
    """A process whose host is killed while it is busy."""
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, *args],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    child = int(host.stdout.readline())
    time.sleep(0.2)
    host.kill()
    host.wait()
    host.stdout.close()
    return child


# --- the host's end -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("thread", ["main", "another"])
@pytest.mark.parametrize("busy", BUSY)
def test_the_end_of_the_host_ends_a_worker_whatever_it_is_doing(busy, thread):
    assert gone(child_of_killed_host("tied", thread, BUSY[busy]))


@pytest.mark.slow
def test_without_its_tie_it_would_live_on():
    child = child_of_killed_host("free", "main", BUSY["in C code, with the interpreter's lock"])
    try:
        assert not gone(child, seconds=1)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_child_that_the_host_forks_holds_no_pipe_of_a_worker():
    with Runner(workers=1, limits=LIMITS) as runner:
        worker = runner._workers[0].worker
        pipes = {os.fstat(end.fileno()).st_ino for end in (worker.connection, worker._tie, worker._beats)}
        child = os.fork()
        if child == 0:
            held = set()
            for fd in os.listdir("/proc/self/fd"):
                with contextlib.suppress(OSError):
                    held.add(os.stat(f"/proc/self/fd/{fd}").st_ino)
            os._exit(len(pipes & held))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.slow
def test_a_runner_started_in_a_thread_outlives_the_thread():
    runner = Runner(workers=1, limits=LIMITS)
    thread = threading.Thread(target=runner.__enter__)
    thread.start()
    thread.join()
    try:
        worker = runner._workers[0].worker.pid
        all_pass(list(runner.run(jobs(5))), 5)
        assert runner._workers[0].worker.pid == worker
    finally:
        runner.close()


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_a_program_returns_does_not_take_more_memory_than_a_worker_may_have(processes):
    suite = TestSuite.pack(TestKind.CALL, [CallTest([1], 7)], entry_point="f")
    problem = Problem("huge", "", load_suite=lambda: suite)
    codes = [
        "from collections import deque\nd = deque()\ndef f(x): return [d] * 1300000",
        "def f(x): return 7",
    ]
    with Runner(workers=1, limits=Limits(cpu_seconds=4.0)) as runner:
        outcomes = {
            o.sample_id: o for o in runner.run([Job("huge", n, c, problem) for n, c in enumerate(codes)])
        }
        (worker,) = processes.workers(runner)
        status = Path(f"/proc/{worker}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0])
    assert outcomes[0].infrastructure_error is None
    assert outcomes[0].verdicts["strict"] is not Status.PASSED
    assert outcomes[1].verdicts["strict"] is Status.PASSED
    assert peak < life.DATA_MIB << 10


@pytest.mark.slow
def test_a_server_does_not_inherit_the_workers_limit(processes):
    with Runner(workers=1, limits=LIMITS) as runner:
        (worker,) = processes.workers(runner)
        own = resource.prlimit(worker, resource.RLIMIT_AS)[0]
        assert 0 < own < 2 * life.DATA_MIB << 20
        below = processes.children(worker)
        assert below
        assert own not in [resource.prlimit(pid, resource.RLIMIT_AS)[0] for pid in below]


# --- beats ----------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """A host that takes a worker for lost after two seconds."""
    monkeypatch.setattr(workers, "_SILENT_SECONDS", 2.0)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_a_worker_that_is_stopped_is_replaced_and_no_verdict_is_lost():
    with Runner(workers=2, limits=LIMITS) as runner:
        run = runner.run(jobs(400))
        outcomes = [next(run)]
        stopped = runner._workers[0].worker.pid
        os.kill(stopped, signal.SIGSTOP)
        outcomes += run
        assert stopped not in [handle.worker.pid for handle in runner._workers]
    all_pass(outcomes, 400)
    assert gone(stopped)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_neither_a_long_program_nor_a_slow_consumer_costs_a_worker():
    with Runner(workers=1, limits=Limits(cpu_seconds=1.0, wall_factor=6.0)) as runner:
        worker = runner._workers[0].worker.pid
        outcomes = []
        slow = Job("echo", 0, "import time\ntime.sleep(4)\nprint(input())", PROBLEM)
        for outcome in runner.run([slow, *jobs(30)[1:]]):
            outcomes.append(outcome)
            if len(outcomes) in {2, 20}:
                time.sleep(4)
        assert runner._workers[0].worker.pid == worker
    all_pass(outcomes, 30)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_ended_from_outside_is_replaced(number):
    with Runner(workers=2, limits=LIMITS) as runner:
        run = runner.run(jobs(200))
        outcomes = [next(run)]
        os.kill(runner._workers[1].worker.pid, number)
        outcomes += run
    all_pass(outcomes, 200)


def test_silence_is_counted_by_looks_and_not_by_the_clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(channels.time, "monotonic", lambda: now[0])
    beats, worker = multiprocessing.Pipe(duplex=False)
    pulse = channels.Pulse(beats)
    now[0] = 600.0  # the host was stopped, or the machine asleep
    assert pulse.silence() <= 0.5
    for _ in range(10):
        now[0] += 0.2
        silence = pulse.silence()
    assert silence == pytest.approx(2.5)
    os.write(worker.fileno(), b"...")
    assert pulse.silence() == 0
    for end in (beats, worker):
        end.close()


@pytest.mark.parametrize("busy", [True, False])
def test_a_heart_beats_while_the_worker_waits_and_not_while_it_gets_nowhere(monkeypatch, busy):
    monkeypatch.setattr(life, "_STUCK_CPU_SECONDS", 0.2)
    monkeypatch.setattr(life, "BEAT_SECONDS", 0.05)
    host, beats = multiprocessing.Pipe(duplex=False)
    os.set_blocking(host.fileno(), False)
    heart = life.Heart(beats)
    heart.start()
    end = time.thread_time() + 0.4
    while busy and time.thread_time() < end:
        pass
    if busy:
        os.read(host.fileno(), 1 << 16)  # the beats before it was stuck
        time.sleep(0.5)
        with pytest.raises(BlockingIOError):
            os.read(host.fileno(), 1 << 16)
        heart.mark()
    time.sleep(0.5)
    assert os.read(host.fileno(), 1 << 16)
    host.close()  # the thread ends at its next beat
    time.sleep(0.2)
    beats.close()
