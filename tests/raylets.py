"""A Ray cluster on this machine, made of raylets that are started, and killed, one by one.

Not `ray stop`, which ends processes by name: each raylet has a session of its own, which is killed. Raylets
listen on every interface, so what reaches them needs a token, as docs/ray.md has it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_UP_SECONDS = 240.0
_STORE_BYTES = 80 << 20


class Raylets:
    """Some nodes; the first is the head. A context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rl-", ignore_cleanup_errors=True)  # short: sockets
        self.folder = Path(self._folder.name)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        """For whatever is to connect."""
        self.nodes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Raylets:
        return self

    def __exit__(self, *_: object) -> None:
        for node in reversed(self.nodes):
            self.kill(node)
        self._folder.cleanup()

    def add(
        self, processors: int = 1, *, disk_mib: int | None = None, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a node; returns once it has joined.

        Args:
            processors: As Ray is told.
            disk_mib: Of a disk of its own for all its temporary files; see `fill_disk`.
            environment: Its, beyond `environment`.
        """
        log = self.folder / f"node{len(self.nodes)}.log"
        role = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        if self.nodes:
            role = [f"--address={self.address}"]
        ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", *role]
        options = [f"--num-cpus={processors}", f"--object-store-memory={_STORE_BYTES}", "--block"]
        own_disk = []
        if disk_mib is not None:
            mount = f'mount -t tmpfs -o size={disk_mib}m disk "$0" && exec "$@"'
            own_disk = ["unshare", "--mount", "sh", "-c", mount, str(self.folder)]
            environment = {"TMPDIR": str(self.folder), **environment}
        with log.open("wb") as output:
            node = subprocess.Popen(
                [*own_disk, *ray, *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self.environment, **environment},
                start_new_session=True,
            )
        self.nodes.append(node)
        end = time.monotonic() + _UP_SECONDS
        while b"Ray runtime started" not in log.read_bytes():
            assert node.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        return node

    def fill_disk(self, node: subprocess.Popen[bytes]) -> None:
        """Leave no byte on the node's own disk."""
        path = Path(f"/proc/{node.pid}/root/{self.folder}/fill")
        with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(1 << 12)):
                pass

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """As when a machine fails: all of the node's processes at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()
