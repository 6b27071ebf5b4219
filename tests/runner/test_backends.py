"""Workers that are no process of ours: any object that keeps to the protocol grades."""

import os
from dataclasses import replace

import pytest
from cases import cases

from harness import Job, Problem, Runner, TestSuite
from harness.compare import get_profiles
from harness.errors import InfrastructureError, IsolationError
from harness.runner.backend import WorkerLostError, info_here
from harness.runner.cache_key import Keys
from harness.types import Limits, Outcome, Status, StdinTest, TestKind

SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")])
PROBLEM = Problem("task", "", load_suite=lambda: SUITE)
INFO = info_here({"landlock": "on"})


class FakeWorker:
    """Answers every chunk at once: a program passes if it says so."""

    def __init__(self, start, info=INFO, dies_after=None):
        self.start, self.info, self.dies_after = start, info, dies_after
        self.answers, self.graded, self.closed = [], [], False
        self._read, self._write = os.pipe()

    def wait_ready(self):
        pass

    def submit(self, chunk):
        for task in chunk.tasks:
            self.graded.append(task.code)
            verdict = Status.PASSED if "right" in task.code else Status.WRONG_ANSWER
            outcome = Outcome(task.task_id, task.sample_id, {"strict": verdict})
            if "odd" in task.code:
                odd = {"infrastructure_error": "its tests can't be used", "unusable_tests": True}
                outcome = replace(outcome, verdicts={"strict": Status.NOT_RUN}, **odd)
            self.answers.append((task.number, outcome))
        os.write(self._write, b".")

    def poll(self):
        os.read(self._read, 1 << 16)
        if self.dies_after is not None and len(self.graded) > self.dies_after:
            raise WorkerLostError("unplugged")
        answers, self.answers = self.answers, []
        return answers

    def check_alive(self):
        pass

    def fileno(self):
        return self._read

    def close(self, *, at_once=False):
        if not self.closed:
            self.closed = True
            os.close(self._read)
            os.close(self._write)


class Factory:
    """Makes fakes, and remembers them."""

    def __init__(self, *options):
        self.options = list(options)
        self.made = []

    def __call__(self, start):
        options = self.options[min(len(self.made), len(self.options) - 1)] if self.options else {}
        self.made.append(FakeWorker(start, **options))
        return self.made[-1]


def jobs(count):
    return [Job("task", n, f"{'right' if n % 3 else 'wrong'} {n}", PROBLEM) for n in range(count)]


def check(outcomes, count):
    assert sorted(outcome.sample_id for outcome in outcomes) == list(range(count))
    for outcome in outcomes:
        assert outcome.verdicts["strict"] == ("passed" if outcome.sample_id % 3 else "wrong_answer")


def graded(factories, count, **options):
    with Runner(workers=factories, profiles=("strict",), **options) as runner:
        outcomes = list(runner.run(jobs(count)))
    check(outcomes, count)
    return outcomes


def test_any_worker_grades_and_all_are_closed():
    factories = [Factory(), Factory()]
    graded(factories, 50)
    assert all(factory.made[0].graded for factory in factories)
    assert all(worker.closed for factory in factories for worker in factory.made)


def test_tests_that_a_worker_says_can_not_be_used_are_final_and_not_tried_again():
    factory = Factory()
    with Runner(workers=[factory], profiles=("strict",)) as runner:
        (outcome,) = runner.run([Job("task", 0, "odd", PROBLEM)])
    assert (outcome.unusable_tests, outcome.infrastructure_error) == (True, "its tests can't be used")
    assert factory.made[0].graded == ["odd"]


def test_what_a_lost_worker_had_outstanding_is_graded_by_others():
    failing, good = Factory({"dies_after": 4}, {}), Factory()
    graded([failing, good], 60)
    assert len(failing.made) == 2
    assert failing.made[0].closed


def test_a_replacement_is_told_the_layers_that_it_must_have():
    failing = Factory({"dies_after": 4}, {})
    graded([failing], 30)
    assert [dict(worker.start.layers) for worker in failing.made] == [{}, {"landlock": "on"}]


@cases(
    "other",
    [{"python": "3.0.1"}, {"machine": "vax"}, {"packages": {"numpy": "0.1"}}, {"implementation": "PyPy"}],
)
def test_a_worker_of_other_versions_than_the_first_is_refused_by_name(other):
    factories = [Factory(), Factory({"info": replace(INFO, host="far", **other)})]
    with pytest.raises(InfrastructureError, match=r"the worker on far .* use workers with the same versions"):
        Runner(workers=factories, profiles=("strict",)).__enter__()
    assert all(worker.closed for factory in factories for worker in factory.made)


def test_a_worker_that_leaves_out_a_profile_is_refused_in_a_line_that_names_both():
    with (
        Runner(workers=[Factory({"info": replace(INFO, host="far")})], profiles=("strict", "apps")) as runner,
        pytest.raises(InfrastructureError, match=r"^the worker on far gave no verdict by apps: "),
    ):
        list(runner.run(jobs(3)))


def test_a_worker_with_fewer_layers_than_the_first_is_refused(monkeypatch):
    from harness.runner import retry

    monkeypatch.setattr(retry, "_FIRST_PAUSE_SECONDS", 0.0)
    factories = [Factory(), Factory({"info": replace(INFO, layers={"landlock": "refused"})})]
    with pytest.raises(IsolationError, match=r"without landlock \(refused\)"):
        Runner(workers=factories, profiles=("strict",)).__enter__()


def test_a_verdict_is_kept_under_the_versions_of_the_worker_and_not_of_the_host(tmp_path):
    far = {"info": replace(INFO, machine="vax", host="far")}
    assert {outcome.cached for outcome in graded([Factory(far)], 3, cache=tmp_path)} == {False}
    assert {outcome.cached for outcome in graded([Factory(far)], 3, cache=tmp_path)} == {True}
    assert {outcome.cached for outcome in graded([Factory()], 3, cache=tmp_path)} == {False}


def test_keys_of_a_local_worker_are_those_of_the_host():
    profiles = get_profiles(["strict"])
    assert Keys(Limits(), profiles).key("a", "b") == Keys(Limits(), profiles, info_here()).key("a", "b")


def test_the_manifest_tells_hosts_layers_and_packages_of_the_workers():
    far = Factory({"info": replace(INFO, host="far")})
    with Runner(workers=[Factory(), far], profiles=("strict",)) as runner:
        described = runner.describe()
    assert described["hosts"] == sorted({INFO.host, "far"})
    assert described["isolation"] == {"landlock": "on"}
    assert described["packages"] == INFO.packages
    assert described["workers"] == 2
