"""What the tests of the runner share: a runner of small limits, short ways to grade, a look at processes."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import Job, Limits, Outcome, Problem, Runner, TestSuite
from harness.types import AssertTest, CallTest, StdinTest, TestKind

SEARCH = """
import ctypes, gc, re, sys
def find(pattern):
    # A pattern that does not match itself, so that the search does not find its own tools.
    needle = re.compile(pattern)
    seen, found = set(), []
    def walk(value, depth=0):
        if id(value) in seen or depth > 6: return
        seen.add(id(value))
        if isinstance(value, str) and needle.search(value): found.append(value)
        elif isinstance(value, bytes) and needle.search(value.decode("latin-1")): found.append(value)
        elif isinstance(value, dict): [walk(x, depth + 1) for pair in list(value.items()) for x in pair]
        elif isinstance(value, (list, tuple, set, frozenset)): [walk(x, depth + 1) for x in list(value)]
        elif hasattr(value, "__dict__"): walk(vars(value), depth + 1)
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_locals.items()) + list(frame.f_globals.items()):
            walk(value)
        frame = frame.f_back
    for value in gc.get_objects(): walk(value, 5)
    return found
def memory(halves):
    # All that is mapped near any object, and the heap: by a call that refuses what is not mapped.
    import os
    libc = ctypes.CDLL(None)
    libc.sbrk.restype = ctypes.c_void_p
    libc.sbrk.argtypes = [ctypes.c_ssize_t]
    libc.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    pipe_in, pipe_out = os.pipe2(os.O_NONBLOCK)
    needle = re.compile(halves[0] + b"[-]" + halves[1])  # the text itself is put together nowhere
    arenas = {id(o) >> 20 for value in gc.get_objects() for o in (value, *gc.get_referents(value))}
    arenas |= {arena + more for arena in set(arenas) for more in range(-32, 33)}  # mappings lie side by side
    pages = {(arena << 20) + offset for arena in arenas for offset in range(0, 1 << 20, 4096)}
    pages |= set(range((libc.sbrk(0) - (8 << 20)) // 4096 * 4096, libc.sbrk(0), 4096))
    hits = 0
    for address in pages:
        if libc.write(pipe_out, address, 4096) == 4096:
            hits += len(needle.findall(os.read(pipe_in, 4096)))
    return hits
"""


@pytest.fixture(scope="session")
def search() -> str:
    """Source of what looks for text in a program's own process: `find` in objects, `memory` in all bytes."""
    return SEARCH


class Grader:
    """A runner of one worker, so that each program meets what the one before it left."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def run(self, code: str, suite: TestSuite) -> Outcome:
        """Grade one program."""
        problem = Problem("task", "", load_suite=lambda: suite)
        (outcome,) = self.runner.run([Job("task", 0, code, problem)])
        assert outcome.infrastructure_error is None, outcome.infrastructure_error
        return outcome

    def script(self, code: str, *cases: tuple[str, str]) -> Outcome:
        """Grade a stdin program on `(input, expected output)`; by default on no input and no output."""
        tests = [StdinTest(*case) for case in cases or [("", "")]]
        return self.run(code, TestSuite.pack(TestKind.STDIN, tests))

    def prints(self, code: str) -> str:
        """Output of a program that is expected to end normally: found by what it is told apart from."""
        outcome = self.script(code + "\nimport sys; sys.stdout.flush()", ("", "held\n"))
        return str(outcome.verdicts["strict"].value)

    def call(self, code: str, entry_point: str, *cases: tuple[list[object], object]) -> Outcome:
        """Grade a program by calls of `entry_point`, on `(arguments, expected value)`."""
        tests = [CallTest(*case) for case in cases]
        return self.run(code, TestSuite.pack(TestKind.CALL, tests, entry_point=entry_point))

    def asserts(self, code: str, *sources: str, setup: str = "") -> Outcome:
        """Grade a program by asserts."""
        tests = [AssertTest(source) for source in sources]
        return self.run(code, TestSuite.pack(TestKind.ASSERTS, tests, setup=setup))

    def statuses(self, outcome: Outcome, profile: str = "strict") -> list[str]:
        """By test."""
        return [test.statuses[profile].value for test in outcome.tests]

    def still_sane(self) -> None:
        """Hold that nothing of the last program is left: no process, no file, no wrong verdict."""
        assert not programs_alive(self.runner)
        empty = 'import os\nprint(len(os.listdir(".")), input())'
        outcome = self.script(empty, ("a\n", "0 a\n"), ("b\n", "0 c\n"))
        assert self.statuses(outcome) == ["passed", "wrong_answer"], outcome
        outcome = self.asserts("def f(x): return x + 1", "assert f(1) == 2", "assert f(1) == 3")
        assert self.statuses(outcome) == ["passed", "wrong_answer"], outcome


def children(pid: int) -> list[int]:
    """Child processes, of any of its threads, a thread's oldest first; zombies excluded."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return [child for child in found if not _is_zombie(child)]


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def worker_pids(runner: Runner) -> list[int]:
    """Processes of the workers."""
    found = []
    for handle in runner._workers:
        with contextlib.suppress(ValueError):  # one that is being replaced at this moment is closed
            found.append(handle.worker.pid)
    return found


def server_pids(runner: Runner) -> list[int]:
    """Processes of the dispatchers: each below one that waits for it, in a pid namespace or not."""
    waiting = [child for worker in worker_pids(runner) for child in children(worker)]
    return [child for each in waiting for child in children(each)]


def template_pids(runner: Runner) -> list[int]:
    """Processes of the templates: the two oldest children of each dispatcher. Their numbers begin anew."""
    return [child for server in server_pids(runner) for child in children(server)[:2]]


def programs_alive(runner: Runner) -> list[int]:
    """Processes of programs: whatever a dispatcher has for children besides its templates."""
    return [child for server in server_pids(runner) for child in children(server)[2:]]


class Processes:
    """The look at the processes, as a fixture: tests can't import this file."""

    children = staticmethod(children)
    workers = staticmethod(worker_pids)
    servers = staticmethod(server_pids)
    templates = staticmethod(template_pids)
    programs = staticmethod(programs_alive)


@pytest.fixture(scope="session")
def processes() -> type[Processes]:
    """Which processes of a runner are alive."""
    return Processes


@pytest.fixture(scope="session")
def grader_of() -> type[Grader]:
    """For tests that need a runner of their own."""
    return Grader


@pytest.fixture(scope="session")
def words_of() -> Callable[..., list[str]]:
    """Runs source in an interpreter of its own, given the folder of `sandbox`; what it prints."""
    folder = Path(__file__).parents[2] / "harness" / "runner"

    def run(source: str, *args: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", source, str(folder), *args], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    """One worker, one second."""
    limits = Limits(cpu_seconds=1.0, load_cpu_seconds=1.0, wall_factor=2.0, memory_mib=512, output_mib=4)
    with Runner(workers=1, limits=limits) as runner:
        yield Grader(runner)


@pytest.fixture(scope="module")
def default_grader() -> Iterator[Grader]:
    """One worker, the limits of an evaluation."""
    with Runner(workers=1) as runner:
        yield Grader(runner)


def _under(grader: Grader, layer: str) -> Grader:
    state = grader.runner.layers[layer]
    if state != "on":
        pytest.skip(f"{layer}: {state}")  # the name first: `studies/fewer_layers.py` reads it
    return grader


@pytest.fixture
def under_seccomp(grader: Grader) -> Grader:
    """The same, for what seccomp alone stops."""
    return _under(grader, "seccomp")


@pytest.fixture
def under_landlock(grader: Grader) -> Grader:
    """The same, for what Landlock alone stops."""
    return _under(grader, "landlock")
