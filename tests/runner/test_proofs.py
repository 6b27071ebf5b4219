"""Every server of every worker proves its layers before it grades: each layer is taken away, and is missed.

A layer that is away and says so is found beside the first server's; one that is away and says it is on, by
the look from outside or by the canary's escape.
"""

import contextlib
import multiprocessing
import os
import pickle
import queue
import struct
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cases import cases

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.errors import IsolationError
from harness.runner import fork_server as server
from harness.runner import layer_check, self_check
from harness.runner import retry as retrying
from harness.runner import worker as worker_module
from harness.runner.backend import Chunk, Task, WorkerStart
from harness.runner.cgroup import Cgroup
from harness.runner.fork_server import ForkServer, ProgramRequest, Result, ServerLostError
from harness.runner.sandbox.protocol import record
from harness.runner.seccomp import Filters
from harness.runner.split_suite import WarmImports
from harness.runner.verdicts import ProcessResult
from harness.runner.worker_handle import LocalWorker
from harness.runner.worker_life import Heart
from harness.types import Status, StdinTest, TestKind

LIMITS = Limits(cpu_seconds=1.0, wall_factor=2.0)
SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "1\n")])
PROBLEM = Problem("echo", "", load_suite=lambda: SUITE)


@pytest.fixture
def worker(monkeypatch):
    """The inside of a worker, in this process, without its limits on itself."""
    monkeypatch.setattr(retrying, "_FIRST_PAUSE_SECONDS", 0.0)
    host, connection = multiprocessing.Pipe()
    beats = multiprocessing.Pipe(duplex=False)
    start = WorkerStart(LIMITS, ["strict", "apps"])
    arguments = worker_module.WorkerArguments(start, None, None, os.getpid(), of_main_thread=False)
    memory = SimpleNamespace(lifted=contextlib.nullcontext)
    worker = worker_module.GraderWorker(connection, arguments, memory, Heart(beats[1]))
    worker.host = host
    yield worker
    worker.close()
    for end in (host, connection, *beats):
        end.close()


@pytest.fixture(scope="module")
def layers():
    """Those that this machine has."""
    with Runner(workers=1, limits=LIMITS) as runner:
        return runner.layers


def answered(worker):
    """What the host was told."""
    data = os.read(worker.host.fileno(), 1 << 20)
    return pickle.loads(data[struct.calcsize(worker_module.FRAME) :])


def test_with_all_its_layers_a_server_of_each_kind_is_let_in(worker):
    worker._prove_all = True
    worker.start()
    assert set(worker._servers) == {(warm_imports, None) for warm_imports in WarmImports}
    assert answered(worker).layers == worker._wanted


def without_seccomp(monkeypatch):
    monkeypatch.setattr(server, "_seccomp_layer", lambda: (Filters(b"", b"", ()), {"seccomp": "on"}))


def configured(monkeypatch, **changes):
    """Have servers start with another configuration than they should."""
    configuration = server._configuration
    monkeypatch.setattr(server, "_configuration", lambda *args: configuration(*args) | changes)


def without_landlock(monkeypatch):
    configured(monkeypatch, readable=["/"])  # on, and in the way of nothing


def without_memory_limit(monkeypatch):
    configuration = server._configuration

    def changed(limits, *args):
        return configuration(limits, *args) | {"limits": configuration(limits, *args)["limits"] | UNLIMITED}

    monkeypatch.setattr(server, "_configuration", changed)


UNLIMITED = {"memory_mib": 1 << 20}


@pytest.mark.slow
@pytest.mark.parametrize(
    "taken",
    [("seccomp", without_seccomp), ("landlock", without_landlock), (None, without_memory_limit)],
    ids=["seccomp", "landlock", "memory"],
)
@pytest.mark.parametrize("kind", [WarmImports.NONE, WarmImports.NUMPY])
def test_a_layer_that_says_it_is_on_and_is_not_lets_nothing_be_graded(
    worker, layers, monkeypatch, taken, kind
):
    layer, take_away = taken
    if layer is not None and layers[layer] != "on":
        pytest.skip(f"{layer}: {layers[layer]}")
    if kind is not WarmImports.NONE:
        worker.start()  # the first server holds; the one that starts later does not
    take_away(monkeypatch)
    # Where memory is short, the kernel ends a server that no limit holds: nothing is graded then either.
    with pytest.raises((IsolationError, ServerLostError), match=r"start-up check|with less isolation"):
        worker._server((kind, None))
    assert (kind, None) not in worker._servers


def test_what_the_look_from_outside_finds_is_also_found_by_the_canary_alone(worker, layers, monkeypatch):
    if layers["seccomp"] != "on":
        pytest.skip(layers["seccomp"])
    monkeypatch.setattr(layer_check, "not_in_effect", lambda *_: [])
    without_seccomp(monkeypatch)
    with pytest.raises(IsolationError, match="an escape was graded wrong_answer"):
        worker._server((WarmImports.NONE, None))


