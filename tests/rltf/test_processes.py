"""Two processes of one training, and the configurations that Trainer takes for more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from rltf.options.parse import make_config
from rltf.run import checkpoints

ROOT = Path(__file__).parents[2]
LAUNCH = (
    "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
    "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m",
)  # fmt: skip
SETTINGS = (
    "train_problems=12", "buffer_size=16", "buffer_fill=8", "refresh_every=2", "samples_per_problem=2",
    "max_new_tokens=6", "max_prompt_tokens=48", "per_device_train_batch_size=4", "save_steps=2",
    "use_cpu=true",
)  # fmt: skip


def tasks(checkpoint: Path, process: int) -> set[str]:
    state = checkpoints.read_state(checkpoint, process)
    return {each["task_id"] for refresh in state["stream"]["buffer"]["refreshes"] for each in refresh}


@pytest.mark.slow
def test_two_processes_sample_their_own_shares_and_end_with_one_model(tiny_checkpoint, tmp_path):
    command = [
        "rltf", "train", "--out", str(tmp_path / "run"), "--model", str(tiny_checkpoint("gpt2")),
        "--benchmark", "mini", "--steps", "3", "--workers", "1", "--no-cache", "--eval-size", "2",
        "--set", *SETTINGS,
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, *LAUNCH, *command],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("step 3/3") == done.stdout.count("report.html") == 1
    newest = checkpoints.newest(tmp_path / "run")
    assert newest is not None
    shares = tasks(newest, 0), tasks(newest, 1)
    assert all(shares)
    assert not shares[0] & shares[1]
    assert (tmp_path / "run" / "comparison.json").exists()
    # A checkpoint is whole only with the states of both.
    (newest / "rltf_state_1.json").unlink()
    assert checkpoints.newest(tmp_path / "run") != newest


def test_the_fsdp_configuration_is_one_that_trainer_takes():
    path = str(ROOT / "examples" / "fsdp.json")
    config = make_config(
        None, ["fsdp=true", f"fsdp_config={path}", "method=sft"], output_dir="x", use_cpu=True, max_steps=1
    )
    assert config.cuts_weights
    assert config.fsdp_plugin_args["auto_wrap_policy"] == "TRANSFORMER_BASED_WRAP"
    assert config.fsdp_plugin_args.keys() >= json.loads(Path(path).read_text()).keys() - {"version"}


def test_the_deepspeed_configuration_leaves_nothing_to_guess():
    pytest.importorskip("deepspeed")
    from transformers.integrations.deepspeed import HfTrainerDeepSpeedConfig

    config = make_config("paper", output_dir="x", use_cpu=True, max_steps=1)
    found = HfTrainerDeepSpeedConfig(str(ROOT / "examples" / "deepspeed_zero2.json"))
    found.trainer_config_process(config)
    assert not found.mismatches
    assert found.config["train_micro_batch_size_per_gpu"] == config.per_device_train_batch_size
    assert found.config["gradient_accumulation_steps"] == config.gradient_accumulation_steps
    assert "auto" not in json.dumps(found.config)
