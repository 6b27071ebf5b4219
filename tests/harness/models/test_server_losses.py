"""Samples that a server fails on: asked for again, lost alone, told from a server that fails altogether."""

import json
import threading

import pytest

from harness.errors import InputError
from harness.models import Decoding, Finish
from harness.models.unanswered import Loss, Unanswered

DECODING = Decoding(temperature=0.5, max_new_tokens=512)
ABORTED = {"choices": [{"text": "", "message": {"content": ""}, "finish_reason": "abort"}]}
FILTERED = {"choices": [{"text": "", "message": {"content": ""}, "finish_reason": "content_filter"}]}
ERROR = {"error": {"message": "Provider returned error", "code": 502}}
TOO_LONG = {
    "message": "This model's maximum context length is 64 tokens. However, your request has 80 input tokens"
}


def text_of(body):
    return body["prompt"] if "prompt" in body else body["messages"][0]["content"]


def failing(server, task, status, value):
    """Answers that are well but for one task's."""

    def answer(body, before):
        return (status, value) if text_of(body) == f"task {task}" else server.echo(body, before)

    return answer


def losses(found):
    return {key[0]: each.loss for key, each in found.items() if isinstance(each, Unanswered)}


@pytest.mark.slow
@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize("value", [ABORTED, FILTERED, ERROR, {"choices": []}, {}, "<html>", ""])
def test_a_success_without_a_completion_is_asked_for_again(server, value, chat):
    server.answer = lambda body, before: (200, value) if before in (1, 2) else server.echo(body, before)
    found = server.complete(server.requests(3, chat=chat), concurrency=1)
    assert len(found) == 3
    assert not losses(found)
    assert len(server.bodies) == 5
    assert server.bodies[1] == server.bodies[2] == server.bodies[3]  # the seed, too: it is the same sample


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "value", "loss", "times"),
    [
        (200, ABORTED, Loss.SERVER, 5),
        (200, FILTERED, Loss.FILTERED, 5),
        (200, ERROR, Loss.SERVER, 5),
        (200, "[" * 100_000, Loss.SERVER, 5),
        (500, {"error": "boom"}, Loss.SERVER, 9),
        (400, {"error": {"message": "a token that I cannot read"}}, Loss.SERVER, 1),
        (400, {"error": {"message": "no", "code": "content_filter"}}, Loss.FILTERED, 5),
        (403, {"error": {"message": "Your input was flagged"}}, Loss.FILTERED, 5),
        (400, TOO_LONG, Loss.TOO_LONG, 1),
        (413, "<html>Request Entity Too Large</html>", Loss.TOO_LONG, 1),
    ],
)
def test_a_sample_that_the_server_fails_on_is_lost_alone_after_so_many_requests(
    server, status, value, loss, times
):
    server.answer = failing(server, 2, status, value)
    found = server.complete(server.requests(4), DECODING, concurrency=1)
    assert losses(found) == {"t/2": loss}
    assert {key[0] for key in found} == {"t/0", "t/1", "t/2", "t/3"}
    asked = [body for body in server.bodies if text_of(body) == "task 2"]
    assert len(asked) == times
    assert "\n" not in found["t/2", 0].said


def test_a_connection_that_one_sample_always_breaks_costs_that_sample(server):
    def answer(body, before):
        if text_of(body) == "task 1":
            raise ConnectionAbortedError
        return server.echo(body, before)

    server.answer = answer
    found = server.complete(server.requests(3), DECODING, retries=2)
    assert losses(found) == {"t/1": Loss.SERVER}


@pytest.mark.slow
def test_the_first_prompt_may_be_the_one_that_the_server_cannot_answer(server):
    server.first_counts = True
    for status, value in ((400, {"message": "no"}), (400, TOO_LONG), (200, FILTERED), (500, "boom")):
        server.answer = failing(server, 0, status, value)
        assert list(losses(server.complete(server.requests(3), DECODING, retries=1))) == ["t/0"]


def test_a_server_that_has_gone_ends_the_run_with_the_error_and_no_sample_is_blamed(server):
    server.first_counts = True
    server.answer = lambda body, before: server.echo(body, before) if before < 3 else (502, "bad gateway")
    found = []
    with pytest.raises(InputError, match=r"502 to the request for t/2 \(bad gateway\)"):
        found.extend(server.sampler(concurrency=1, retries=1).complete(server.requests(5), DECODING))
    assert [each.task_id for each in found] == ["t/0", "t/1"]
    assert not [each for each in found if isinstance(each, Unanswered)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "advice"), [(401, "OPENAI_API_KEY"), (402, "top up"), (404, "--api-model")]
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_refusal_that_is_of_no_single_sample_ends_the_run(server, status, advice, inside):
    value = {"error": {"message": "no", "code": status}}
    server.answer = failing(server, 1, 200 if inside else status, value)
    with pytest.raises(InputError, match=advice):
        server.complete(server.requests(3), DECODING, concurrency=1, retries=1)


