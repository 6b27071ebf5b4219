"""The server sampler against a server that answers as told: failures, refusals, order, interrupts."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from harness.errors import InputError
from harness.generate import Decoding, Finish, Request
from harness.generate.server import ServerSampler
from harness.prompts import Prompt
from harness.types import Piece, PromptFormat

pytest.importorskip("openai", reason="a server is asked through the package openai")

BASE = PromptFormat("base", "1", lambda _: [], "test", stop=("\nclass",))
CHAT = PromptFormat("chat", "1", lambda _: [], "test", chat=True)
DECODING = Decoding(temperature=0.5, max_new_tokens=8)


def completion(text, *, finish="stop", chat=False):
    choice = {"message": {"content": text}} if chat else {"text": text}
    return {
        "choices": [{**choice, "finish_reason": finish}],
        "usage": {"completion_tokens": 3},
        "model": "tiny@main",
        "system_fingerprint": "fp_1",
    }


def echo(body, _):
    """The answer names the task and the seed, so that it is known to which request it belongs."""
    text = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
    return 200, completion(f"{text}:{body['seed']}", chat="messages" in body)


@pytest.fixture
def server(monkeypatch):
    """A server whose `answer(body, how many requests before)` gives `(status, JSON value or text)`."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    state = SimpleNamespace(
        answer=echo, bodies=[], paths=[], keys=set(), models=["tiny"], lock=threading.Lock()
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply(200, {"data": [{"id": name, "max_model_len": 64} for name in state.models]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                before = len(state.bodies)
                state.bodies.append(body)
                state.paths.append(self.path)
                state.keys.add(self.headers["Authorization"])
            self.reply(*state.answer(body, before))

        def reply(self, status, value):
            content = (value if isinstance(value, str) else json.dumps(value)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    listening.handle_error = lambda *_: None  # callers that hang up are part of the tests
    state.url = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
    yield state
    listening.shutdown()
    listening.server_close()


def requests(tasks, samples=1, form=BASE):
    prompts = [Prompt(f"t/{task}", (Piece(f"task {task}", cut=True),), form) for task in range(tasks)]
    return [Request(prompt, tuple(range(samples))) for prompt in prompts]


def run(server, asked, decoding=DECODING, **options):
    found = list(ServerSampler(server.url, "tiny", **options).complete(asked, decoding))
    return {(each.task_id, each.sample_id): each for each in found}


def failure(server, asked=None, **options):
    with pytest.raises(InputError) as raised:
        run(server, asked or requests(1), **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_each_sample_is_a_request_with_a_seed_of_its_own(server):
    found = run(server, requests(3, samples=4))
    assert sorted(found) == [(f"t/{task}", sample) for task in range(3) for sample in range(4)]
    assert len({each.text for each in found.values()}) == 12
    assert all("n" not in body for body in server.bodies)
    one = found["t/0", 0]
    assert one.text.startswith("task 0:")
    assert (one.finish, one.tokens, one.prompt.text) == (Finish.STOP, 3, "task 0")


def test_a_sample_does_not_depend_on_order_on_concurrency_or_on_what_else_is_asked_for(server):
    whole = run(server, requests(4, samples=3))
    assert run(server, requests(4, samples=3)[::-1], concurrency=1) == whole
    later = [Request(each.prompt, (2,)) for each in requests(4)]
    assert run(server, later) == {key: each for key, each in whole.items() if key[1] == 2}


def test_requests_are_under_way_at_once_and_not_more_than_allowed(server):
    barrier, under_way, most = threading.Barrier(5), [], []

    def answer(body, before):
        with server.lock:
            under_way.append(before)
            most.append(len(under_way))
        barrier.wait(timeout=20)  # breaks unless five requests wait at the same time
        with server.lock:
            under_way.remove(before)
        return echo(body, before)

    server.answer = answer
    assert len(run(server, requests(10), concurrency=5, retries=0)) == 10
    assert max(most) == 5


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_request_that_fails_is_sent_again(server, status):
    server.answer = lambda body, before: (status, {"error": "busy"}) if before < 3 else echo(body, before)
    assert len(run(server, requests(2))) == 2
    assert len(server.bodies) == 5


def test_a_lost_connection_is_made_again(server):
    def answer(body, before):
        if before == 0:
            raise ConnectionAbortedError  # the handler dies and closes without an answer
        return echo(body, before)

    server.answer = answer
    assert len(run(server, requests(2), concurrency=1)) == 2


def test_what_was_finished_before_an_error_is_given_out(server):
    server.answer = lambda body, before: echo(body, before) if before < 3 else (500, "out of memory\n" * 99)
    found = []
    sampler = ServerSampler(server.url, "tiny", concurrency=1, retries=2)
    with pytest.raises(InputError, match=r"500 to the request for t/3 \(out of memory out") as raised:
        found.extend(sampler.complete(requests(9), DECODING))
    assert [each.task_id for each in found] == ["t/0", "t/1", "t/2"]
    assert len(server.bodies) == 3 + 3
    assert "the same command goes on" in str(raised.value)


def test_a_server_that_is_away_is_said_at_once():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        sampler = ServerSampler(url, "tiny")
        for use in (sampler.describe, lambda: sampler.complete(requests(1), DECODING)):
            with pytest.raises(InputError, match=f"no answer from {url}/v1 .*start the server"):
                use()


def test_a_model_that_the_server_does_not_have_is_said_with_those_that_it_has(server):
    server.models = ["large", "small"]
    server.answer = lambda *_: (404, {"error": {"message": "The model `tiny` does not exist."}})
    said = failure(server)
    assert "The model `tiny` does not exist." in said
    assert "it serves large, small" in said


def test_a_model_that_cannot_be_loaded_is_said_without_retries(server):
    server.models = []
    server.answer = lambda *_: (500, "Internal Server Error")
    assert "does not say which models" in failure(server)
    assert len(server.bodies) == 1


def test_a_model_that_is_not_listed_is_used_if_the_server_has_it(server):
    server.models = ["alias"]
    server.answer = lambda body, before: (503, "loading") if before == 0 else echo(body, before)
    assert len(run(server, requests(2))) == 2
    assert server.bodies[0]["max_tokens"] == 1


@pytest.mark.parametrize("text", ["", "<html>\n</html>", '{"choices": ', '{"choices": []}'])
def test_an_answer_that_is_no_completion_is_said(server, text):
    server.answer = lambda *_: (200, text)
    assert f"no completion but {' '.join(text.split())!r}" in failure(server)


def test_a_slow_answer_is_asked_for_again_and_then_said(server):
    done = threading.Event()
    server.answer = lambda body, before: done.wait(20) and echo(body, before)
    said = failure(server, timeout=0.1, retries=1)
    done.set()
    assert "did not answer the request for t/0 in time" in said
    assert len(server.bodies) == 2


def test_a_prompt_that_is_too_long_is_said_with_what_to_do(server):
    server.answer = lambda *_: (400, {"message": "This model's maximum context length is 64 tokens."})
    assert "name a tokenizer and a number of tokens" in failure(server)


def test_a_refused_key_is_said(server):
    server.answer = lambda *_: (401, {"error": {"message": "Incorrect API key"}})
    assert "set $OPENAI_API_KEY" in failure(server, api_key="wrong")
    assert server.keys == {"Bearer wrong"}


def test_the_key_is_taken_from_the_environment_and_secrets_are_shown_nowhere(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    assert len(run(server, requests(1))) == 1
    assert server.keys == {"Bearer secret-1"}
    url = server.url.replace("//", "//user:secret-2@") + "/v1/?key=secret-3"
    shown = json.dumps(ServerSampler(url, "tiny").describe())
    assert f"{server.url}/v1" in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("given", "text", "finish"),
    [
        (("a b\nclass C", "stop"), "a b", Finish.STOP),  # the server gave the stop string out
        (("a b\nclass C", "length"), "a b", Finish.STOP),
        (("a # five b", "length"), "a # five b", Finish.LENGTH),
        (("a 5 b", "length"), "a ", Finish.STOP),  # the fifth and later are not sent
    ],
)
def test_answers_end_before_the_first_stop_string_however_many_there_are(server, given, text, finish):
    server.answer = lambda *_: (200, completion(given[0], finish=given[1]))
    decoding = Decoding(stop=("1", "2", "3", "4", "5", "\nclass"))
    (only,) = run(server, requests(1), decoding).values()
    assert (only.text, only.finish) == (text, finish)
    assert server.bodies[0]["stop"] == ["\nclass", "1", "2", "3"]


def test_chat_formats_go_to_the_chat_address_and_others_do_not_unless_told(server):
    assert run(server, requests(1, form=CHAT))["t/0", 0].text.startswith("task 0:")
    run(server, requests(1))
    run(server, requests(1), chat="on")
    run(server, requests(1, form=CHAT), chat="off")
    addresses = ["chat/completions", "completions", "chat/completions", "completions"]
    assert server.paths == [f"/v1/{each}" for each in addresses]


def test_what_a_server_refuses_by_name_is_left_out_and_recorded(server):
    def answer(body, before):
        for name in ("top_k", "min_p"):
            if name in body:
                return 400, {"error": {"message": f"Unrecognized request argument supplied: {name}"}}
        return echo(body, before)

    server.answer = answer
    sampler = ServerSampler(server.url, "tiny", concurrency=3)
    before = sampler.describe()
    assert len(list(sampler.complete(requests(7), DECODING))) == 7
    after = sampler.describe()
    assert before.pop("measured") == {}
    assert after.pop("measured") == {
        "endpoint": ["completions"],
        "model": ["tiny@main"],
        "system_fingerprint": ["fp_1"],
        "left_out": ["min_p", "top_k"],
        "generation_config": False,
        "max_completion_tokens": False,
    }
    assert after == before
    assert after["model"] == {"name": "tiny", "base_url": f"{server.url}/v1", "max_model_len": 64}
    assert after["independent_of_batch"] is False


def test_prompts_are_shortened_with_a_tokenizer_and_never_without(server, tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="counts tokens")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"x": 0, "?": 1}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "tokenizer.json"))
    pieces = (Piece("x " * 90, cut=True), Piece(" ANSWER:"))
    asked = [Request(Prompt("t/0", pieces, BASE), (0,))]
    only = run(server, asked, source_tokens=10, tokenizer=tmp_path)["t/0", 0]
    assert only.prompt.shortened
    assert only.prompt.text.split() == ["x"] * 9 + ["ANSWER:"]
    assert server.bodies[0]["prompt"] == only.prompt.text
    with pytest.raises(InputError, match="both a tokenizer and a number"):
        ServerSampler(server.url, "tiny", source_tokens=10)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/v1", "http://", ""])
def test_what_is_no_address_is_said(url):
    with pytest.raises(InputError, match="write it as http://localhost:8000/v1"):
        ServerSampler(url, "tiny")


def test_a_caller_that_stops_early_leaves_nothing_running(server):
    done = threading.Event()
    server.answer = lambda body, before: (
        echo(body, before) if before == 0 else done.wait(20) and echo(body, before)
    )
    found = ServerSampler(server.url, "tiny", concurrency=2).complete(requests(9), DECODING)
    next(found)
    found.close()
    done.set()
    assert not [thread for thread in threading.enumerate() if thread.name == "requests"]
    assert len(server.bodies) <= 4


def test_an_interrupt_ends_the_process_though_answers_are_outstanding(server):
    asked, done = threading.Event(), threading.Event()

    def answer(body, before):
        asked.set()
        return done.wait(60) and echo(body, before)

    server.answer = answer
    code = (
        "import sys\n"
        "from harness.generate import Decoding, Request\n"
        "from harness.generate.server import ServerSampler\n"
        "from harness.prompts import Prompt\n"
        "from harness.types import Piece, PromptFormat\n"
        "prompt = Prompt('t/0', (Piece('x'),), PromptFormat('x', '1', list, 'test'))\n"
        "list(ServerSampler(sys.argv[1], 'tiny').complete([Request(prompt, (0, 1))], Decoding()))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, server.url], stderr=subprocess.PIPE, env={**os.environ}
    )
    try:
        assert asked.wait(30)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)  # an answer takes 60 s
    finally:
        child.kill()
        done.set()
    assert b"KeyboardInterrupt" in said
