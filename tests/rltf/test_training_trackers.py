"""Trainings in wandb and trackio (`rltf train --report-to`), with stand-ins for the packages."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from trackers import install

from rltf.cli import main

SETTINGS = (
    "train_problems=8", "buffer_size=16", "buffer_fill=8", "refresh_every=2", "samples_per_problem=2",
    "max_new_tokens=8", "max_prompt_tokens=48", "per_device_train_batch_size=4", "save_steps=2",
    "use_cpu=true", "cpu_seconds=0.5",
)  # fmt: skip


def arguments(out, model, *more):
    return [
        "train", "--out", str(out), "--model", str(model), "--benchmark", "mini", "--steps", "4",
        "--no-cache", "--workers", "1", "--eval-size", "2", "--seed", "1", "--eval-every", "2",
        "--eval-every-on", "1", "--set", *SETTINGS, "--warm", "max_steps=1", "--report-to", *more,
    ]  # fmt: skip


@pytest.fixture
def trackers(monkeypatch):
    """Stand-ins that transformers finds, too."""
    found = {name: install(monkeypatch, name) for name in ("wandb", "trackio")}
    theirs = "transformers.integrations.integration_utils"
    monkeypatch.setattr(f"{theirs}.get_available_reporting_integrations", lambda: [*found])
    for name in found:
        monkeypatch.setattr(f"{theirs}.is_{name}_available", lambda: True)
    return found


@pytest.mark.slow
def test_a_training_that_is_interrupted_goes_on_in_the_same_run_with_sensible_names_and_steps(
    trackers, tiny_checkpoint, tmp_path, capsys
):
    wandb, trackio = trackers["wandb"], trackers["trackio"]
    asked = arguments(tmp_path / "run", tiny_checkpoint("gpt2"), "wandb", "trackio")
    # Warm start, before, two steps; then the third.
    trackio.fails, trackio.fails_after = KeyboardInterrupt(), 4
    assert main(asked) == 130
    assert (wandb.ended, trackio.ended) == ([1], [0])
    trackio.fails = None
    assert main([*asked, "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["comparison"].keys() == {"mini"}
    assert (wandb.ended, trackio.ended) == ([1, 0], [0, 0])
    assert wandb.begun[0]["id"] == wandb.begun[1]["id"]
    assert trackio.begun[0]["name"] == trackio.begun[1]["name"]
    assert {each["resume"] for each in wandb.begun + trackio.begun} == {"allow"}
    assert wandb.begun[0]["config"]["benchmark"].startswith("mini train")
    assert wandb.begun[0]["config"]["train_problems"] == 8

    assert trackio.steps == [1, 0, 1, 2, 3, 4, 4]
    warm, before, *steps, after = trackio.rows
    assert {"warm-start/loss"} <= warm.keys()
    assert {"before/mini/pass@1", "before/mini/apps/pass@1"} <= before.keys()
    assert {"after/mini/pass@1", "after/mini/apps/pass@1"} <= after.keys()
    assert all({"train/loss", "train/learning_rate"} <= row.keys() for row in steps)
    assert ["eval/mini/pass@1" in row for row in steps] == [False, True, False, False]
    assert not any("train/train_runtime" in row or "train/epoch" in row for row in trackio.rows)
    assert [row.get("train/global_step") for row in wandb.rows] == [None, 0, 1, 2, 3, 3, 4, 4]
    assert wandb.rows[0]["warm-start/global_step"] == 1
    assert wandb.axes["eval/*"] == wandb.axes["train/*"] == wandb.axes["after/*"] == "train/global_step"
    assert wandb.axes["warm-start/*"] == "warm-start/global_step"


@pytest.mark.slow
def test_a_training_ends_as_it_would_when_a_tracker_fails_under_way(
    trackers, tiny_checkpoint, tmp_path, capsys
):
    trackers["wandb"].fails, trackers["wandb"].fails_after = OSError("the service is gone"), 3
    assert main(arguments(tmp_path / "run", tiny_checkpoint("gpt2"), "wandb", "trackio")) == 0
    said = capsys.readouterr().err
    assert said.count("the service is gone; training goes on without it, metrics.jsonl has all") == 1
    assert len(trackers["wandb"].rows) == 3
    assert trackers["trackio"].steps == [1, 0, 1, 2, 3, 4, 4]
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_a_tracker_that_cannot_be_opened_refuses_a_training_that_begins_and_no_other(
    trackers, tiny_checkpoint, tmp_path, capsys
):
    asked = arguments(tmp_path / "run", tiny_checkpoint("gpt2"), "wandb")
    wandb = trackers["wandb"]
    wandb.fails = ValueError("no API key")
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert "error: wandb was not told: no API key; mend that, or leave --report-to wandb out" in said
    assert "Traceback" not in said
    wandb.fails, wandb.fails_after = KeyboardInterrupt(), 3
    assert main(asked) == 130  # the refused one has left nothing that --resume would be needed for
    wandb.fails, wandb.fails_after = ValueError("no API key"), 0
    assert main([*asked, "--resume"]) == 0
    assert "no API key; training goes on without it" in capsys.readouterr().err
    assert len(wandb.begun) == 1


@pytest.mark.slow
def test_tensorboard_has_scores_under_eval(tiny_checkpoint, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main(arguments(tmp_path / "run", tiny_checkpoint("gpt2"), "tensorboard")) == 0
    names = set()
    for events in (tmp_path / "run" / "runs").rglob("events.out.tfevents.*"):
        found = EventAccumulator(str(events))
        found.Reload()
        names |= set(found.Tags()["scalars"])
    assert {"eval/mini/pass@1", "train/loss"} <= names
    assert "train/eval/mini/pass@1" not in names


def test_a_tracker_that_is_missing_is_named_with_its_package(capsys, tmp_path):
    pytest.importorskip("transformers")
    from importlib.util import find_spec

    if find_spec("trackio") is not None:
        pytest.skip("trackio is installed")
    assert main(["train", "--out", str(tmp_path), "--preset", "mini-quick", "--report-to", "trackio"]) == 2
    assert "trackio is missing; pip install trackio" in capsys.readouterr().err
