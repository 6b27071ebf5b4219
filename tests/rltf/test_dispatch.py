"""Batches on samplers that are slow, lost and started again; no cluster, and no clock."""

import random

import pytest
from cases import cases

from harness.errors import InfrastructureError, InputError
from rltf.rollout.dispatch import Dispatch, LostSamplerError

pytestmark = pytest.mark.filterwarnings("ignore:sampler . is")


class Simulated:
    """Samplers whose calls end in an order drawn from `seed`; `fate` says what becomes of each.

    `fate(sampler, batch)` is an error or None; a batch is None where a sampler is started again.
    """

    def __init__(self, seed, fate):
        self.draws, self.fate = random.Random(seed), fate
        self.calls: dict[int, tuple[int, object]] = {}
        self.restarts: list[tuple[int, bool]] = []
        self.computed: list[tuple[int, object]] = []

    def start(self, sampler, batch):
        assert sampler not in [of for of, _ in self.calls.values()], "two calls at once"
        handle = len(self.computed) + 1_000 * len(self.restarts) + 1_000_000 * len(self.calls)
        self.calls[handle] = sampler, batch
        self.computed.append((sampler, batch))
        return handle

    def restart(self, sampler, *, ended):
        self.restarts.append((sampler, ended))
        handle = -len(self.restarts)
        self.calls[handle] = sampler, None
        return handle

    def first_done(self, handles, seconds):
        ready = [each for each in handles if self.fate(*self.calls[each]) != "never"]
        return self.draws.choice(ready) if ready else None

    def result(self, handle):
        sampler, batch = self.calls.pop(handle)
        error = self.fate(sampler, batch)
        if error:
            raise error
        return f"result of {batch}"


def ended():
    return LostSamplerError("killed", ended=True)


def results(batches):
    return [f"result of {batch}" for batch in batches]


def each_time(*whens, error=ended):
    """Fails on the calls with these numbers."""
    count = iter(range(10**6))
    return lambda sampler, batch: error() if next(count) in whens else None


BATCHES = [f"batch {number}" for number in range(20)]


@cases("seed", range(6))
def test_results_come_in_the_order_of_the_batches_whichever_samplers_are_lost(seed):
    lost = random.Random(seed).sample(range(60), 8)
    samplers = Simulated(seed, lambda sampler, batch: None)
    dispatch = Dispatch(samplers, 3)
    failures = each_time(*lost)
    samplers.result = lambda handle, own=samplers.result: fail(samplers, handle, failures, own)
    assert list(dispatch.results(BATCHES)) == results(BATCHES)
    assert list(dispatch.results(BATCHES[:4])) == results(BATCHES[:4])
    assert samplers.restarts


def fail(samplers, handle, failures, own):
    error = failures(0, 0)
    if error:
        samplers.calls.pop(handle)
        raise error
    return own(handle)


def test_the_batch_of_a_lost_sampler_goes_to_another_while_it_is_started_again():
    fates = {(0, "a"): ended(), (0, None): "never"}
    samplers = Simulated(0, lambda sampler, batch: fates.get((sampler, batch)))
    with pytest.warns(UserWarning, match="sampler 0 is lost and started again .loss 1.: killed"):
        assert list(Dispatch(samplers, 2).results(["a", "b", "c"])) == results("abc")
    assert samplers.computed.count((1, "a")) == 1
    assert samplers.restarts == [(0, True)]


def test_a_sampler_whose_process_lives_is_ended_before_it_is_started_again():
    fates = [LostSamplerError("weights could not be pulled", ended=False), None, None]
    samplers = Simulated(0, lambda sampler, batch: fates.pop(0))
    samplers.first_done = lambda handles, seconds: handles[0]
    assert list(Dispatch(samplers, 1).results(["a"])) == ["result of a"]
    assert samplers.restarts == [(0, False)]


def test_programs_that_no_sampler_survives_end_training_in_a_line():
    samplers = Simulated(0, lambda sampler, batch: ended() if batch == "b" else None)
    with pytest.raises(
        InfrastructureError, match=r"3 samplers were lost on the same programs: killed; .*--resume"
    ):
        list(Dispatch(samplers, 4).results(["a", "b", "c"]))


def test_a_sampler_that_never_comes_back_is_waited_for_only_where_no_other_is_left():
    samplers = Simulated(0, lambda sampler, batch: "never" if batch is None else ended())
    with pytest.raises(InfrastructureError, match="no sampler is left: 2 were to be started again"):
        list(Dispatch(samplers, 2).results(["a", "b"]))


def test_a_sampler_that_is_lost_on_every_start_is_given_up():
    samplers = Simulated(0, lambda sampler, batch: ended())
    with pytest.raises(InfrastructureError, match="no sampler is left; start again"):
        list(Dispatch(samplers, 1).results(["a"]))
    assert len(samplers.restarts) == 2


def test_what_was_left_is_never_taken_for_the_next():
    samplers = Simulated(0, lambda sampler, batch: None)
    dispatch = Dispatch(samplers, 2)
    first = dispatch.results(["a", "b", "c", "d"])
    next(first)
    second = dispatch.results(["x", "y"])
    assert next(second) == "result of x"
    first.close()  # only now, as the garbage collector may
    assert list(second) == results("y")


def test_an_error_of_the_users_ends_the_question_and_not_the_samplers():
    samplers = Simulated(0, lambda sampler, batch: InputError("too long") if batch == "b" else None)
    dispatch = Dispatch(samplers, 2)
    with pytest.raises(InputError, match="too long"):
        list(dispatch.results(["a", "b", "c"]))
    assert list(dispatch.results(["x", "y", "z"])) == results("xyz")
    assert not samplers.restarts
