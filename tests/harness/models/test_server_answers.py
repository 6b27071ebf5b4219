"""What is read out of a server's answer: the model's text, or why there is none; no server needed."""

import json

import pytest
from cases import cases

from harness.models import Finish
from harness.models.api.answer import Answer, NoAnswer, read_answer
from harness.models.unanswered import Loss

CODE = "print(1)\n"


def body(text="", finish="stop", *, chat=True, tokens=5, **more):
    """An answer; `more` goes into the message, or into the choice of a plain completion."""
    choice = {"message": {"role": "assistant", "content": text, **more}} if chat else {"text": text, **more}
    return json.dumps(
        {"choices": [{"finish_reason": finish, **choice}], "usage": {"completion_tokens": tokens}}
    )


def both(text="", finish="stop", **options):
    """What is read of the same answer at both addresses."""
    return [read_answer(body(text, finish, chat=chat, **options), chat=chat) for chat in (True, False)]


@cases("finish", ["stop", "eos_token", "end_turn", "stop_sequence", "a_new_word", None, 7])
def test_a_text_is_the_models_whatever_it_is_said_to_have_ended_by(finish):
    for answer in both(CODE, finish):
        assert (answer.text, answer.finish, answer.tokens) == (CODE, Finish.STOP, 5)


@cases("finish", ["length", "LENGTH", "max_tokens", "MAX_TOKENS", "model_length", "repetition"])
def test_a_limit_is_a_limit_in_every_spelling(finish):
    assert [answer.finish for answer in both(CODE, finish)] == [Finish.LENGTH] * 2
    assert [answer.text for answer in both("", finish, tokens=0)] == ["", ""]


@cases("text", ["", CODE])
@cases(
    "finish",
    [
        *("abort", "error", "cancelled", "timeout", "insufficient_system_resource", "network_error", "OTHER"),
        {"type": "abort", "message": "Aborted"},
    ],
)
def test_an_answer_that_the_server_broke_off_is_not_the_models(finish, text):
    for found in both(text, finish):
        assert isinstance(found, NoAnswer)
        assert (found.loss, found.again) == (Loss.SERVER, True)


@cases("text", ["", CODE])
@cases(
    "finish", ["content_filter", "content_filter: RECITATION", "SAFETY", "sensitive", "refusal", "BLOCKLIST"]
)
def test_an_answer_that_a_filter_withheld_is_not_the_models(finish, text):
    for found in both(text, finish):
        assert isinstance(found, NoAnswer)
        assert (found.loss, found.again) == (Loss.FILTERED, True)


@cases(
    ("value", "loss", "status"),
    [
        ({"error": {"message": "Provider returned error", "code": 502}}, Loss.SERVER, 502),
        ({"error": {"message": "Rate limit", "code": "429"}}, Loss.SERVER, 429),
        ({"error": "boom"}, Loss.SERVER, None),
        ({"object": "error", "message": "Internal", "code": 50001}, Loss.SERVER, None),
        ({"detail": [{"msg": "no"}]}, Loss.SERVER, None),
        ({"choices": []}, Loss.SERVER, None),
        ({"choices": None, "usage": None}, Loss.SERVER, None),
        ({"choices": [None]}, Loss.SERVER, None),
        ({"choices": [{"finish_reason": "stop"}]}, Loss.SERVER, None),
        ({"error": {"message": "This model's maximum context length is 8 tokens"}}, Loss.TOO_LONG, None),
        ({"error": {"message": "The response was filtered", "code": "content_filter"}}, Loss.FILTERED, None),
    ],
)
def test_a_success_without_a_completion_is_a_failure_of_the_server(value, loss, status):
    for chat in (True, False):
        found = read_answer(json.dumps(value), chat=chat)
        assert isinstance(found, NoAnswer)
        assert (found.loss, found.status) == (loss, status)


def test_an_error_beside_a_broken_text_is_a_failure_and_one_beside_a_whole_text_is_not():
    for finish, read in (("error", NoAnswer), (None, NoAnswer), ("stop", Answer)):
        value = json.loads(body(CODE, finish))
        value["choices"][0]["error"] = {"message": "upstream went away", "code": 502}
        assert isinstance(read_answer(json.dumps(value), chat=True), read)


@cases(
    ("content", "text"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "x"}]},
                {"type": "text", "text": "b"},
            ],
            "b",
        ),
        ([{"type": "reasoning", "text": "x"}, {"type": "output_text", "text": "b"}, "c"], "bc"),
        ([{"text": "a"}, None, 3, {"type": "text"}, {"type": "text", "text": 4}], "a"),
    ],
)
def test_content_in_parts_is_read_without_its_thinking(content, text):
    assert read_answer(body(content), chat=True).text == text


