"""A training has its folder to itself, until it ends or is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from harness.run_store.lock import locked
from harness.view.state import State, state_of
from rltf.cli import main

SETTINGS = (
    "train_problems=6", "buffer_size=8", "buffer_fill=4", "refresh_every=1", "samples_per_problem=2",
    "max_new_tokens=4", "max_prompt_tokens=48", "per_device_train_batch_size=4", "logging_steps=1",
    "save_steps=1", "use_cpu=true", "sampler=process",
)  # fmt: skip


def arguments(out: Path, model: Path, *more: str) -> list[str]:
    return [
        "train", "--out", str(out), "--model", str(model), "--benchmark", "mini", "--steps", "3",
        "--no-cache", "--workers", "1", "--eval-size", "1", "--set", *SETTINGS, *more,
    ]  # fmt: skip


def errors(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("rltf: error")]


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--resume",)])
def test_a_second_training_in_a_folder_is_refused_with_a_line_that_names_it(
    tiny_checkpoint, tmp_path, capsys, more
):
    with locked(tmp_path / "run"):
        (tmp_path / "run" / "kept").touch()
        assert main(arguments(tmp_path / "run", tiny_checkpoint("gpt2"), *more)) == 2
        (line,) = errors(capsys)
        assert f"{tmp_path / 'run'} is in use by another rltf process; wait for it, or choose" in line
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["kept"]


@pytest.mark.slow
def test_a_second_critic_in_a_folder_is_refused_before_its_model_is_loaded(tmp_path, capsys):
    with locked(tmp_path / "critic"):
        command = ["critic", "--model", "/no/such", "--benchmark", "mini", "--samples", str(tmp_path)]
        assert main([*command, "--out", str(tmp_path / "critic"), "--set", "use_cpu=true"]) == 2
    (line,) = errors(capsys)
    assert f"{tmp_path / 'critic'} is in use by another rltf process" in line


@pytest.mark.slow
def test_a_training_that_is_killed_is_left_at_once_and_goes_on(
    tiny_checkpoint, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "run"
    command = arguments(out, tiny_checkpoint("gpt2"))
    process = subprocess.Popen(
        [sys.executable, "-m", "rltf", *command],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    for line in process.stderr:
        if line.startswith("step 2/3"):  # a sampler and a grader are running beside it
            process.send_signal(signal.SIGSTOP)
            assert main([*command, "--resume"]) == 2
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    with locked(out):
        pass  # at once, whatever its children are still doing
    process.stderr.close()
    assert "is in use by another rltf process" in "".join(errors(capsys))
    monkeypatch.setattr("harness.view.state._every_lock_is_seen", lambda _: True)
    assert state_of(out, finished=False, changed=out.stat().st_mtime, locks=True) is State.UNFINISHED
    assert main([*command, "--resume"]) == 0
    assert (out / "comparison.json").exists()
