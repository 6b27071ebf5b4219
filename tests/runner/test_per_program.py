"""What the kernel counts by user, and what processes share: limits of each program, or of its server."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.runner import cgroup as module
from harness.runner.cgroup import Cgroup
from harness.runner.sandbox import scratch
from harness.types import AssertTest, StdinTest, TestKind

THREADS = """
import _thread, threading
threading.stack_size(32768)
lock = _thread.allocate_lock()
lock.acquire()
count = 0
try:
    for _ in range(3000):
        _thread.start_new_thread(lock.acquire, ())
        count += 1
except RuntimeError:
    pass
print(count < 300)
"""


def test_threads_are_limited_whoever_started_the_runner(default_grader):
    layers = default_grader.runner.layers
    if layers["user namespace"] != "on" and layers.get("unprivileged user") != "on":
        pytest.skip(f"user namespace: {layers['user namespace']}, nor a user of the server's own")
    assert default_grader.script(THREADS, ("", "True")).verdicts["strict"] == "passed"
    default_grader.still_sane()


def test_started_by_root_programs_are_somebody_else(default_grader, processes):
    if os.getuid() != 0:
        pytest.skip("unprivileged user: not started by root")
    assert default_grader.runner.layers["unprivileged user"] == "on"
    (template, *_) = processes.templates(default_grader.runner)
    status = Path(f"/proc/{template}/status").read_text()
    users = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert len(set(users)) == 1
    assert users[0] != "0"
    code = "import os\nprint(os.getuid() == os.geteuid() != 0, os.getgid() != 0, os.getgroups())"
    assert default_grader.script(code, ("", "True True []")).verdicts["strict"] == "passed"


PIPES = """
import fcntl, os
count = larger = 0
try:
    while True:
        read, write = os.pipe()
        count += 1
        try:
            fcntl.fcntl(write, 1031, 1 << 20)
            larger += 1
        except OSError:
            pass
except OSError:
    pass
print(count < 32, larger)
"""


def test_pipes_are_few_and_cannot_be_made_larger(under_seccomp):
    assert under_seccomp.script(PIPES, ("", "True 0")).verdicts["strict"] == "passed"
    under_seccomp.still_sane()


SENDS = """
import fcntl, os, struct, time
file = open(os.__file__, "rb")
lock = struct.pack("hhqqi", 0, 0, 4711, 1, 0)  # a lock to read, of one byte
fcntl.fcntl(file, 6, lock)
time.sleep(1.5)
print(1)
"""
LOOKS = """
import fcntl, os, struct
file = open(os.__file__, "rb")
asked = struct.pack("hhqqi", 1, 0, 4711, 1, 0)
found = fcntl.fcntl(file, 5, asked)
print("free" if struct.unpack("hhqqi", found)[0] == 2 else "taken")
"""


@pytest.mark.slow
def test_no_lock_of_a_program_is_seen_by_another(under_seccomp, grader_of):
    limits = Limits(cpu_seconds=2.0)
    with Runner(1, limits) as first, Runner(1, limits) as second:
        sender = threading.Thread(target=lambda: grader_of(first).script(SENDS, ("", "1")))
        sender.start()
        time.sleep(0.5)
        outcome = grader_of(second).script(LOOKS, ("", "free"))
        sender.join()
    assert outcome.verdicts["strict"] == "passed", outcome


# Without the word that would send it to another server than its neighbours.
THIEF = """
def texts():
    try:
        1 / 0
    except ZeroDivisionError as error:
        frame = error.__traceback__.tb_frame
    while frame:
        yield from list(frame.f_locals.values())
        frame = frame.f_back
def sources(value, depth=0):
    if isinstance(value, str) and "def triple" in value and "def texts" not in value:
        yield value
    elif isinstance(value, dict) and depth < 6:
        for each in list(value.values()): yield from sources(each, depth + 1)
    elif isinstance(value, (list, tuple)) and depth < 6:
        for each in list(value): yield from sources(each, depth + 1)
others = []
for text in texts():
    for source in sources(text):
        names = {}
        try:
            exec(source, names)
            others.append(names["triple"])
        except BaseException:
            pass
def triple(n):
    votes = {}
    for each in others:
        answer = each(n)
        votes[answer] = votes.get(answer, 0) + 1
    return max(votes, key=votes.get) if votes else None
