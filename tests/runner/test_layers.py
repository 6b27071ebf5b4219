# ruff: noqa: E501 - programs are clearer on their own lines than wrapped to ours
"""A fork server where layers are missing: it still runs programs, cleans up, and leaves nothing behind."""

import os
import signal
import stat
import time
from pathlib import Path

import pytest

from harness import Limits, TestSuite
from harness.runner import fork_server as module
from harness.runner.fork_server import ForkServer, ProgramRequest, ServerLostError
from harness.runner.seccomp import Filters
from harness.runner.split_suite import WarmImports, prepare
from harness.types import StdinTest, TestKind

LIMITS = Limits(cpu_seconds=5.0)
NAMESPACES = [
    "user namespace",
    "pid namespace",
    "network namespace",
    "ipc namespace",
    "read-only mounts",
    "unprivileged user",
]  # who could not read an interpreter under root's home, unmounted
SUITE = prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "")]))


@pytest.fixture(params=["no namespaces", "no seccomp", "neither"])
def server(request, monkeypatch):
    """One that lacks what the parameter says."""
    configuration = module._configuration
    if request.param != "no seccomp":
        without = {"without": NAMESPACES}
        monkeypatch.setattr(module, "_configuration", lambda *args: configuration(*args) | without)
    if request.param != "no namespaces":
        monkeypatch.setattr(module, "_seccomp_layer", lambda: (Filters(b"", b"", ()), {"seccomp": "missing"}))
    server = ForkServer(LIMITS, WarmImports.STDLIB, functions=False)
    yield server
    server.close()


def output(server, code):
    """What a program prints."""
    server.send([ProgramRequest(0, code, SUITE)])
    result = next(server.results())
    assert (result.last, result.retires) == (True, False)
    return result.run.stdout.decode()


def test_programs_run_one_after_the_other_in_an_empty_folder(server):
    for _ in range(3):
        assert output(server, "import os\nprint(os.listdir('.'))\nopen('left', 'w').close()") == "[]\n"
    assert server.layers["landlock"]


def test_cleaning_up_follows_no_link_out_of_the_folder(server, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kept").write_text("kept")
    mine.chmod(0o500)
    code = f"import os\nos.makedirs('d/e')\nos.symlink({str(mine)!r}, 'd/link')\nos.symlink({str(mine)!r}, 'link')\nos.mkdir('closed', 0)\n"
    assert output(server, code + "print(1)") == "1\n"
    assert output(server, "import os\nprint(os.listdir('.'))") == "[]\n"
    assert stat.S_IMODE(mine.stat().st_mode) == 0o500
    assert (mine / "kept").read_text() == "kept"


def test_a_program_ends_with_its_killed_server(server):
    server.send([ProgramRequest(0, "while True: pass", SUITE)])
    pids = set()
    for _ in range(200):
        pids |= set(_descendants(server._process.pid))
        time.sleep(0.01)
    assert pids
    os.kill(server._process.pid, signal.SIGKILL)
    with pytest.raises(ServerLostError):
        next(server.results())
    for _ in range(1000):
        if all(map(_gone, pids)):
            return
        time.sleep(0.01)
    raise AssertionError(f"still there: {[pid for pid in pids if not _gone(pid)]}")


def _descendants(pid):
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            yield child
            yield from _descendants(child)


def _gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_a_template_that_ends_before_it_is_ready_is_seen_at_once(monkeypatch):
    configuration = module._configuration

    def unusable(*args):
        found = configuration(*args)
        return found | {"limits": found["limits"] | {"memory_mib": 1 << 60}}  # no limit of the kernel's

    monkeypatch.setattr(module, "_configuration", unusable)
    # Not killed after half a minute of silence, which would be exit -9.
    with pytest.raises(ServerLostError, match=r"did not come up \(exit 1\)"):
        ForkServer(LIMITS, WarmImports.NONE, functions=False)
