# ruff: noqa: E501 - programs are clearer on their own lines than wrapped to ours
"""A fork server where layers are missing: it still runs programs, cleans up, and leaves nothing behind."""

import os
import signal
import socket
import stat
import tempfile
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
        leave_out_seccomp(monkeypatch)
    server = ForkServer(LIMITS, WarmImports.STDLIB, functions=False)
    yield server
    server.close()


@pytest.fixture
def unfiltered(monkeypatch):
    """One that lacks seccomp alone."""
    leave_out_seccomp(monkeypatch)
    server = ForkServer(LIMITS, WarmImports.STDLIB, functions=False)
    yield server
    server.close()


def leave_out_seccomp(monkeypatch):
    monkeypatch.setattr(module, "_seccomp_layer", lambda: (Filters(b"", b"", ()), {"seccomp": "missing"}))


def needs(layer, server):
    if server.layers[layer] != "on":
        pytest.skip(f"{layer}: {server.layers[layer]}")


def output(server, code):
    """What a program prints."""
    server.send([ProgramRequest(0, code, SUITE)])
    result = next(server.results())
    assert (result.last, result.retires) == (True, False)
    return result.run.stdout.decode()


def test_pages_are_pinned_whatever_layer_is_missing(server):
    with_all = ForkServer(LIMITS, WarmImports.STDLIB, functions=False)
    with_all.close()
    assert (server.shortcuts["pinned_bytes"] > 0) is (with_all.shortcuts["pinned_bytes"] > 0)


def test_programs_run_one_after_the_other_in_an_empty_folder(server):
    for _ in range(3):
        assert output(server, "import os\nprint(os.listdir('.'))\nopen('left', 'w').close()") == "[]\n"
    assert server.layers["landlock"]


def test_a_user_namespace_that_is_given_no_users_is_one_that_is_missing(monkeypatch):
    refused = "raise PermissionError(1, 'Operation not permitted')"
    change = f"import sandbox.namespaces as n\ndef write(pid, **texts): {refused}\nn._write = write\nmain()"
    monkeypatch.setattr(module, "_BOOT", module._BOOT.replace("; from", "\nfrom").replace("main()", change))
    server = ForkServer(LIMITS, WarmImports.STDLIB, functions=False)
    try:
        assert server.layers["user namespace"] != "on"
        assert output(server, "print(1)") == "1\n"
    finally:
        server.close()


def test_what_a_program_leaves_running_without_seccomp_ends_with_its_server(unfiltered):
    needs("pid namespace", unfiltered)
    unfiltered.send([ProgramRequest(0, "import os, time\nif not os.fork(): time.sleep(99)", SUITE)])
    assert next(unfiltered.results()).retires
    unfiltered._process.wait(30)
    assert not list(_descendants(unfiltered._process.pid))


def test_without_seccomp_sockets_of_the_network_lead_nowhere_and_those_with_a_path_do(unfiltered):
    """What SECURITY.md says is then open is open, and nothing more."""
    needs("network namespace", unfiltered)
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as network:
        os.chmod(folder, 0o755)
        local = socket.socket(socket.AF_UNIX)
        local.bind(f"{folder}/local")
        os.chmod(f"{folder}/local", 0o777)
        local.listen()
        code = (
            "import socket\n"
            f"for kind, name in ((socket.AF_INET, {network.getsockname()!r}), (socket.AF_UNIX, {folder + '/local'!r})):\n"
            "    try:\n        socket.socket(kind).connect(name)\n        print('reached')\n"
            "    except OSError:\n        print('nowhere')\n"
        )
        try:
            assert output(unfiltered, code).split() == ["nowhere", "reached"]
        finally:
            local.close()


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