@pytest.mark.parametrize("layer", layer_check._NAMESPACES)
def test_a_namespace_that_is_said_to_be_on_and_is_ours_is_found_from_outside(layers, layer):
    if layers[layer] != "on":
        pytest.skip(f"{layer}: {layers[layer]}")
    fork_server = ForkServer(LIMITS, WarmImports.NONE, functions=False)
    try:
        assert layer_check.not_in_effect(fork_server._process.pid, fork_server.layers) == []
    finally:
        fork_server.close()
    # This very process has none of them, nor has what it starts.
    sleeper = multiprocessing.get_context("fork").Process(target=threading.Event().wait)
    sleeper.start()
    try:
        found = layer_check.not_in_effect(sleeper.pid, {layer: "on"})
    finally:
        sleeper.kill()
        sleeper.join()
    assert layer in found


LEFT_OUT = {
    "user namespace": "clone = n.clone.clone; n.clone.clone = lambda flags: clone(flags & ~n.clone.NEWUSER)",
    "pid namespace": "clone = n.clone.clone; n.clone.clone = lambda flags: clone(flags & ~n.clone.NEWPID)",
    "network namespace": "unshare = n._unshare; n._unshare = lambda flag: flag == n._NEWNET or unshare(flag)",
    "ipc namespace": "unshare = n._unshare; n._unshare = lambda flag: flag == n._NEWIPC or unshare(flag)",
    "read-only mounts": "n._MOUNT_ATTR_RDONLY = 0",
    "unprivileged user": "n._become = lambda *_: None",
}
"""How a server goes without a layer. It says that it is on, but for the user namespace, which it finds to be
missing as it gives it users; without a pid namespace it ends by itself."""
LIMITS_OF = {
    "RLIMIT_NOFILE": "Max open files",
    "RLIMIT_NPROC": "Max processes",
    "RLIMIT_CORE": "Max core file size",
    "RLIMIT_FSIZE": "Max file size",
    "RLIMIT_AS": "Max address space",
}


def mutated(monkeypatch, change):
    """Have servers change their own code before they start; `n` is `namespaces`."""
    boot = server._BOOT.replace("main()", f"import sandbox.namespaces as n; {change}; main()")
    monkeypatch.setattr(server, "_BOOT", boot)


@pytest.mark.slow
@pytest.mark.parametrize("layer", LEFT_OUT)
def test_a_server_that_leaves_out_a_layer_lets_nothing_be_graded(worker, layers, monkeypatch, layer):
    if layers.get(layer) != "on":
        pytest.skip(f"{layer}: {layers.get(layer, 'not started by root')}")
    worker._wanted = layers
    mutated(monkeypatch, LEFT_OUT[layer])
    found = f"{layer}, not as it says|without {layer}|did not come up"
    with pytest.raises((IsolationError, ServerLostError), match=found):
        worker._server((WarmImports.NONE, None))


@pytest.mark.slow
@pytest.mark.parametrize("limit", LIMITS_OF)
def test_a_server_without_a_limit_lets_nothing_be_graded(worker, layers, monkeypatch, limit):
    if limit == "RLIMIT_NPROC" and layers["user namespace"] != "on":
        pytest.skip(f"user namespace: {layers['user namespace']}")
    unset = f"limit = n.libc.limit; n.libc.limit = lambda *a: a[0] == n.libc.{limit} or limit(*a)"
    mutated(monkeypatch, unset)
    with pytest.raises(IsolationError, match=f"{LIMITS_OF[limit]} is"):
        worker._server((WarmImports.NONE, None))


WITHOUT_WATCH = {
    "a loop": "look = w.Watch._looked_at; w.Watch._looked_at = lambda *a: (look(*a)[0], None)",
    "a sleeper": "w._Clock.is_idle = lambda *_: False",
}
"""Of a loop nothing is seen, not its idleness either: where the machine holds it up, that may end it."""


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT_WATCH)
def test_a_server_that_does_not_watch_lets_nothing_be_graded(worker, monkeypatch, name):
    watchdog = f"import sandbox.watchdog as w; {WITHOUT_WATCH[name]}"
    mutated(monkeypatch, watchdog)
    # A loop that ends late is run again by another server, which would be the same.
    found = f"{name} was graded|lost over the start-up check"
    with pytest.raises((IsolationError, ServerLostError), match=found):
        worker._server((WarmImports.NONE, None))


@pytest.mark.slow
def test_a_server_outside_of_the_cgroup_that_was_made_for_it_lets_nothing_be_graded(worker, monkeypatch):
    probe = Cgroup(0, processes=50, memory_mib=256)
    had = bool(probe.files)
    probe.close()
    if not had:
        pytest.skip("cgroup: none can be made here")
    mutated(monkeypatch, "import sandbox.forkserver as f; f.join = lambda group: None")
    with pytest.raises(IsolationError, match="cgroup, not as it says"):
        worker._server((WarmImports.NONE, None))


