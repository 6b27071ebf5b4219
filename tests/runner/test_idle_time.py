"""Idle time is what a process sleeps: not the wait for a processor, nor the time before it was made."""

import subprocess
import sys

import pytest

from harness.runner.sandbox.watchdog import _Clock


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
