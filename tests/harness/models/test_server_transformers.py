"""The server sampler against a real server, `transformers serve`, held against the local sampler.

Starts one server process, which loads tiny checkpoints when asked for them (about 15 s in all). Skips where
torch, transformers or what its server needs (`pip install 'transformers[serving]'`) are not installed.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from itertools import islice

import pytest

from benchmarks.mini import load
from harness.errors import InputError
from harness.extraction import extract_program
from harness.models import Decoding, Request
from harness.models.api.sampler import ServerSampler
from harness.prompts import find_format, make_prompt

for package in ("torch", "transformers", "openai", "fastapi", "uvicorn"):
    pytest.importorskip(package, reason=f"needs {package}, as in pip install 'transformers[serving]'")

pytestmark = pytest.mark.server
GREEDY = Decoding(greedy=True, max_new_tokens=24)
SAMPLING = Decoding(temperature=1.0, max_new_tokens=12, seed=3)


TEMPLATE = (
    "{% for message in messages %}# {{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}# answer:\n{% endif %}"
)


@pytest.fixture(autouse=True)
def one_thread():
    """For torch: several wait for each other longer than a tiny model takes, beside a busy server."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def chat_llama(tiny_checkpoint, tmp_path_factory):
    """Not the fixture's Qwen: of Qwens this server gives chat answers out parsed, blanks around them gone and
    special tokens in them left, so that the text is not what the model wrote."""
    folder = tmp_path_factory.mktemp("chat") / "llama"
    shutil.copytree(tiny_checkpoint("llama"), folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Of a server that serves whatever checkpoint a request names."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    arguments = ["serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    code = "from transformers.cli.transformers import main; main()"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"},
        )
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def ask(name, samples=1, problems=6):
    benchmark = load()
    form = find_format(benchmark, name)
    prompts = [make_prompt(form, problem) for problem in islice(benchmark.problems, problems)]
    return [Request(prompt, tuple(range(samples))) for prompt in prompts]


def texts(sampler, requests, decoding):
    return {(each.task_id, each.sample_id): each.text for each in sampler.complete(requests, decoding)}


def assert_served_as_local(url, checkpoint, form):
    """Greedy answers to the end, and those that a stop string ends, are the local sampler's."""
    from harness.models.hf.sampler import LocalSampler

    requests = ask(form)
    local = LocalSampler.load(str(checkpoint))
    server = ServerSampler(url, str(checkpoint), concurrency=3)
    whole = next(each.text for each in local.complete(requests[:1], GREEDY))
    ending_early = Decoding(greedy=True, max_new_tokens=GREEDY.max_new_tokens, stop=(whole[4:6],))
    for decoding in (GREEDY, ending_early):
        expected = {each.task_id: each for each in local.complete(requests, decoding)}
        served = {each.task_id: each for each in server.complete(requests, decoding)}
        assert served.keys() == expected.keys()
        for task_id, each in expected.items():
            got = served[task_id]
            assert (got.text, got.finish, got.prompt) == (each.text, each.finish, each.prompt)
            assert extract_program(got.text, got.prompt) == extract_program(each.text, each.prompt)
    assert len(expected[requests[0].task_id].text) <= 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2"])
def test_greedy_programs_of_base_models_are_those_of_the_local_sampler(url, tiny_checkpoint, kind):
    assert_served_as_local(url, tiny_checkpoint(kind), "inference")


@pytest.mark.slow
def test_greedy_programs_of_a_chat_model_are_those_of_the_local_sampler(url, chat_llama):
    assert_served_as_local(url, chat_llama, "chat")


@pytest.mark.slow
def test_sampling_samples_and_seeds_are_honoured_one_at_a_time(url, tiny_checkpoint):
    """The server answers greedily at any temperature unless told otherwise in its own words."""
    checkpoint = tiny_checkpoint("qwen2")
    requests = ask("inference", samples=3, problems=2)
    sampler = ServerSampler(url, str(checkpoint), concurrency=1)
    first = texts(sampler, requests, SAMPLING)
    assert len(set(first.values())) == 6
    assert texts(sampler, requests[::-1], SAMPLING) == first
    measured = sampler.describe()["measured"]
    assert measured["generation_config"] is True
    assert measured["endpoint"] == ["completions"]
    assert measured["model"] == [f"{checkpoint}@main"]


@pytest.mark.slow
def test_encoder_decoder_models_are_refused_since_the_server_cuts_their_answers(url, tiny_checkpoint):
    sampler = ServerSampler(url, str(tiny_checkpoint("t5")))
    with pytest.raises(InputError, match="sample from the checkpoint itself"):
        list(sampler.complete(ask("inference"), GREEDY))


@pytest.mark.slow
def test_a_model_that_the_server_cannot_load_is_said_at_once(url):
    with pytest.raises(InputError, match=r"answered 500 .* model 'not/there': it does not say which"):
        list(ServerSampler(url, "not/there").complete(ask("chat"), GREEDY))
