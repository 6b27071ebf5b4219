"""`rltf train --method coderl` from the command line: from a model to a comparison, and a kill."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from rltf.cli import main  # noqa: E402
from rltf.run import checkpoints  # noqa: E402

SETTINGS = (
    "train_problems=12", "buffer_size=24", "buffer_fill=12", "refresh_every=2", "samples_per_problem=4",
    "max_new_tokens=8", "max_prompt_tokens=48", "per_device_train_batch_size=4", "logging_steps=1",
    "save_steps=2", "use_cpu=true", "cpu_seconds=0.5", "learning_rate=1e-3", "warmup_steps=0",
    "critic_steps=2", "critic_learning_rate=1e-3",
)  # fmt: skip


def arguments(out: Path, model: Path, *more: str) -> list[str]:
    return [
        "train", "--method", "coderl", "--out", str(out), "--model", str(model), "--benchmark", "mini",
        "--steps", "5", "--no-cache", "--workers", "1", "--eval-size", "3", "--seed", "1",
        "--set", *SETTINGS, *more,
    ]  # fmt: skip


def bytes_of(out: Path) -> tuple[bytes, bytes]:
    return tuple(
        (out / name).read_bytes()
        for name in ("model/model.safetensors", "checkpoint-5/objective/critic.safetensors")
    )


def run_until(said: str, command: list[str]) -> None:
    """Run the command in a process of its own, and kill it when it says that."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rltf", *command],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    for line in process.stderr:
        if line.startswith(said):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("settings", [("critic=frozen",), ("critic=refreshed", "sampler=overlapped")])
def test_a_killed_run_ends_with_the_same_policy_and_critic(tiny_checkpoint, tmp_path, settings):
    torch.set_num_threads(1)
    model = tiny_checkpoint("gpt2")
    assert main(arguments(tmp_path / "straight", model, *settings)) == 0
    command = arguments(tmp_path / "killed", model, *settings)
    run_until("step 3/5", command)
    assert checkpoints.newest(tmp_path / "killed").name == "checkpoint-2"
    assert main([*command, "--resume"]) == 0
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "straight")
    rows = [json.loads(line) for line in (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()]
    assert {"critic/accuracy", "critic/constant_guess", "sampled/unique", "loss/policy"} <= rows[0].keys()
