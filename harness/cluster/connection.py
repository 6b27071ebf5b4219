"""The connection to a Ray cluster: made at most once a process, with errors in one line.

Covers: Ray that is not installed, an address where nothing answers or something else does, another version of
Ray or Python, a token that is missing or wrong. Left to itself Ray waits for minutes, and logs, in each case.
Does not cover: what is done there (`pool` grades, `rltf.rollout.ray_samplers` samples); who may reach a
cluster's ports (docs/ray.md).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

from harness.errors import InputError

_REACH_SECONDS = 5.0
_JOIN_SECONDS = 60.0
"""A busy machine takes some 20 to start the driver's part."""
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""RFC 9113, section 3.4, with empty settings: what speaks gRPC, as Ray does, answers with its own."""


def import_ray() -> Any:
    """The package.

    Raises:
        InputError: If it is not installed; names the extra.
    """
    try:
        import ray  # noqa: PLC0415  # an extra, and it takes seconds
    except ImportError as error:
        raise InputError(f"--ray needs the package ray ({error}); pip install 'rltf-harness[ray]'") from None
    return ray


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """The package `ray`, connected within the block; left as it was found after it.

    A process has one connection: within one that exists, ours or its owner's, `address` is not looked at.

    Args:
        address: `HOST:PORT` of the cluster's head, or `auto` for the cluster that this machine is a node of
            (or `RAY_ADDRESS` names).

    Raises:
        InputError: If there is no connection to be had, in one line.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    connect(address)
    try:
        yield ray
    finally:
        ray.shutdown()


def connect(address: str) -> Any:
    """Connect this process, which then belongs to the cluster as a driver; returns the package.

    Raises:
        InputError: As `connected`.
    """
    ray = import_ray()
    if ray.is_initialized():
        return ray
    check_address(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    failures: list[BaseException] = []

    def join() -> None:
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except BaseException as error:
            failures.append(error)

    # In a thread: it can be given up, and Ray leaves the signal handlers of this process as they are.
    thread = threading.Thread(target=join, name="ray-init", daemon=True)
    thread.start()
    thread.join(_JOIN_SECONDS)
    if thread.is_alive():
        raise InputError(f"--ray {address}: it did not answer as a Ray cluster in {_JOIN_SECONDS:g} s")
    if failures:
        raise InputError(f"--ray {address}: {in_a_line(failures[0])}") from None
    _keep_back(ray)
    return ray


def check_address(address: str) -> None:
    """Refuse a cluster that is not there, as far as is known without a connection.

    Raises:
        InputError: As `connected`.
    """
    ray = import_ray()
    if address != "auto" and not ray.is_initialized():
        _check_reachable(address)


def _keep_back(ray: Any) -> None:
    """Have what Ray's servers say go to the logger `ray`: it comes on standard output, among our own lines.

    A paragraph for each process that ends, whatever `log_to_driver` says; `RAY_DEDUP_LOGS` only counts them.
    """
    logger = logging.getLogger("ray")
    with contextlib.suppress(AttributeError):  # a private name: without it the lines are where Ray puts them
        ray._private.worker.print_to_stdstream = lambda data, **_: logger.warning("\n".join(data["lines"]))


def _check_reachable(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 1 << 16) or "/" in host:
        raise InputError(
            f"--ray {address}: an address is HOST:PORT of the cluster's head, as `ray start` prints it,"
            " or auto"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS") == "1":
                return
            connection.sendall(_HTTP2_PREFACE)
            answer = connection.recv(len(_HTTP2_PREFACE))
    except OSError as error:
        raise InputError(
            f"--ray {address}: nothing answers there ({error.strerror or error}); is the cluster up, and its"
            " port open to this machine?"
        ) from None
    if answer[3:4] != b"\4":
        raise InputError(
            f"--ray {address}: what answers there is no Ray cluster; `ray start` prints the address"
        )


def in_a_line(error: BaseException) -> str:
    """What an error of Ray's, or of a node, says, without the traceback and the advice."""
    text = str(error)
    versions = re.findall(r"Ray: (\S+)\s+Python: (\S+)", text)
    if "Version mismatch" in text and len(versions) == 2:
        (ray_there, python_there), (ray_here, python_here) = versions
        return (
            f"the cluster has Ray {ray_there} and Python {python_there}, this process Ray {ray_here} and"
            f" Python {python_here}; use the same on every node"
        )
    for sign, meaning in _MEANINGS.items():
        if sign in text:
            return meaning
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    cause = [line for line in lines if line.startswith(("ModuleNotFoundError", "harness.errors.", "OSError"))]
    return (cause[-1:] or [f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__])[0]


_TOKENLESS = "the cluster wants a token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH as on its nodes"
_MEANINGS = {
    "uthentication": _TOKENLESS,
    "nauthenticated": _TOKENLESS,
    "Failed to connect to Ray": (
        "what answers takes no connection: has this process the cluster's token (RAY_AUTH_TOKEN_PATH)?"
    ),
    "Could not find any running Ray instance": (
        "this machine is a node of no Ray cluster; give the head's HOST:PORT, or run `ray start` first"
    ),
    "The actor died unexpectedly": (
        "its actor's process ended; Ray's logs there may say why, or there was no room for them (`df`)"
    ),
}
"""Of what Ray says, by a part of it."""
