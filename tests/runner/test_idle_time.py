"""Idle time is what a process sleeps: not the wait for a processor, nor the time before it was made."""

import subprocess
import sys

import pytest

from harness.runner.sandbox import watchdog
from harness.runner.sandbox.watchdog import _Clock, _Seen


@pytest.fixture
def process():
    """Starts a process and waits for its first byte; it is ended after the test."""
    started = []

    def start(code):
        child = subprocess.Popen([sys.executable, "-c", f"print(flush=True)\n{code}"], stdout=subprocess.PIPE)
        started.append(child)
        child.stdout.read(1)
        return child.pid

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()


def clock_of(pid):
    """One that was started long ago."""
    clock = _Clock()
    clock._started -= 1000
    clock._looked -= 1000
    clock.look(pid, 0.0)
    assert clock.idle_so_far > 900
    return clock


def test_a_process_that_sleeps_is_idle(process):
    pid = process("import signal\nsignal.pause()")
    clock = clock_of(pid)
    while not clock.is_idle(pid, 0.0):  # until it has gone to sleep
        pass


def test_a_process_that_could_run_is_not(process):
    pid = process("while True: pass")
    assert not clock_of(pid).is_idle(pid, 0.0)


def test_a_process_has_not_been_idle_for_longer_than_it_lives(process):
    pid = process("import signal\nsignal.pause()")
    assert not clock_of(pid).is_idle(pid, 900.0)


@pytest.fixture
def looks(monkeypatch):
    """A clock that looks once a second, and sees what it is given."""
    now = [1000.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: now[0])
    clock = _Clock()

    def look(cpu, *, threads, total, waits):
        now[0] += 1.0
        seen = _Seen(threads, total, waits, age=now[0])
        monkeypatch.setattr(watchdog, "_seen", lambda _: seen)
        clock.look(1, cpu)
        return clock.idle_so_far

    return look


def test_threads_that_wait_for_each_other_now_and_then_buy_no_sleep(looks):
    for second in range(1, 11):
        idle = looks(0.01 * second, threads=200, total=2.0 * second, waits=False)
    assert idle == pytest.approx(10 - 0.1)


def test_threads_of_which_one_waits_at_each_look_are_busy(looks):
    for second in range(1, 11):
        idle = looks(0.1 * second, threads=4, total=1.0 * second, waits=True)
    assert idle == pytest.approx(0)


def test_what_one_thread_waited_for_counts_whether_it_waits_now_or_not(looks):
    for second in range(1, 11):
        idle = looks(0.1 * second, threads=1, total=0.8 * second, waits=second % 2 == 0)
    assert idle == pytest.approx(2)


def test_a_thread_that_ends_while_it_is_looked_at_hides_none_of_the_others(process, monkeypatch):
    pid = process("import signal\nsignal.pause()")
    listed = watchdog._threads
    monkeypatch.setattr(watchdog, "_threads", lambda pid: [*listed(pid), f"/proc/{pid}/task/0"])
    assert watchdog._seen(pid).threads == 1
