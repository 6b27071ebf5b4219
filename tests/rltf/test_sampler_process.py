"""The sampler beside training: the same samples, new weights without a new process, and no process left."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cases import cases

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from benchmarks.mini import load as load_mini
from harness.errors import InfrastructureError, InputError
from harness.models import Decoding, Request
from harness.models.hf.loading import load
from harness.models.hf.sampler import LocalSampler
from harness.prompts import find_format, make_prompt
from harness.types import Piece
from rltf.rollout import sampler_process
from rltf.rollout.sampler_process import SamplerProcess

BENCHMARK = load_mini(split="train", size=2)
PROMPT = make_prompt(find_format(BENCHMARK), BENCHMARK.problems[0])
UNCUTTABLE = replace(PROMPT, pieces=(Piece("word " * 400),))
DECODING = Decoding(max_new_tokens=6, seed=3)


def texts(sampler):
    return {each.sample_id: each.text for each in sampler.complete([Request(PROMPT, (0, 1))], DECODING)}


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def process(tiny_checkpoint):
    loaded = load(str(tiny_checkpoint("gpt2")), device="cpu")
    # One row at a time, so that completions come one by one.
    made = SamplerProcess(loaded.model, loaded.tokenizer, batch_size=1, trace=True)
    made.inline = LocalSampler(loaded.model, loaded.tokenizer, batch_size=1, trace=True)
    yield made
    made.close()


@pytest.mark.slow
def test_tokens_and_log_probabilities_come_over(process):
    [ours] = process.complete([Request(PROMPT, (0,))], DECODING)
    [theirs] = process.inline.complete([Request(PROMPT, (0,))], DECODING)
    assert (ours.trace.ids, ours.trace.spans) == (theirs.trace.ids, theirs.trace.spans)
    # Their last bit is the processor's: where memory begins in each process decides how some sum it up.
    assert list(ours.trace.log_probs) == pytest.approx(list(theirs.trace.log_probs), abs=1e-5)
    assert len(ours.trace.ids) == len(ours.trace.log_probs) == len(ours.trace.spans) == ours.tokens


@pytest.mark.slow
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_an_answer_that_is_left_is_never_taken_for_the_next(process, taken):
    many = replace(DECODING, seed=9)
    answer = process.complete([Request(PROMPT, tuple(range(40)))], many)
    for _ in range(taken):
        next(answer)
    answer.close()
    assert texts(process) == texts(process.inline)
    # An answer that was asked for and never waited for is passed over, too.
    process._ask("complete", ([Request(PROMPT, (7, 8, 9))], many))
    assert process.describe()["kind"] == "local"
    process.publish()
    assert texts(process) == texts(process.inline)


@pytest.mark.slow
def test_a_process_that_nobody_waits_for_stops_at_the_next_completion(process):
    before = process.describe()["measured"]["steps"]
    answer = process.complete([Request(PROMPT, tuple(range(100)))], replace(DECODING, max_new_tokens=60))
    next(answer)
    answer.close()
    assert process.describe()["measured"]["steps"] - before < 60 * 50


@cases(
    ("error", "raised", "message"),
    [
        (InputError("the prompt does not fit"), InputError, "^the prompt does not fit$"),
        (
            RuntimeError("CUDA error: out of\nmemory"),
            InfrastructureError,
            "RuntimeError: CUDA error: out of mem",
        ),
        (OSError(28, "No space left on device"), InfrastructureError, "OSError: .*No space left"),
        (TypeError("a bug of ours"), RuntimeError, r"(?s)Traceback .*TypeError: a bug of ours"),
    ],
)
def test_errors_cross_with_their_cause(error, raised, message):
    kind, answer = told(error)
    process = object.__new__(SamplerProcess)
    ours, theirs = torch.multiprocessing.Pipe()
    process._connection, process._asked = ours, 0
    theirs.send((1, kind, answer))
    with pytest.raises(raised, match=message):
        list(process.complete([], DECODING))


def told(error):
    try:
        raise error
    except Exception as caught:
        return sampler_process._told(caught)


@pytest.mark.slow
def test_a_device_that_is_not_there_is_one_line(tiny_checkpoint):
    loaded = load(str(tiny_checkpoint("gpt2")), device="cpu")
    process = SamplerProcess(loaded.model, loaded.tokenizer, device="nowhere:3")
    try:
        for _ in range(2):
            with pytest.raises(InfrastructureError, match=r"sampler process failed: RuntimeError: .*nowhere"):
                texts(process)
    finally:
        process.close()


TRAINER = """
import sys
from harness.models.hf.loading import load
from rltf.rollout.sampler_process import SamplerProcess
if __name__ == "__main__":
    loaded = load(sys.argv[1], device="cpu")
    process = SamplerProcess(loaded.model, loaded.tokenizer)
    process.describe()
    print(process._process.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
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
