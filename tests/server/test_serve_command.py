"""`rltf serve`: a port, a program, an orderly end; mistakes in one line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from rltf.cli import main

pytest.importorskip("prometheus_client")
pytest.importorskip("fastapi")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def called(port, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_a_server_grades_and_ends_in_order(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "rltf", "serve", "--port", str(port), "--workers", "1", "--no-cache"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            while True:
                try:
                    assert called(port, "/v1/ping") == "pong"
                    break
                except urllib.error.URLError:
                    assert server.poll() is None
                    time.sleep(0.1)
            answer = called(port, "/run_code", {"code": "print(6 * 7)", "language": "python"})
            assert answer["run_result"]["stdout"] == "42\n"
        finally:
            server.send_signal(signal.SIGINT)
            complaints = server.stderr.read()
    assert server.returncode == 0
    assert complaints.count("\n") == 1, complaints


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--benchmark", "nothing"], "nothing"),
        (["--profile", "nothing"], "nothing"),
        (["--token-file", "/nothing"], "--token-file"),
    ],
)
def test_a_mistake_is_one_line(capsys, arguments, complaint):
    assert main(["serve", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_a_port_that_is_taken_and_a_cache_that_is_none_are_one_line_before_anything_is_served(
    capsys, tmp_path
):
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--no-cache", "--workers", "1", "--port", port]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rltf: error: --port {port} of 127.0.0.1: Address already in use")
    assert main(["serve", "--cache", str(tmp_path / "file"), "--port", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "not usable as a verdict cache" in line
