"""What the server sampler asks and what it makes of the answers, with a server that answers as told."""

import json
import threading
from dataclasses import replace

import pytest

from harness.errors import InputError
from harness.models import Decoding, Finish, Request
from harness.models.api.sampler import ServerSampler
from harness.types import Piece

DECODING = Decoding(temperature=0.5, max_new_tokens=8)


def test_each_sample_is_a_request_with_a_seed_of_its_own(server):
    found = server.complete(server.requests(3, samples=4))
    assert sorted(found) == [(f"t/{task}", sample) for task in range(3) for sample in range(4)]
    assert len({each.text for each in found.values()}) == 12
    assert all("n" not in body for body in server.bodies)
    one = found["t/0", 0]
    assert one.text.startswith("task 0:")
    assert (one.finish, one.tokens, one.prompt.text) == (Finish.STOP, 3, "task 0")


def test_a_sample_does_not_depend_on_order_on_concurrency_or_on_what_else_is_asked_for(server):
    whole = server.complete(server.requests(4, samples=3))
    assert server.complete(server.requests(4, samples=3)[::-1], concurrency=1) == whole
    later = [Request(each.prompt, (2,)) for each in server.requests(4)]
    assert server.complete(later) == {key: each for key, each in whole.items() if key[1] == 2}


def test_requests_are_under_way_at_once_and_not_more_than_allowed(server):
    barrier, under_way, most = threading.Barrier(5), [], []

    def answer(body, before):
        with server.lock:
            under_way.append(before)
            most.append(len(under_way))
        barrier.wait(timeout=20)  # breaks unless five requests wait at the same time
        with server.lock:
            under_way.remove(before)
        return server.echo(body, before)

    server.answer = answer
    assert len(server.complete(server.requests(10), concurrency=5, retries=0)) == 10
    assert max(most) == 5


def test_the_key_is_taken_from_the_environment_and_secrets_are_shown_nowhere(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    assert len(server.complete(server.requests(1))) == 1
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
    server.answer = lambda *_: (200, server.completion(given[0], finish=given[1]))
    decoding = Decoding(stop=("1", "2", "3", "4", "5", "\nclass"))
    (only,) = server.complete(server.requests(1), decoding).values()
    assert (only.text, only.finish) == (text, finish)
    assert server.bodies[0]["stop"] == ["\nclass", "1", "2", "3"]


@pytest.mark.slow
def test_chat_formats_go_to_the_chat_address_and_others_do_not_unless_told(server):
    assert server.complete(server.requests(1, chat=True))["t/0", 0].text.startswith("task 0:")
    server.complete(server.requests(1))
    server.complete(server.requests(1), chat="on")
    server.complete(server.requests(1, chat=True), chat="off")
    addresses = ["chat/completions", "completions", "chat/completions", "completions"]
    assert server.paths == [f"/v1/{each}" for each in addresses]


def test_one_token_is_asked_for_first_in_the_words_of_the_rest(server):
    server.first_counts = True
    server.complete(server.requests(3))
    first, *rest = server.bodies
    assert len(rest) == 3
    assert first.pop("max_tokens") == 1
    assert {**first, "max_tokens": 8} in [{**each, "seed": first["seed"]} for each in rest]


def test_what_a_server_refuses_by_name_is_left_out_and_recorded(server):
    def answer(body, before):
        for name in ("top_k", "min_p"):
            if name in body:
                return 400, {"error": {"message": f"Unrecognized request argument supplied: {name}"}}
        return server.echo(body, before)

    server.answer = answer
    sampler = server.sampler(concurrency=3)
    before = sampler.describe()
    assert len(list(sampler.complete(server.requests(7), DECODING))) == 7
    after = sampler.describe()
    known = {"base_url": f"{server.url}/v1", "max_model_len": 64}
    assert before.pop("measured") == known
    assert after.pop("measured") == {
        **known,
        "endpoint": ["completions"],
        "model": ["tiny@main"],
        "system_fingerprint": ["fp_1"],
        "left_out": ["min_p", "top_k"],
        "generation_config": False,
        "max_completion_tokens": False,
        "top_k_of_all": -1,
    }
    assert after == before
    assert after["model"] == {"name": "tiny", "root": "models/tiny"}
    assert after["independent_of_batch"] is False


def test_a_server_that_fails_on_a_negative_top_k_is_asked_for_all_tokens_by_0(server):
    def answer(body, before):
        if body["top_k"] < 0:  # llama-cpp-python's status and words
            said = "{'loc': ('body', 'top_k'), 'msg': 'Input should be greater than or equal to 0'}"
            return 500, {"error": {"message": said}}
        return server.echo(body, before)

    server.answer = answer
    sampler = server.sampler(retries=0)
    assert len(list(sampler.complete(server.requests(3), DECODING))) == 3
    assert sampler.describe()["measured"]["top_k_of_all"] == 0


def test_prompts_are_shortened_with_a_tokenizer_and_never_without(server, tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="counts tokens")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"x": 0, "?": 1}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "tokenizer.json"))
    pieces = (Piece("x " * 90, cut=True), Piece(" ANSWER:"))
    (request,) = server.requests(1)
    asked = [Request(replace(request.prompt, pieces=pieces), (0,))]
    only = server.complete(asked, source_tokens=10, tokenizer=tmp_path)["t/0", 0]
    assert only.prompt.shortened
    assert only.prompt.text.split() == ["x"] * 9 + ["ANSWER:"]
    assert server.bodies[0]["prompt"] == only.prompt.text
    with pytest.raises(InputError, match="--tokenizer and --max-prompt-tokens"):
        server.sampler(source_tokens=10)


def test_a_chat_server_is_told_the_messages_of_the_prompt(server):
    (asked,) = server.requests(1, chat=True)
    system = Piece("Be brief.", role="system")
    told = replace(asked.prompt, pieces=(system, *asked.prompt.pieces))
    server.complete([Request(told, (0,))])
    assert server.bodies[-1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "task 0"},
    ]
