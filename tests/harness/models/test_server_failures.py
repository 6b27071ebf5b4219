"""A server that is away, slow, busy, broken or in the wrong place; and callers that leave."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from cases import cases

from harness.errors import InputError
from harness.models import Decoding
from harness.models.api.sampler import ServerSampler

pytest.importorskip("openai", reason="a server is asked through the package openai")

DECODING = Decoding(max_new_tokens=8)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_request_that_fails_is_sent_again(server, status):
    server.answer = lambda body, before: (
        (status, {"error": "busy"}) if before < 3 else server.echo(body, before)
    )
    assert len(server.complete(server.requests(2))) == 2
    assert len(server.bodies) == 5


def test_a_lost_connection_is_made_again(server):
    def answer(body, before):
        if before == 0:
            raise ConnectionAbortedError  # the handler dies and closes without an answer
        return server.echo(body, before)

    server.answer = answer
    assert len(server.complete(server.requests(2), concurrency=1)) == 2


def test_what_was_finished_before_an_error_is_given_out(server):
    server.first_counts = True
    server.answer = lambda body, before: (
        server.echo(body, before) if before < 4 else (500, "out of memory\n" * 99)
    )
    found = []
    sampler = server.sampler(concurrency=1, retries=2)
    with pytest.raises(InputError, match=r"500 to the request for t/3 \(out of memory out") as raised:
        found.extend(sampler.complete(server.requests(9), DECODING))
    assert [each.task_id for each in found] == ["t/0", "t/1", "t/2"]
    assert (
        len(server.bodies) == 1 + 3 + 3 + 2
    )  # the first question, three answers, retries, and whether it is well
    assert "the same command goes on" in str(raised.value)


def test_a_server_that_is_away_is_said_at_once():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        sampler = ServerSampler(url, "tiny")
        for use in (sampler.describe, lambda: sampler.complete([], DECODING)):
            with pytest.raises(InputError, match=f"no answer from {url}/v1 .*start the server"):
                use()


def test_a_model_that_the_server_does_not_have_is_said_with_those_that_it_has(server):
    server.models = ["large", "small"]
    server.answer = lambda *_: (404, {"error": {"message": "The model `tiny` does not exist."}})
    said = server.failure()
    assert "The model `tiny` does not exist." in said
    assert "it serves large, small" in said


def test_a_model_that_cannot_be_loaded_is_said_without_retries(server):
    server.models, server.first_counts = [], True
    server.answer = lambda *_: (500, "Internal Server Error")
    assert "does not say which models" in server.failure()
    assert len(server.bodies) == 1


def test_a_listed_model_that_is_still_loading_is_waited_for(server):
    server.first_counts = True
    server.answer = lambda body, before: (500, "loading") if before < 3 else server.echo(body, before)
    assert len(server.complete(server.requests(2))) == 2


def test_a_model_that_is_not_listed_is_used_if_the_server_has_it(server):
    server.models, server.first_counts = ["alias"], True
    server.answer = lambda body, before: (503, "loading") if before == 0 else server.echo(body, before)
    assert len(server.complete(server.requests(2))) == 2
    assert server.bodies[0]["max_tokens"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "<html>\n</html>", '{"choices": ', '{"choices": []}'])
def test_a_server_that_never_gives_a_completion_is_said(server, text):
    server.first_counts = True
    server.answer = lambda *_: (200, text)
    assert f"no completion but {' '.join(text.split())!r}" in server.failure()


def test_a_slow_answer_is_asked_for_again_and_then_said(server):
    done = threading.Event()
    server.first_counts = True
    server.answer = lambda body, before: done.wait(20) and server.echo(body, before)
    said = server.failure(timeout=0.1, retries=1)
    done.set()
    assert "did not answer the request for t/0 in time" in said
    assert "--request-timeout" in said
    assert len(server.bodies) == 2


def test_a_model_without_a_chat_template_is_said(server):
    server.first_counts = True
    server.answer = lambda *_: (400, {"message": "you must provide a chat template"})
    assert "--chat off" in server.failure(chat="on")


def test_a_refused_key_is_said(server):
    server.answer = lambda *_: (401, {"error": {"message": "Incorrect API key"}})
    assert "set $OPENAI_API_KEY" in server.failure(api_key="wrong")
    assert server.keys == {"Bearer wrong"}


@cases("url", ["localhost:8000", "ftp://x/v1", "http://", ""])
def test_what_is_no_address_is_said(url):
    with pytest.raises(InputError, match="write it as http://localhost:8000/v1"):
        ServerSampler(url, "tiny")


def test_a_caller_that_stops_early_leaves_nothing_running(server):
    done = threading.Event()
    server.answer = lambda body, before: (
        server.echo(body, before) if before == 0 else done.wait(20) and server.echo(body, before)
    )
    found = server.sampler(concurrency=2).complete(server.requests(9), DECODING)
    next(found)
    found.close()
    done.set()
    assert not [thread for thread in threading.enumerate() if thread.name == "requests"]
    assert len(server.bodies) <= 4


@pytest.mark.slow
def test_an_interrupt_ends_the_process_though_answers_are_outstanding(server):
    asked, done = threading.Event(), threading.Event()

    def answer(body, before):
        asked.set()
        return done.wait(60) and server.echo(body, before)

    server.answer = answer
    code = (
        "import sys\n"
        "from harness.models import Decoding, Request\n"
        "from harness.models.api.sampler import ServerSampler\n"
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