@cases(
    "answer",
    [
        body(None, "length", tokens=0),
        body(None, "length", reasoning_content="hm", tokens=512),
        body(None, "stop", reasoning="hm", tokens=0),
        body(None, "tool_calls", tool_calls=[{"id": "1"}], tokens=0),
        body(None, "stop", function_call={"name": "f"}, tokens=0),
        body([{"type": "thinking", "thinking": "hm"}], "length", tokens=0),
    ],
)
def test_an_answer_that_never_came_to_its_text_is_the_models_own_and_cut(answer):
    found = read_answer(answer, chat=True)
    assert (found.text, found.finish) == ("", Finish.LENGTH)


def test_an_empty_text_is_the_models_own_where_anything_shows_that_it_wrote_it():
    for answer in (body("", tokens=0), body(None, "eos_token", tokens=0), body(None, tokens=1)):
        assert read_answer(answer, chat=True).text == ""
    assert read_answer(body(None, refusal="I can't", tokens=0), chat=True).text == "I can't"
    for answer in (body(None, tokens=0), body("", None, tokens=0), body(None, None, tokens=0)):
        assert isinstance(read_answer(answer, chat=True), NoAnswer)


@cases("count", [-1, 10**4000, 1e9, True, "5", None, 10**9, [3]])
def test_a_count_of_tokens_that_is_none_is_not_taken(count):
    value = json.loads(body(CODE))
    value["usage"]["completion_tokens"] = 0
    text = json.dumps(value).replace(
        '"completion_tokens": 0', f'"completion_tokens": {json.dumps(count)[:9999]}'
    )
    found = read_answer(text, chat=True) if count != 10**4000 else None
    assert found is None or found.tokens == 0


@cases(
    "text",
    [
        *(
            "",
            "<html>",
            "[]",
            "{}",
            "null",
            "7",
            '"x"',
            '{"choices": ',
            "[" * 200_000,
            '{"choices":' * 200_000,
        ),
        '{"choices": [{"text": "a"}], "usage": {"completion_tokens": ' + "9" * 5000 + "}}",
        *(
            '{"choices": [{"text": 1}]}',
            '{"choices": [{"message": "x"}]}',
            '{"choices": {"0": {"text": "a"}}}',
        ),
    ],
)
def test_what_is_no_completion_is_not_taken_for_one(text):
    for chat in (True, False):
        assert isinstance(read_answer(text, chat=chat), NoAnswer)


def test_a_byte_order_mark_and_blanks_before_an_answer_are_passed_over():
    assert read_answer("\ufeff\n \n" + body(CODE), chat=True).text == CODE


def events(*values, end="data: [DONE]\n\n"):
    return ": a comment\n\n" + "".join(f"data: {json.dumps(each)}\r\n\r\n" for each in values) + end


def piece(text=None, finish=None, *, chat=True, **more):
    delta = {"delta": {"content": text, **more}} if chat else {"text": text or ""}
    return {"choices": [{"index": 0, "finish_reason": finish, **delta}], "model": "m"}


USAGE = {"choices": [], "usage": {"completion_tokens": 9, "prompt_tokens": 4}}


@pytest.mark.parametrize("chat", [True, False])
def test_a_stream_that_nobody_asked_for_is_read_as_the_answer_it_adds_up_to(chat):
    pieces = [piece("a\u2028", chat=chat), piece("b", chat=chat), piece(finish="length", chat=chat), USAGE]
    found = read_answer(events(*pieces), chat=chat)
    assert (found.text, found.finish, found.tokens, found.prompt_tokens) == ("a\u2028b", Finish.LENGTH, 9, 4)
    assert found.model == "m"


@cases("chat", [True, False])
@cases(
    ("last", "loss"),
    [
        (piece(finish="abort"), Loss.SERVER),
        (piece(finish="content_filter"), Loss.FILTERED),
        ({"error": {"message": "boom", "code": 502}}, Loss.SERVER),
        (piece("x"), Loss.SERVER),  # and no more: the connection was cut
    ],
)
def test_a_stream_that_breaks_off_is_a_failure_of_the_server(chat, last, loss):
    found = read_answer(events(piece(CODE, chat=chat), last), chat=chat)
    assert isinstance(found, NoAnswer)
    assert found.loss is loss


def test_a_stream_of_thoughts_alone_is_an_answer_that_was_cut():
    found = read_answer(events(piece(None, reasoning_content="hm"), piece(finish="stop")), chat=True)
    assert (found.text, found.finish) == ("", Finish.LENGTH)
    called = read_answer(events(piece(None, tool_calls=[{"id": "1"}]), piece(finish="tool_calls")), chat=True)
    assert (called.text, called.finish) == ("", Finish.LENGTH)
