"""A cluster of raylets on this machine: the same verdicts as without it, whatever becomes of its nodes."""

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from raylets import Raylets

from harness import load_benchmark
from rltf.cli import main

pytest.importorskip("ray")
pytestmark = pytest.mark.slow
WAIT_SECONDS = 400


@pytest.fixture(scope="module")
def cluster():
    with Raylets() as raylets:
        raylets.add()
        yield raylets


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Half of them right; no two alike."""
    path = tmp_path_factory.mktemp("programs") / "programs.jsonl"
    with path.open("w") as file:
        for problem in load_benchmark("mini", ids=["0-29"]).problems:
            for n in range(20):
                code = f"{problem.solutions[0]}\n# {n}" if n % 2 else f"print({n})"
                file.write(json.dumps({"task_id": problem.task_id, "sample_id": n, "code": code}) + "\n")
    return path


def command(programs, out, *more):
    return [
        "score",
        str(programs),
        "--benchmark",
        "mini",
        "--ids",
        "0-29",
        "--no-cache",
        "--out",
        str(out),
        *more,
    ]


@pytest.fixture(scope="module")
def local(programs, tmp_path_factory):
    out = tmp_path_factory.mktemp("local")
    assert main(command(programs, out, "--workers", "2")) == 0
    return out


def start(cluster, programs, out, *more):
    words = [sys.executable, "-m", "rltf", *command(programs, out, "--ray", cluster.address, *more)]
    return subprocess.Popen(words, env=cluster.environment, stderr=subprocess.PIPE, text=True)


def graded(out):
    """Lines of the outcomes that are there."""
    return sum(path.read_bytes().count(b"\n") for path in out.glob("outcomes*.jsonl"))


def wait_until(condition, driver):
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)


def verdicts(out):
    rows = [json.loads(line) for line in (out / "outcomes.jsonl").read_text().splitlines()]
    found = {(row["task_id"], row["sample_id"]): row["verdicts"] for row in rows}
    assert len(found) == len(rows)  # each is recorded once
    return found


def check_same(out, local):
    assert (out / "metrics.json").read_bytes() == (local / "metrics.json").read_bytes()
    assert verdicts(out) == verdicts(local)


def test_a_node_is_killed_and_another_joins(cluster, programs, local, tmp_path):
    second = cluster.add()
    driver = start(cluster, programs, tmp_path)
    wait_until(lambda: graded(tmp_path) >= 100, driver)
    cluster.kill(second)
    cluster.add()
    said = driver.communicate(timeout=WAIT_SECONDS)[1]
    assert driver.returncode == 0, said
    check_same(tmp_path, local)
    nodes = json.loads((tmp_path / "manifest.json").read_text())["sessions"][0]["runner"]["nodes"]
    assert {node["isolation"]["seccomp"] for node in nodes} == {"on"}
    assert any(node.get("lost") for node in nodes)
    assert "what it had is graded by others" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="a node's own disk is mounted, which root may")
def test_a_node_whose_disk_is_full_costs_no_verdict(cluster, programs, local, tmp_path):
    small = cluster.add(disk_mib=60)
    try:
        driver = start(cluster, programs, tmp_path / "filled during the run")
        wait_until(lambda: graded(tmp_path / "filled during the run") >= 100, driver)
        cluster.fill_disk(small)
        said = driver.communicate(timeout=WAIT_SECONDS)[1]
        assert driver.returncode == 0, said
        check_same(tmp_path / "filled during the run", local)
        driver = start(cluster, programs, tmp_path / "full before")
        said = driver.communicate(timeout=WAIT_SECONDS)[1]
        assert driver.returncode == 0, said
        check_same(tmp_path / "full before", local)
        assert "there was no room for them (`df`); it grades nothing" in said
    finally:
        cluster.kill(small)


def test_a_driver_that_is_killed_goes_on_with_the_same_command(cluster, programs, local, tmp_path):
    driver = start(cluster, programs, tmp_path)
    wait_until(lambda: graded(tmp_path) >= 100, driver)
    driver.kill()
    driver.communicate()
    driver = start(cluster, programs, tmp_path)
    said = driver.communicate(timeout=WAIT_SECONDS)[1]
    assert driver.returncode == 0, said
    check_same(tmp_path, local)


def test_a_driver_without_the_token_gets_one_line(cluster, programs, tmp_path):
    environment = cluster.environment | {"RAY_AUTH_TOKEN": "of-another-cluster-of-another-cluster"}
    cluster = SimpleNamespace(environment=environment, address=cluster.address)
    driver = start(cluster, programs, tmp_path)
    said = driver.communicate(timeout=WAIT_SECONDS)[1]
    assert driver.returncode == 2
    assert "the cluster's token" in said.splitlines()[-1]


def test_doctor_shows_each_node(cluster):
    words = [sys.executable, "-m", "rltf", "doctor", "--ray", cluster.address, "--seconds", "0.1", "--json"]
    done = subprocess.run(
        words, env=cluster.environment, stdout=subprocess.PIPE, timeout=WAIT_SECONDS, check=False
    )
    found = json.loads(done.stdout)
    assert [node["isolation"]["seccomp"] for node in found] == ["on"] * len(found)
    assert all(node["programs_per_second"] > 0 for node in found)
