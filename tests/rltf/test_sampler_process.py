"""The sampler beside training: the same samples, new weights without a new process, and no process left."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from benchmarks.mini import load as load_mini
from harness.errors import InfrastructureError, InputError
from harness.generate import Decoding, Request
from harness.generate.loading import load
from harness.generate.local import LocalSampler
from harness.prompts import find_format, make_prompt
from harness.types import Piece
from rltf.sampler_process import SamplerProcess

BENCHMARK = load_mini(split="train", size=2)
PROMPT = make_prompt(find_format(BENCHMARK), BENCHMARK.problems[0])
UNCUTTABLE = replace(PROMPT, pieces=(Piece("word " * 400),))
DECODING = Decoding(max_new_tokens=6, seed=3)


def texts(sampler):
    return {each.sample_id: each.text for each in sampler.complete([Request(PROMPT, (0, 1))], DECODING)}


def test_samples_follow_the_weights_that_were_published_last(tiny_checkpoint):
    loaded = load(str(tiny_checkpoint("gpt2")), device="cpu")
    process = SamplerProcess(loaded.model, loaded.tokenizer, source_tokens=300)
    try:
        inline = LocalSampler(loaded.model, loaded.tokenizer, source_tokens=300)
        old = texts(inline)
        assert texts(process) == old
        with torch.no_grad():
            for each in loaded.model.parameters():
                each.mul_(-1.0)
        new = texts(inline)
        assert new != old
        assert texts(process) == old  # nothing leaks in before it is published
        process.publish()
        assert texts(process) == new
        with pytest.raises(InputError):
            list(process.complete([Request(UNCUTTABLE, (0,))], DECODING))
        assert texts(process) == new  # an error of the user's ends a question, not the process
    finally:
        process.close()
    with pytest.raises(InfrastructureError, match="--resume"):
        texts(process)


TRAINER = """
import sys
from harness.generate.loading import load
from rltf.sampler_process import SamplerProcess
if __name__ == "__main__":
    loaded = load(sys.argv[1], device="cpu")
    process = SamplerProcess(loaded.model, loaded.tokenizer)
    process.describe()
    print(process._process.pid, flush=True)
    sys.stdin.read()
"""


def test_no_process_is_left_when_the_trainer_is_killed(tiny_checkpoint, tmp_path):
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER)
    trainer = subprocess.Popen(
        [sys.executable, str(script), str(tiny_checkpoint("gpt2"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    sampler = int(trainer.stdout.readline())
    assert Path("/proc", str(sampler)).exists()
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()
    for _ in range(200):
        if _ended(sampler):
            return
        time.sleep(0.1)
    pytest.fail("the sampler process outlived its trainer")


def _ended(pid: int) -> bool:
    try:
        # Nobody may reap it here: then it stays a zombie, which is an end all the same.
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