UNDER_A_FILTER = """
import os, signal, pyseccomp
from harness.runner import layer_check
pyseccomp.SyscallFilter(pyseccomp.ALLOW).load()
child = os.fork()
if not child:
    signal.pause()
print(*layer_check.not_in_effect(child, {"seccomp": "on"}))
os.kill(child, signal.SIGKILL)
"""


def test_a_filter_that_all_of_a_container_is_under_is_not_taken_for_ours(layers, words_of):
    if layers["seccomp"] != "on":
        pytest.skip(f"seccomp: {layers['seccomp']}")
    assert "seccomp" in words_of(UNDER_A_FILTER)


NO_NEW_PRIVS = "i.libc.calls.prctl(i.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)"
NO_CAPABILITIES = "i.libc.calls.capset(i.struct.pack('<Ii', i._CAPABILITY_VERSION_3, 0), bytes(24))"


@pytest.mark.parametrize(
    ("kept", "found"),
    [(NO_CAPABILITIES, "NoNewPrivs is 0"), (NO_NEW_PRIVS, "CapEff is")],
    ids=["no_new_privs", "capabilities"],
)
def test_a_server_that_keeps_a_privilege_lets_nothing_be_graded(worker, monkeypatch, kept, found):
    # Seccomp and Landlock are openly missing: without no_new_privs the kernel gives neither.
    monkeypatch.setattr(server, "_seccomp_layer", lambda: (Filters(b"", b"", ()), {"seccomp": "missing"}))
    configured(monkeypatch, without=["landlock", "unprivileged user"])
    mutated(
        monkeypatch, f"import sandbox.isolation as i; i.Confinement._drop_privileges = lambda self: {kept}"
    )
    with pytest.raises(IsolationError, match=found):
        worker._server((WarmImports.NONE, None))


@cases(
    "user, missing, refused",
    [
        (1000, ("landlock", "user namespace"), True),
        (1000, ("landlock",), False),
        (1000, ("user namespace",), False),
        (0, ("landlock", "user namespace"), False),
    ],
)
def test_where_programs_could_reach_into_the_judge_nothing_is_graded(
    worker, monkeypatch, user, missing, refused
):
    def lacking(*args, **options):
        server = ForkServer(*args, **options)
        server.layers |= {"landlock": "on", "user namespace": "on"} | dict.fromkeys(missing, "not there")
        return server

    monkeypatch.setattr(worker_module, "ForkServer", lacking)
    monkeypatch.setattr(worker_module.os, "geteuid", lambda: user)
    monkeypatch.setattr(layer_check, "not_in_effect", lambda *_: [])
    if refused:
        with pytest.raises(
            IsolationError, match=r"memory of the process that judges them \(landlock: not there"
        ):
            worker._server((WarmImports.NONE, None))
    else:
        worker._server((WarmImports.NONE, None))


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["seccomp", "landlock", *layer_check._NAMESPACES])
def test_a_server_with_fewer_layers_than_the_first_is_replaced_and_at_last_refused(
    worker, layers, monkeypatch, layer
):
    if layers[layer] != "on":
        pytest.skip(f"{layer}: {layers[layer]}")
    worker.start()
    started = []

    def lacking(*args, **options):
        fork_server = ForkServer(*args, **options)
        started.append(fork_server)
        if len(started) <= failures:
            fork_server.layers[layer] = "refused by the kernel"
        return fork_server

    monkeypatch.setattr(worker_module, "ForkServer", lacking)
    failures = 1
    worker._server((WarmImports.STDLIB, None))
    assert len(started) == 2
    worker._drop_server((WarmImports.STDLIB, None))
    failures = 100
    with pytest.raises(IsolationError, match=f"without {layer} \\(refused by the kernel\\)"):
        worker._server((WarmImports.STDLIB, None))
    assert len(started) == 5


def test_a_server_that_can_not_be_started_for_a_moment_is_waited_for(worker, monkeypatch):
    errors = iter([BlockingIOError(11, "no process"), OSError(12, "no memory"), OSError(24, "no descriptor")])

    def scarce(*args, **options):
        for error in errors:
            raise error
        return ForkServer(*args, **options)

    monkeypatch.setattr(worker_module, "ForkServer", scarce)
    worker.start()
    assert next(errors, None) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a right script", "a wrong script", "a right function", "an escape"])
