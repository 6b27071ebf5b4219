"""Connecting to a cluster, and comparing its nodes: one line for each mistake. Without Ray."""

import pickle
import socket
import sys
import threading
from types import SimpleNamespace

import pytest
from cases import cases

from harness.cluster.connection import connect
from harness.cluster.node import rules
from harness.cluster.nodes import Node, RayNodes
from harness.cluster.plain import packed, unpacked
from harness.cluster.pool import NodePool
from harness.errors import InfrastructureError, InputError, IsolationError
from harness.runner.backend import info_here
from harness.types import ErrorInfo, Limits, Outcome, Status, TestOutcome

MISMATCH = """Version mismatch: The cluster was started with:
    Ray: 2.60.0
    Python: 3.11.7
This process on node 10.0.0.1 was started with:
    Ray: 2.59.0
    Python: 3.12.1
"""


@pytest.fixture
def ray(monkeypatch):
    """What stands for the package; its `init` raises `ray.error`."""
    fake = SimpleNamespace(is_initialized=lambda: False, error=None)

    def init(**_):
        if fake.error is not None:
            raise fake.error

    fake.init = init
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake


@pytest.fixture
def web_server():
    """Something that listens, and is no cluster; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'rltf-harness\[ray\]'"):
        connect("auto")


@cases("address", ["head", "head:", ":6379", "head:port", "head:70000", "ray://head:10001"])
def test_what_is_no_address_is_said_to_be_none(address, ray):
    with pytest.raises(InputError, match="an address is HOST:PORT"):
        connect(address)


def test_an_address_where_nothing_listens_is_said_at_once(ray):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match="nothing answers there"):
        connect(f"127.0.0.1:{port}")


def test_what_listens_and_is_no_cluster_is_said_to_be_none(web_server, ray):
    with pytest.raises(InputError, match="no Ray cluster"):
        connect(web_server)


@cases(
    "error, line",
    [
        (RuntimeError(MISMATCH), "the cluster has Ray 2.60.0 and Python 3.11.7, this process Ray 2.59.0 and"),
        (ConnectionError("Could not find any running Ray instance. Please"), "a node of no Ray cluster"),
        (RuntimeError("AuthenticationError: no token"), "the cluster wants a token: set RAY_AUTH_MODE"),
        (SystemExit(15), "SystemExit: 15"),
    ],
)
def test_what_ray_says_on_many_lines_is_said_on_one(error, line, ray):
    ray.error = error
    with pytest.raises(InputError, match=line) as raised:
        connect("auto")
    assert "\n" not in str(raised.value)


# --- nodes -----------------------------------------------------------------------------------------


def node(**differing):
    layers = differing.pop("layers", {"landlock": "on"})
    found = rules(("strict",)) | differing
    return SimpleNamespace(node=Node("ab12", "far (10.0.0.7)", 8), rules=found, info=info_here(layers))


POOL = NodePool(RayNodes(), Limits(), ("strict",))


@cases("differing", [{"Python": "CPython 3.0"}, {"numpy": "1.0"}, {"profile strict": "0"}])
def test_a_node_that_differs_in_what_a_verdict_depends_on_is_refused_by_name(differing):
    with pytest.raises(InfrastructureError, match=rf"node far \(10.0.0.7\) .* {next(iter(differing))} is"):
        POOL._check_rules(node(**differing))


def test_a_node_like_this_process_is_taken():
    POOL._check_rules(node())
    POOL._check_layers(node(), {"landlock": "on"})


def test_a_node_with_fewer_layers_is_refused_by_name():
    with pytest.raises(IsolationError, match=r"node far .* without landlock \(refused\)"):
        POOL._check_layers(node(layers={"landlock": "refused"}), {"landlock": "on"})


# --- what crosses ----------------------------------------------------------------------------------


def test_outcomes_cross_as_they_are():
    test = TestOutcome({"strict": Status.RUNTIME_ERROR}, ErrorInfo("KeyError", "'a'", 3), 0.5)
    outcome = Outcome("mbpp/1", 0, {"strict": Status.RUNTIME_ERROR}, (test,), test.error)
    assert unpacked(packed([(7, outcome)])) == [(7, outcome)]


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


def test_nothing_but_plain_data_is_read():
    assert pickle.loads(pickle.dumps(Status.PASSED)) is Status.PASSED
    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.exec is no plain data"):
        unpacked(packed([Harmful()]))
