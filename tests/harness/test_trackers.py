"""Evaluations in wandb and trackio (`--report-to`): with stand-ins, and the packages where installed."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from trackers import install

from harness.publish.trackers import track
from harness.run_store.finished_run import read_run
from rltf.cli import main

P, W = "passed", "wrong_answer"


@pytest.fixture
def run(make_run):
    tasks = {"humaneval-plus/v0.1.10/0": [P, W], "humaneval-plus/v0.1.10/1": ["timed_out", P]}
    profiles = {"evalplus": "1", "evalplus-base": "1"}
    return make_run("run", tasks, benchmark="humaneval-plus", split="v0.1.10", profiles=profiles, ks=[1])


def kept(run, name):
    return json.loads((run / "trackers.json").read_text())[name]


def test_a_tracker_gets_the_scores_by_benchmark_and_what_the_run_is(run, monkeypatch):
    tracker = install(monkeypatch, "trackio")
    monkeypatch.setenv("TRACKIO_PROJECT", "mine")
    track(read_run(run), ["trackio"])
    (begun,), (numbers,) = tracker.begun, tracker.rows
    assert (begun["project"], begun["config"]["n"], tracker.ended) == ("mine", 2, [0])
    assert numbers["eval/humaneval-plus/pass@1"] == 0.5
    assert numbers["eval/humaneval-plus/evalplus-base/timed_out"] == 0.25


def test_the_same_numbers_are_told_once_and_others_go_to_the_same_run(run, monkeypatch):
    for name in ("wandb", "trackio"):
        tracker = install(monkeypatch, name)
        track(read_run(run), [name, name])
        with pytest.warns(
            UserWarning, match=rf"{name} was told these numbers before; remove .*trackers\.json"
        ):
            track(read_run(run), [name])
        assert len(tracker.rows) == 1
        content = json.loads((run / "metrics.json").read_text())
        content["profiles"]["evalplus"]["overall"]["verdicts"] = {"passed": 4}
        (run / "metrics.json").write_text(json.dumps(content))
        track(read_run(run), [name])
        first, second = tracker.begun
        assert [row["eval/humaneval-plus/passed"] for row in tracker.rows] == [0.5, 1.0]
        assert first == second
        assert kept(run, name)["id"] in (first.get("id"), first["name"].removeprefix("run-"))
        content["profiles"]["evalplus"]["overall"]["verdicts"] = {
            "passed": 2,
            "wrong_answer": 1,
            "timed_out": 1,
        }
        (run / "metrics.json").write_text(json.dumps(content))


def test_another_project_is_another_run(run, monkeypatch):
    tracker = install(monkeypatch, "wandb")
    track(read_run(run), ["wandb"])
    monkeypatch.setenv("WANDB_PROJECT", "other")
    track(read_run(run), ["wandb"])
    assert tracker.begun[0]["id"] != tracker.begun[1]["id"]


def test_folders_of_one_name_are_different_runs_of_trackio(make_run, monkeypatch, tmp_path):
    tracker = install(monkeypatch, "trackio")
    for each in ("a/run", "b/run"):
        track(read_run(make_run(each, {"sums/1": [P]}, benchmark="sums")), ["trackio"])
    assert len({begun["name"] for begun in tracker.begun}) == 2


def test_the_variables_of_wandb_go_over_ours(run, monkeypatch):
    tracker = install(monkeypatch, "wandb")
    monkeypatch.setenv("WANDB_RUN_ID", "mine")
    monkeypatch.setenv("WANDB_NAME", "my name")
    track(read_run(run), ["wandb"])
    assert tracker.begun[0]["id"] == "mine"
    assert "name" not in tracker.begun[0]


@pytest.mark.parametrize("after", [0, 1])
def test_a_tracker_that_fails_is_one_line_and_is_tried_again_by_the_same_command(run, monkeypatch, after):
    tracker = install(monkeypatch, "wandb")
    tracker.fails, tracker.fails_after = RuntimeError("no login\n  at all"), after
    tracker.rows = [{}] * after
    with pytest.warns(
        UserWarning, match=r"wandb was not told: no login at all; the run is whole, and the same"
    ):
        track(read_run(run), ["wandb"])
    tracker.fails = None
    track(read_run(run), ["wandb"])
    assert len(tracker.rows) == after + 1


def test_a_damaged_file_of_ids_is_written_anew(run, monkeypatch):
    for text in (
        "{",
        '{"wandb": {"project": "rltf", "id": "a", "told": 3}}',
        "[1]",
        '{"wandb": 3}',
        '{"wandb": {"project": "rltf", "id": null, "told": []}}',
    ):
        (run / "trackers.json").write_text(text)
        tracker = install(monkeypatch, "wandb")
        track(read_run(run), ["wandb"])
        assert kept(run, "wandb")["id"] == tracker.begun[0]["id"]


def test_what_a_tracker_prints_is_not_in_the_json_of_a_command(capsys, monkeypatch, tmp_path):
    install(monkeypatch, "trackio")
    arguments = [
        "score",
        "gold",
        "--benchmark",
        "mini",
        "--ids",
        "1",
        "--out",
        str(tmp_path / "run"),
        "--workers",
        "1",
    ]
    assert main([*arguments, "--no-cache", "--json", "--report-to", "trackio"]) == 0
    found = capsys.readouterr()
    assert json.loads(found.out)["folder"] == str(tmp_path / "run")
    assert "trackio says hello" in found.err


def test_a_tracker_that_is_not_installed_is_said_before_any_work(capsys, monkeypatch):
    monkeypatch.setattr("harness.publish.tracked_run.find_spec", lambda name: None)
    assert main(["score", "gold", "--benchmark", "mini", "--report-to", "wandb"]) == 2
    assert "pip install wandb" in capsys.readouterr().err


_AGAIN = """
import sys
from pathlib import Path
from harness.publish.tracked_run import TrackedRun
tracked = TrackedRun(sys.argv[1], Path(sys.argv[2]))
tracked.open({"of": Path()})
tracked.axis("train/global_step", "train/*")
tracked.log({"train/loss": float("nan")}, step=3, axis="train/global_step")
tracked.finish()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_the_real_package_goes_on_with_the_run_of_the_folder(name, tmp_path):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    env = {
        **os.environ,
        "WANDB_MODE": "offline",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
        "WANDB_SILENT": "true",
    }
    folder = tmp_path / "run"
    folder.mkdir()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", _AGAIN, name, str(folder)],
            check=False,
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    if name == "wandb":
        found = {each.name.rpartition("-")[2] for each in tmp_path.glob("wandb/offline-run-*")}
        assert found == {kept(folder, name)["id"]}
    else:
        assert "Resumed existing run" in done.stderr
