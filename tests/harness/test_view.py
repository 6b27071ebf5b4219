"""`rltf view` by its ASGI application: what is shown of runs of every state, and who may ask for what."""

import json
import os
import socket
import time

import pytest

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from harness.report.lines import line_chart
from harness.run_store.lock import locked
from harness.view import state
from harness.view.app import FRAMED_POLICY, create_app
from harness.view.pages import tree_of
from harness.view.state import State, state_of
from rltf.cli import main

P, W = "passed", "wrong_answer"
HOSTILE = "</script><script>alert(1)</script>{{ 7*7 }}<img src=x onerror=alert(1)>"


@pytest.fixture
def client(tmp_path):
    with TestClient(create_app(tmp_path), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def runs(make_run):
    """Two runs of three problems, and a training with one evaluation in between."""
    for name, last in (("one", W), ("two", P)):
        make_run(name, {"mbpp/1": [P, W], "mbpp/2": [W, "runtime_error KeyError"], "mbpp/3": [last, last]})
    return "one", "two"


def training(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training.json").write_text(json.dumps({"options": {"max_steps": 100, "method": "rltf"}}))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def age(folder, seconds=7200):
    for path in folder.iterdir():
        os.utime(path, (time.time() - seconds,) * 2)


def test_the_leaderboard_has_each_run_with_its_interval_the_best_first(client, runs):
    text = client.get("/").text
    assert text.index('href="/run?name=two"') < text.index('href="/run?name=one"')
    assert "<b>50.00</b>" in text  # (1/2 + 0 + 1) / 3
    assert "mbpp (test)" in text


def test_outcomes_are_not_read_for_the_leaderboard(client, runs, tmp_path):
    for name in runs:
        (tmp_path / name / "outcomes.jsonl").write_text("no JSON\n")
    assert "<b>50.00</b>" in client.get("/").text


def test_a_summary_is_read_again_when_its_file_has_changed(client, runs, tmp_path):
    client.get("/")
    path = tmp_path / "two" / "metrics.json"
    path.write_text(path.read_text().replace("0.5", "0.25", 1))
    path.unlink()
    assert "<b>50.00</b>" not in client.get("/").text


def test_runs_are_filtered_by_words_and_by_choice(client, runs):
    assert 'href="/run?name=one"' not in client.get("/?words=TWO").text
    assert "No run fits" in client.get("/?benchmark=apps").text
    assert 'href="/run?name=one"' in client.get("/?benchmark=mbpp&state=finished&profile=apps").text


def test_two_runs_are_compared_problem_by_problem(client, runs):
    text = client.get("/compare?name=one&name=two").text
    assert "+33.33" in text
    assert "mbpp/3" in text  # gained
    index = client.get("/api/programs?name=one&name=two").json()
    assert index["runs"] == ["one", "two"]
    assert [each["verdicts"] for each in index["problems"][2]["runs"][1]["samples"]] == [["p", "p"]] * 2


@pytest.mark.parametrize("names", ["name=one", "name=one&name=one", "name=one&name=two&name=one", ""])
def test_what_are_not_two_runs_is_said_in_a_line(client, runs, names):
    answer = client.get(f"/compare?{names}")
    assert answer.status_code == 422
    assert "two runs are compared" in answer.text


def test_a_program_comes_with_its_tests_and_its_outcome(client, runs):
    whole = client.get("/api/problem?name=one&task=mbpp/2").json()
    first, second = whole["runs"][0]["samples"]
    assert first["code"].startswith(W)
    assert (first["verdicts"], first["tests"]) == (["w", "w"], ["w"])
    assert second["errors"][0]["type"] == "KeyError"
    assert "code" not in client.get("/api/programs?name=one").text
    assert client.get("/api/problem?name=one&task=mbpp/9").status_code == 404


def test_statements_and_tests_come_from_a_benchmark_that_is_here_and_is_the_same(client, tmp_path, runs):
    import harness

    problem = harness.load_benchmark("mini", ids=["8"]).problems[0]
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    about = manifest["identity"]["benchmark"]

    def facts(**changes):
        about.update(changes)
        (tmp_path / "one" / "manifest.json").write_text(json.dumps(manifest))
        return client.get(f"/api/facts?name=one&task={problem.task_id}")

    hash_here = harness.load_benchmark("mini").dataset_hash
    found = facts(name="mini", split="test", dataset_hash=hash_here).json()
    assert found["statement"] == problem.question
    assert found["of"] == len(found["tests"]) == problem.suite.count
    assert "not the data" in facts(dataset_hash="other").json()["missing"]
    assert "not installed here" in facts(name="os:system").json()["missing"]
    assert "not installed here" in facts(name="mini", split="../../etc").json()["missing"]


def test_a_run_that_is_not_finished_is_shown_as_far_as_it_is(client, runs, tmp_path, monkeypatch):
    folder = tmp_path / "one"
    lines = (folder / "outcomes.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "outcomes.journal.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:40])
    for name in ("outcomes.jsonl", "metrics.json"):
        (folder / name).unlink()
    age(folder)
    assert "unfinished" in client.get("/run?name=one").text
    assert "6 of 6 sampled, 3 graded" in client.get("/").text
    index = client.get("/api/programs?name=one").json()
    assert [each["id"] for each in index["problems"]] == ["mbpp/1", "mbpp/2"]
    os.utime(folder / "outcomes.journal.jsonl")
    monkeypatch.setattr("harness.view.state._every_lock_is_seen", lambda _: False)
    assert "running" in client.get("/run?name=one").text
    assert "has no numbers yet" in client.get("/compare?name=one&name=two").text


def test_a_run_that_is_killed_is_unfinished_at_once_where_its_lock_would_be_seen(tmp_path, monkeypatch):
    now = time.time()
    for seen, left in ((True, State.UNFINISHED), (False, State.RUNNING)):
        monkeypatch.setattr("harness.view.state._every_lock_is_seen", lambda _, seen=seen: seen)
        with locked(tmp_path):
            assert state_of(tmp_path, finished=True, changed=now, locks=True) is State.RUNNING
        assert state_of(tmp_path, finished=False, changed=now, locks=True) is left
        assert state_of(tmp_path, finished=False, changed=now, locks=False) is State.RUNNING


def test_a_training_that_is_killed_is_unfinished_at_once_and_so_is_the_stage_in_it(
    client, tmp_path, monkeypatch
):
    monkeypatch.setattr("harness.view.state._every_lock_is_seen", lambda _: True)
    folder, stage = tmp_path / "training", tmp_path / "training" / "warm-start"
    training(folder, [{"step": 1, "loss": 1.0}])
    stage.mkdir()
    (stage / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n')

    def states():
        names = ("training", "training/warm-start")
        return [client.get("/api/training", params={"name": name}).json()["state"] for name in names]

    with locked(folder):
        assert states() == ["running", "running"]
    assert states() == ["unfinished", "unfinished"]
    (folder / "training.json").unlink()
    assert states() == ["running", "running"]  # others' trainings have no lock: their files are new


def test_a_lock_may_be_hidden_in_a_container_and_on_a_disk_of_several_machines(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "_NAMESPACE", tmp_path)
    monkeypatch.setattr(state, "_FIRST_NAMESPACE", tmp_path.stat().st_ino)
    monkeypatch.setattr(state.os, "major", lambda _: 8)
    assert state._every_lock_is_seen(tmp_path)
    monkeypatch.setattr(state.os, "major", lambda _: 0)
    assert not state._every_lock_is_seen(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(state, "_NAMESPACE", tmp_path / "another")
    assert not state._every_lock_is_seen(tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", "metrics.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b"[" * 100_000, b"\xff", "pipe"])
def test_a_file_that_can_not_be_read_is_a_line_on_a_page_that_works(client, runs, tmp_path, name, content):
    path = tmp_path / "one" / name
    path.unlink()
    if content == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    for address in ("/", "/run?name=one", "/compare?name=one&name=two", "/api/programs?name=one"):
        answer = client.get(address)
        assert answer.status_code in (200, 422), address
        assert "Traceback" not in answer.text
    assert 'href="/run?name=two"' in client.get("/").text


def test_rows_that_are_damaged_are_left_out_and_counted(client, runs, tmp_path):
    path = tmp_path / "one" / "outcomes.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[0] = b'{"task_id": 7}\n'
    lines[2] = lines[2].replace(b"wrong_answer", b"splendid")
    path.write_bytes(b"".join(lines))
    index = client.get("/api/programs?name=one").json()
    assert index["damaged"] == 2
    assert sum(len(each["runs"][0]["samples"]) for each in index["problems"]) == 4


def test_a_training_is_drawn_from_its_log_as_it_grows(client, tmp_path):
    folder = tmp_path / "training"
    training(folder, [{"step": n, "loss/supervised": 1 / n, "sampled/passed": 0.1 * n} for n in (1, 2)])
    with locked(folder):
        text = client.get("/training?name=training").text
    assert "Supervised loss" in text
    assert "running" in text
    with (folder / "metrics.jsonl").open("a") as log:
        log.write(json.dumps({"step": 3, "loss/supervised": 0.25, "x": "text"}) + '\n{"step": 4, "loss')
    now = client.get("/api/training?name=training").json()
    assert ["step", "3 of 100"] in now["facts"]
    assert any(each["legend"][0][2] == "0.25" for each in now["figures"])
    age(folder)
    assert client.get("/api/training?name=training").json()["state"] == "unfinished"
    (folder / "comparison.json").write_text("{}")
    assert client.get("/training?name=training").status_code == 200


def test_the_states_of_any_trainer_are_a_training(client, tmp_path):
    history = [{"step": 10 * n, "loss": 1.0, "entropy": 0.1 * n} for n in range(1, 4)]
    checkpoint = tmp_path / "trl" / "checkpoint-30"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text(json.dumps({"log_history": history, "max_steps": 30}))
    assert 'href="/training?name=trl"' in client.get("/").text
    text = client.get("/training?name=trl").text
    assert "30 of 30" in text
    assert "finished" in text


def test_a_log_with_odd_numbers_is_drawn_without_them(client, tmp_path):
    odd = ["1e400", "NaN", "-Infinity", "1" + "0" * 400, '"x"', "true", "[1]"]
    rows = [f'{{"step": {n}, "entropy": {value}}}' for n, value in enumerate([*odd, "0.5", "5e-324"])]
    training(tmp_path / "odd", [])
    (tmp_path / "odd" / "metrics.jsonl").write_text("\n".join([*rows, '{"step": 1e300}', "[]", "7", ""]))
    assert "Entropy" in client.get("/training?name=odd").text


def test_a_line_of_one_step_or_of_tiny_values_is_no_error():
    assert line_chart("t", {"a": [(1, 2.0), (1, 3.0)]}) is None
    assert line_chart("t", {"a": [(1, 1e-13), (2, 2e-13)], "b": [(1, 0.0), (2, 5e-324)]})


def test_a_drawing_becomes_a_tree_with_hostile_names_as_text():
    chart = line_chart("t", {HOSTILE: [(1, 2.0), (2, 3.0)]})
    kinds = set()

    def visit(node):
        if isinstance(node, list):
            kinds.add(node[0])
            for child in node[2]:
                visit(child)

    visit(tree_of(chart.markup))
    assert kinds == {"g", "svg", "line", "text", "polyline", "title"}
    assert HOSTILE in json.dumps(tree_of(chart.markup))


def test_hostile_names_and_programs_stay_text(client, make_run, tmp_path):
    folder = make_run("run", {"mbpp/1": [f"{P}\n{HOSTILE}"]})
    name = "<img src=x onerror=alert(1)>"
    folder.rename(tmp_path / name)
    training(tmp_path / "t", [{"step": n, f"loss/{HOSTILE}": n, "loss": n} for n in (1, 2)])
    for address in ("/", "/training?name=t", f"/run?name={name}"):
        text = client.get(address).text
        assert "<img src=x" not in text
        assert "alert(1)</script>" not in text
    assert (
        HOSTILE in client.get(f"/api/problem?name={name}&task=mbpp/1").json()["runs"][0]["samples"][0]["code"]
    )


def test_names_that_are_no_text_can_be_followed(client, make_run, tmp_path):
    os.rename(os.fsencode(make_run("run", {"mbpp/1": [P]})), os.fsencode(tmp_path) + b"/r\xff")
    assert 'href="/run?name=r%FF"' in client.get("/").text
    assert client.get("/run?name=r%FF").status_code == 200


ESCAPES = ["../secret", "/etc", "one/../../secret", "link", "", "%00", "one/samples.jsonl", "." * 5000]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("path", ["/run", "/training", "/report", "/file", "/api/programs", "/api/training"])
def test_nothing_outside_the_folder_is_read(make_run, tmp_path, name, path):
    secret = make_run("secret", {"mbpp/1": [P]})
    (tmp_path / "shown" / "one").mkdir(parents=True)
    (tmp_path / "shown" / "one" / "samples.jsonl").touch()
    (tmp_path / "shown" / "link").symlink_to(secret)
    with TestClient(create_app(tmp_path / "shown"), base_url="http://localhost") as client:
        assert client.get(f"{path}?name={name}").status_code == 404


def test_a_link_that_leads_out_is_named_and_not_followed(make_run, tmp_path):
    secret = make_run("secret", {"mbpp/1": [P]})
    shown = tmp_path / "shown"
    (shown / "run").mkdir(parents=True)
    (shown / "link").symlink_to(secret)
    for name in ("metrics.json", "samples.jsonl", "outcomes.jsonl", "report.html"):
        (shown / "run" / name).symlink_to(secret / name)
    (shown / "run" / "manifest.json").write_bytes((secret / "manifest.json").read_bytes())
    with TestClient(create_app(shown), base_url="http://localhost") as client:
        text = client.get("/").text
        assert "link: a link that leads out" in text
        assert "100.00" not in text
        assert client.get("/file?name=run").status_code == 404
        assert client.get("/api/programs?name=run").json()["problems"] == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "127.0.0.1:8765"}, 200),
        ({"host": "evil.example"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_only_pages_of_ours_may_ask(client, headers, status):
    assert client.get("/", headers=headers).status_code == status


def test_every_answer_has_the_strict_policy_and_only_reading_is_allowed(client, runs):
    for address in (
        "/",
        "/run?name=one",
        "/nothing",
        "/api/programs?name=one",
        "/assets/view.js",
        "/run?name=x",
    ):
        policy = client.get(address).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "trusted-types 'none'" in policy
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.request(method, "/").status_code == 405
    assert client.get("/assets/..%2fapp.py").status_code == 404


def test_the_pages_load_nothing_from_elsewhere_and_hold_no_script_or_style(client, runs):
    for address in ("/", "/run?name=one", "/compare?name=one&name=two"):
        text = client.get(address).text
        assert text.count("<script") == text.count('<script src="/assets/') == 2
        assert "<style" not in text
        assert " style=" not in text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_report_page_of_the_folder_is_shown_in_a_sandbox(client, runs, tmp_path):
    (tmp_path / "one" / "report.html").write_text("<script>hostile()</script>")
    framed = client.get("/report?name=one").text
    assert '<iframe class="framed" sandbox="allow-scripts" src="/file?name=one"' in framed
    answer = client.get("/file?name=one")
    assert answer.headers.get_list("content-security-policy") == [FRAMED_POLICY]
    assert "sandbox allow-scripts;" in FRAMED_POLICY
    assert "allow-same-origin" not in FRAMED_POLICY


def test_a_mistake_of_the_command_is_one_line(tmp_path, capsys):
    assert main(["view", str(tmp_path / "nothing")]) == 2
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["view", str(tmp_path), "--port", str(taken.getsockname()[1])]) == 2
    assert main(["view", str(tmp_path), "--port", "99999"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("rltf: error: ") for line in lines)
