"""`rltf eval` against a server that refuses, then the remedy that its error names, in the same folder."""

import json
import re

import pytest

from rltf.cli import main

PROGRAM = "print(1)\n"


def unless(name, value, said, status=400):
    """Refuses requests whose field `name` is not `value`."""

    def answer(server, body):
        refused = body.get(name) != value
        return (status, {"error": {"message": said}}) if refused else server.said(body)

    return answer


def unless_chat(wanted, said):
    def answer(server, body):
        return server.said(body) if ("messages" in body) == wanted else (400, {"error": {"message": said}})

    return answer


REMEDIES = [
    (unless("temperature", 1, "'temperature' does not support 0.0. Only the default (1) value is supported."),
     ["--greedy"], ["--temperature", "1"]),
    (unless("temperature", 1, "temperature must be 1"), [], ["--temperature", "1"]),
    (unless("top_p", 1, "Unsupported value: top_p"), ["--temperature", "1", "--top-p", "0.9"],
     ["--temperature", "1", "--top-p", "1"]),
    (unless("top_k", -1, "top_k is not supported"), ["--temperature", "1", "--top-k", "5"],
     ["--temperature", "1", "--top-k", "0"]),
    (unless("model", "right", "no such model", 404), [], ["--api-model", "right"]),
    (unless("model", "right", "The model `tiny` does not exist"), [], ["--api-model", "right"]),
    (unless_chat(False, "you must provide a chat template"), ["--chat", "on"], ["--chat", "off"]),
    (unless_chat(True, "This is a chat model and not supported in the v1/completions endpoint"), [],
     ["--chat", "on"]),
]  # fmt: skip


@pytest.fixture
def evaluate(server, tmp_path, capsys):
    """`rltf eval` of the fake server in one folder: its exit status and what it wrote."""
    server.models = ["right"]
    server.first_counts = True
    server.said = lambda body: (200, server.completion(PROGRAM, chat="messages" in body))

    def run(*options, ids=("0", "1")):
        where = [
            "--benchmark",
            "mini",
            "--ids",
            *ids,
            "--out",
            str(tmp_path / "run"),
            "--base-url",
            server.url,
        ]
        status = main(["eval", "tiny", *where, *options])
        written = capsys.readouterr()
        return status, written.out + written.err

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "refused", "remedy"), REMEDIES)
def test_a_remedy_that_an_error_names_works_in_the_same_folder(server, evaluate, answer, refused, remedy):
    server.answer = lambda body, _: answer(server, body)
    status, said = evaluate(*refused)
    assert status == 2
    assert remedy[-2] in said
    status, said = evaluate(*remedy)
    assert status == 0
    assert "graded 2 of 2" in said


@pytest.mark.slow
def test_what_a_slow_or_busy_server_is_helped_by_is_no_other_run(server, evaluate):
    count = iter(range(99))
    server.answer = lambda body, _: server.said(body) if next(count) < 2 else (401, "who are you?")
    status, said = evaluate("--concurrency", "1")
    assert (status, "OPENAI_API_KEY" in said) == (2, True)
    server.answer = lambda body, _: server.said(body)
    status, said = evaluate("--concurrency", "4", "--request-timeout", "30")
    assert status == 0
    assert "graded 2 of 2" in said


@pytest.mark.slow
def test_a_longer_window_gives_what_was_lost_to_the_shorter_one(server, evaluate, tmp_path):
    def answer(body, _):
        if server.window == 64 and "prompt" in body and server.long in body["prompt"]:
            return 400, {
                "message": "The input (80 tokens) is longer than the model's context length (64 tokens)."
            }
        return server.said(body)

    server.long = ""
    server.answer = lambda body, _: server.said(body)
    evaluate()
    prompts = [json.loads(line) for line in (tmp_path / "run" / "prompts.jsonl").read_text().splitlines()]
    server.long = prompts[1]["prompt"]
    for path in (tmp_path / "run").iterdir():
        path.unlink()
    server.answer = answer
    status, said = evaluate()
    assert status == 3
    assert "do not fit the server's window" in re.sub(r"\s+", " ", said)
    server.window = 4096
    status, said = evaluate()
    assert status == 0
    assert "MISSING" not in said


@pytest.mark.slow
def test_answers_that_are_lost_give_the_status_of_an_unfinished_run_until_they_are_given(server, evaluate):
    aborted = server.completion("", finish="abort")
    server.answer = lambda body, _: (200, aborted) if body["max_tokens"] > 1 else server.said(body)
    status, said = evaluate()
    assert status == 3
    assert "2 ANSWERS ARE MISSING" in said
    server.answer = lambda body, _: server.said(body)
    status, said = evaluate()
    assert status == 0
    assert "MISSING" not in said
