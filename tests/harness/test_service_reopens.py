"""A grading service whose runner has ended by an error: who waits is told, the next program opens another."""

import pytest

from harness import GradingService, Job, Problem, TestSuite
from harness.errors import InfrastructureError, IsolationError
from harness.types import Outcome, Status, StdinTest, TestKind

SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "1\n")])
JOB = Job("echo", 0, "print(input())", Problem("echo", "", load_suite=lambda: SUITE))


class Mortal:
    """In place of the runner: those whose numbers are in `broken` end by an error."""

    opened: list
    broken: set
    layers_of = staticmethod(lambda number: {"seccomp": "on"})

    def __init__(self, **_):
        self.number, self.closed = len(self.opened), False
        self.layers = self.layers_of(self.number)
        self.opened.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def run(self, jobs):
        if self.number in self.broken:
            raise InfrastructureError(f"runner {self.number} is broken")
        for each in jobs:
            yield Outcome(each.task_id, each.sample_id, {"strict": Status.PASSED})


@pytest.fixture
def runners(monkeypatch):
    monkeypatch.setattr(Mortal, "opened", [], raising=False)
    monkeypatch.setattr(Mortal, "broken", {0}, raising=False)
    monkeypatch.setattr("harness.service.Runner", Mortal)
    return Mortal


def fails(service, error, match):
    """Whether a program is answered by this error; waits until the runner has ended, too."""
    with pytest.raises(error, match=match):
        service.submit(JOB).result(timeout=60)
    assert service._ended.wait(timeout=60)
    return True


def test_the_next_program_opens_another_runner(runners, monkeypatch):
    monkeypatch.setattr("harness.service._REOPEN_SECONDS", 0.0)
    with GradingService(workers=1) as service:
        assert fails(service, InfrastructureError, "runner 0 is broken")
        assert isinstance(service.broken, InfrastructureError)
        assert service.submit(JOB).result(timeout=60).passed("strict")
        assert service.broken is None
    assert [each.closed for each in runners.opened] == [True, True]


def test_a_machine_that_stays_broken_is_not_tried_without_a_pause(runners):
    with GradingService(workers=1) as service:
        assert fails(service, InfrastructureError, "runner 0 is broken")
        service._closed_until += 1000  # a test waits for no clock
        assert all(fails(service, InfrastructureError, "runner 0 is broken") for _ in range(20))
        assert len(runners.opened) == 1


def test_pauses_grow_until_a_program_is_graded(runners, monkeypatch):
    monkeypatch.setattr("harness.service._REOPEN_SECONDS", 1.0)
    monkeypatch.setattr("harness.service.time.monotonic", lambda: 0.0)
    runners.broken = {0, 1, 2, 4}
    pauses = []
    with GradingService(workers=1) as service:
        for _ in range(3):
            assert fails(service, InfrastructureError, "is broken")
            pauses.append(service._closed_until)
            service._closed_until = 0.0
        assert service.submit(JOB).result(timeout=60).passed("strict")
        runners.broken = {3, 4}
        assert fails(service, InfrastructureError, "runner 3 is broken")
        pauses.append(service._closed_until)
    assert pauses == [1.0, 2.0, 4.0, 1.0]


def test_no_runner_is_opened_again_with_less_isolation(runners, monkeypatch):
    monkeypatch.setattr("harness.service._REOPEN_SECONDS", 0.0)
    monkeypatch.setattr(
        runners, "layers_of", staticmethod(lambda number: {"seccomp": "refused" if number else "on"})
    )
    with GradingService(workers=1) as service:
        assert fails(service, InfrastructureError, "runner 0 is broken")
        assert fails(service, IsolationError, r"without seccomp \(refused\)")
        assert fails(service, IsolationError, "without seccomp")
        assert len(runners.opened) == 2
