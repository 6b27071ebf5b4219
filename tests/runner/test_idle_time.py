"""Which process is watched; and its idle time, which is what it sleeps, not its wait for a processor."""

import subprocess
import sys

import pytest

from harness.runner.sandbox import watchdog
from harness.runner.sandbox.job import Board, How, Job
from harness.runner.sandbox.watchdog import Allowed, TemplateLostError, Watch, _Clock, _Seen


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


def test_a_template_that_speaks_late_hides_no_process_of_another():
    board = Board()

    def say(how, number, pid):
        board.say_spawned(Job(number, how, 0, -1, *[-1] * 7), pid)

    say(How.SCRIPT | How.SHARED, 8, 108)
    say(How.IMPORT, 7, 107)  # made and ended before the script's was asked for
    assert board.spawned(How.SCRIPT, 8) == 108
    assert board.spawned(How.SCRIPT, 7) == board.spawned(How.IMPORT, 8) == 0
    say(How.SCRIPT, 9, (1 << 22) - 1)  # the highest that Linux gives
    assert board.spawned(How.SCRIPT, 9) == (1 << 22) - 1
    assert not board.unconfined


@pytest.mark.parametrize("strangers", [False, True])
def test_a_process_that_nobody_has_heard_of_is_not_waited_for_without_end(process, monkeypatch, strangers):
    template = process("import signal\nsignal.pause()")
    beats = []
    monkeypatch.setattr(watchdog, "SPAWNED_WITHIN_SECONDS", 0.05)
    ended = (template + 1, 0, None) if strangers else (0, 0, None)
    monkeypatch.setattr(watchdog.os, "wait4", lambda *_: ended)
    watch = Watch([template], lambda: beats.append(1), strangers=strangers)
    with pytest.raises(TemplateLostError):
        watch.wait(lambda: 0, Allowed(lambda used: 1.0, 0.001, 3.0, lambda used: False))
    assert strangers or beats