def test_any_canary_that_comes_out_wrong_stops_the_worker(worker, monkeypatch, name):
    known = self_check.canaries

    def changed(*args):
        return [
            each if each.name != name else self_check.Canary(name, each.suite, each.code, Status.TIMED_OUT)
            for each in known(*args)
        ]

    monkeypatch.setattr(self_check, "canaries", changed)
    with pytest.raises(IsolationError, match=rf"{name} was graded \w+ under .* nothing was graded"):
        worker.start()


def test_a_cache_full_of_sound_verdicts_has_no_part_in_the_check(tmp_path, monkeypatch):
    with Runner(workers=1, limits=LIMITS, cache=tmp_path) as runner:
        assert len(list(runner.run([Job("echo", 0, "print(input())", PROBLEM)]))) == 1

    def refused(self):
        raise IsolationError("the start-up check failed: an escape")

    monkeypatch.setattr(LocalWorker, "wait_ready", refused)
    monkeypatch.setattr(retrying, "_FIRST_PAUSE_SECONDS", 0.0)
    with pytest.raises(IsolationError, match="an escape"):
        Runner(workers=1, limits=LIMITS, cache=tmp_path).__enter__()


def test_a_worker_with_fewer_layers_than_the_first_is_replaced_and_at_last_refused(
    layers, monkeypatch, processes
):
    layer = next((name for name in layers if layers[name] == "on"), None)
    if layer is None:
        pytest.skip(f"no layer is on: {layers}")
    monkeypatch.setattr(retrying, "_FIRST_PAUSE_SECONDS", 0.0)
    ready, workers = LocalWorker.wait_ready, []

    def fewer(self):
        ready(self)
        workers.append(self)
        if len(workers) > 1:
            self._info = replace(self._info, layers=self._info.layers | {layer: "refused"})

    monkeypatch.setattr(LocalWorker, "wait_ready", fewer)
    runner = Runner(workers=2, limits=LIMITS)
    with pytest.raises(IsolationError, match=rf"without {layer} \(refused\)"):
        runner.__enter__()
    assert len(workers) == 4
    assert not processes.workers(runner)


def test_a_program_knows_no_way_around_the_memory_limit_of_the_check():
    # So that the check means something: the same program under a limit that it keeps to is no such failure.
    (over,) = [each for each in self_check.canaries({}, LIMITS) if each.name == "too much memory"]
    small = over.code.replace(str(LIMITS.memory_mib + self_check._BEYOND_MIB), "16")
    with Runner(workers=1, limits=LIMITS) as runner:
        problem = Problem("held", "", load_suite=lambda: over.suite)
        outcomes = {
            o.sample_id: o
            for o in runner.run([Job("held", n, c, problem) for n, c in enumerate((over.code, small))])
        }
    assert outcomes[0].verdicts["strict"] is Status.OUT_OF_MEMORY
    assert outcomes[1].verdicts["strict"] is Status.WRONG_ANSWER


def test_a_program_whose_answer_cannot_be_made_is_answered_all_the_same(worker, monkeypatch):
    # Once it was forgotten, and its run waited for it for ever.
    def too_large(*_args, **_keywords):
        raise MemoryError

    monkeypatch.setattr(worker_module, "make_execution", too_large)
    worker.start()
    answered(worker)
    task = Task(7, "echo", 0, "print(input())", SUITE.digest, execute=True)
    worker.grade(Chunk((task,), {SUITE.digest: SUITE}))
    assert worker.host.poll()
    ((number, lost),) = answered(worker)
    assert (number, lost.infrastructure_error) == (7, "MemoryError")


def test_a_worker_that_can_not_take_what_the_host_says_ends_and_is_not_waited_for(monkeypatch):
    # Once the thread that reads ended alone, for want of memory, and the host waited for ever.
    class Connection:
        def recv_bytes(self):
            raise MemoryError

    class Ended(BaseException):
        pass

    def end(status):
        raise Ended

    monkeypatch.setattr(worker_module.os, "_exit", end)
    with pytest.raises(Ended):
        worker_module._read_chunks(Connection(), queue.SimpleQueue(), SimpleNamespace(close=lambda: None))


def test_of_what_a_graded_programs_processes_left_a_worker_keeps_the_numbers_alone(worker):
    # A hundred right answers of eight mebibytes each once filled its memory: the next was taken for wrong.
    prepared = worker._prepared(SUITE)
    run = ProcessResult(0, None, 0, 0.5, 1024, record(0.0, b""), b"1\n" + bytes(1 << 20))
    result = Result(1, run, 1, last=True, asks=False, so_far=False, over=0, retires=False)
    for execute, kept in ((False, 0), (True, len(run.stdout))):
        task = Task(1, "echo", 0, "print(input())", SUITE.digest, execute=execute)
        item = worker._pending(task, ProgramRequest(1, task.code, prepared, capture=execute))
        item.take(result)
        assert [(each.cpu, each.rss_kib, len(each.stdout)) for each in item.runs] == [(0.5, 1024, kept)]