"""


@pytest.mark.slow
def test_no_thief_passes_by_the_majority_of_its_neighbours():
    suite = TestSuite.pack(TestKind.ASSERTS, [AssertTest(f"assert triple({n}) == {3 * n}") for n in (1, 4)])
    problem = Problem("task", "", load_suite=lambda: suite)
    right, wrong = "def triple(n): return 3 * n", "def triple(n): return n"
    codes = [f"{(right, wrong, right, THIEF)[n % 4]}  # {n}" for n in range(60)]
    with Runner(1) as runner:
        jobs = [Job("task", n, code, problem) for n, code in enumerate(codes)]
        passed = {outcome.sample_id for outcome in runner.run(jobs) if outcome.passed("strict")}
    assert passed == {n for n in range(60) if n % 4 in (0, 2)}


def test_the_interpreters_own_packages_cannot_be_read(under_landlock):
    code = (
        "import os\nfolder = os.path.dirname(os.__file__)\nfound = []\n"
        "for name in ('site-packages', 'dist-packages', '../dist-packages'):\n"
        "    try:\n        found += os.listdir(os.path.join(folder, name))\n"
        "    except OSError:\n        pass\n"
        "for name in ('/usr/lib/python3/dist-packages', '/usr/lib', '/usr/share'):\n"
        "    try:\n        found += os.listdir(name)\n    except OSError:\n        pass\nprint(found)"
    )
    assert under_landlock.script(code, ("", "[]")).verdicts["strict"] == "passed"


@pytest.mark.slow
def test_a_tree_of_any_depth_is_taken_apart_without_recursion(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.close(here)
        here = below
    os.close(here)
    (top / "0").mkdir()  # a name that the cleaner would choose
    (top / "0" / "kept").touch()
    (top / "link").symlink_to(tmp_path)
    assert scratch.clean(str(top))
    assert not os.listdir(top)
    assert tmp_path.exists()


DEEP = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nprint(1)"


@pytest.mark.slow
def test_a_deep_tree_costs_no_worker_and_stays_nowhere(grader_of):
    # On a disk that others use 3,000 folders take more than a second.
    with Runner(1, Limits(cpu_seconds=20.0)) as runner:
        grader = grader_of(runner)
        assert grader.script(DEEP, ("", "1")).verdicts["strict"] in ("passed", "runtime_error")
        grader.still_sane()


@pytest.mark.slow
@pytest.mark.parametrize("which", ["servers", "templates"])
def test_a_stopped_server_is_replaced_and_no_verdict_is_lost(which, grader_of, processes):
    with Runner(1, Limits(cpu_seconds=2.0)) as runner:
        grader = grader_of(runner)
        assert grader.script("print(1)", ("", "1")).verdicts["strict"] == "passed"
        for pid in getattr(processes, which)(runner):
            os.kill(pid, signal.SIGSTOP)
        assert grader.script("print(1) # again", ("", "1")).verdicts["strict"] == "passed"
        grader.still_sane()


def test_a_cgroup_limits_processes_where_one_can_be_had():
    group = Cgroup(0, processes=50, memory_mib=256)
    try:
        if "pids" not in group.limits:
            pytest.skip("cgroup: none with the controller `pids` can be made here")
        folder = Path(next(file for file in group.files if (Path(file).parent / "pids.max").exists())).parent
        assert (folder / "pids.max").read_text().strip() == "50"
    finally:
        group.close()
    assert not folder.exists()


def test_groups_of_workers_that_are_gone_are_swept_and_others_are_not(tmp_path, monkeypatch):
    gone, ours, other = tmp_path / "rltf-99999999-1", tmp_path / f"rltf-{os.getpid()}-1", tmp_path / "other"
    for folder in (gone, ours, other):
        folder.mkdir()
    monkeypatch.setattr(module, "_parents", lambda: {tmp_path: ["pids"]})
    module.sweep()
    assert (gone.exists(), ours.exists(), other.exists()) == (False, True, True)


@pytest.mark.slow
def test_a_server_that_needs_a_process_waits_where_pids_are_short(grader_of):
    """A cgroup for the whole runner, with room for it and little more: a bomb takes what there is."""
    group = Cgroup(1, processes=60, memory_mib=8192)
    if "pids" not in group.limits:
        group.close()
        pytest.skip("cgroup: none with the controller `pids` can be made here")
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest(f"{n}\n", f"{n + 1}\n") for n in range(5)])
    problem = Problem("task", "", load_suite=lambda: suite)
    pid = os.fork()
    if pid == 0:
        try:
            for file in group.files:
                Path(file).write_text("0")
            codes = [THREADS + f"# {n}" for n in range(3)] + [
                f"print(int(input()) + 1) # {n}" for n in range(20)
            ]
            jobs = [Job("task", n, code, problem) for n, code in enumerate(codes)]
            with Runner(1, Limits(cpu_seconds=2.0)) as runner:
                outcomes = list(runner.run(jobs))
            good = all(outcome.infrastructure_error is None for outcome in outcomes)
            right = sum(outcome.passed("strict") for outcome in outcomes)
            os._exit(0 if good and right == 20 else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(pid, 0)
    group.close()
    assert os.waitstatus_to_exitcode(status) == 0