def test_a_rate_limit_that_does_not_pass_ends_the_run(server):
    server.answer = failing(server, 1, 429, {"error": {"message": "daily limit"}})
    with pytest.raises(InputError, match="--concurrency, or wait"):
        server.complete(server.requests(3), DECODING, concurrency=1, retries=1)


@pytest.mark.slow
@pytest.mark.parametrize("value", [ABORTED, FILTERED])
def test_where_nothing_is_answered_the_rest_is_asked_for_once_only(server, value):
    server.answer = lambda *_: (200, value)
    found = server.complete(server.requests(20), DECODING, concurrency=1)
    assert len(losses(found)) == 20
    assert len(server.bodies) == 5 * 5 + 15


def test_answers_that_never_come_in_time_end_the_run_and_name_an_option_that_there_is(server):
    done = threading.Event()
    server.answer = lambda body, before: done.wait(20) and server.echo(body, before)
    with pytest.raises(InputError, match="--request-timeout") as raised:
        server.complete(server.requests(9), DECODING, timeout=0.2, retries=0)
    done.set()
    assert "in time" in str(raised.value)


def test_a_body_that_does_not_end_is_given_up(server, monkeypatch):
    monkeypatch.setattr("harness.models.api.body_limits.BYTES", 50_000)
    long = json.dumps({"choices": [{"text": "x" * 60_000, "finish_reason": "stop"}]})
    server.answer = failing(server, 1, 200, long)
    found = server.complete(server.requests(3), DECODING, retries=1)
    assert losses(found) == {"t/1": Loss.SERVER}
    assert "longer than any completion" in found["t/1", 0].said


def window(server, size, prompt, *, numbers=True):
    """Answers as a server with a window of `size` tokens would, for prompts of `prompt` tokens."""

    def answer(body, before):
        if prompt + body["max_tokens"] > size:
            said = f"maximum context length is {size} tokens and your request has {prompt} input tokens"
            return 400, {"message": said if numbers else "Please reduce the length of the messages."}
        status, value = server.echo(body, before)
        value["choices"][0]["finish_reason"] = "length"
        value["usage"]["prompt_tokens"] = prompt
        return status, value

    return answer


def test_fewer_new_tokens_are_asked_for_where_the_window_has_no_room_for_all(server):
    server.answer = window(server, 256, 100)
    found = server.complete(server.requests(2), DECODING, concurrency=1)
    assert [each.finish for each in found.values()] == [Finish.LENGTH] * 2
    assert [body["max_tokens"] for body in server.bodies] == [512, 156] * 2


def test_the_window_in_the_list_is_used_where_the_refusal_names_no_numbers(server):
    server.window = 256
    server.answer = window(server, 256, 100, numbers=False)
    sampler = server.sampler(concurrency=1)
    (only,) = sampler.complete(server.requests(1), DECODING)
    assert [body["max_tokens"] for body in server.bodies] == [512, 256, 128, 156]
    assert only.text.startswith("task 0")
    assert sampler.describe()["measured"]["fewest_new_tokens"] == 156


def test_a_prompt_that_leaves_no_room_costs_its_own_sample_and_says_so(server):
    server.first_counts = True
    for numbers in (True, False):
        server.answer = window(server, 256, 256, numbers=numbers)
        assert losses(server.complete(server.requests(1), DECODING)) == {"t/0": Loss.TOO_LONG}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("'temperature' does not support 0.0 with this model. Only the default (1) value is supported.",
         "pass --temperature 1, without --greedy"),
        ("temperature must be in [0, 1]", "pass a --temperature that it takes"),
        ("top_p is not supported", "--top-p 1"),
        ("top_k is not supported", "--top-k 0"),
        ("you must provide a chat template", "--chat off"),
        ("This is a chat model and not supported in the v1/completions endpoint", "--chat on"),
        ("boom", "it does have the model 'tiny'"),
    ],
)  # fmt: skip
def test_the_advice_fits_the_cause(server, said, advice):
    server.first_counts = True
    server.answer = lambda *_: (400, {"error": {"message": said}})
    with pytest.raises(InputError) as raised:
        server.complete(server.requests(3), Decoding(temperature=0.5, top_p=0.9, top_k=5))
    assert advice in str(raised.value)
    assert "--api-model" not in str(raised.value)
