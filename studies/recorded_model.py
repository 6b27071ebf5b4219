"""A model whose answers are known: made from reference solutions, served as OpenAI-compatible servers do.

Every third answer is made wrong, in turn by another value, a text that does not compile, and no program at
all; the others are the reference solution, in the shapes in which chat models give programs. Does not cover:
what they are worth (`rltf eval`, in `integrations.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from harness import Benchmark, Problem
from harness.prompts import find_format, make_prompt
from harness.types import AssertTest, StdinTest

_SHAPES = (
    "Here it is:\n\n```python\n{code}\n```\n\nIt is simple.",
    "<think>\nFirst I thought of\n```python\nraise SystemExit\n```\n</think>\n```py\n{code}\n```",
    "```\n{code}\n```",
    "{code}",
)


def recorded(benchmark: Benchmark) -> list[dict[str, str]]:
    """`task_id`, `prompt`, `text` and `tests`, the ground truth as JSON, of each problem."""
    form = find_format(benchmark, "chat")
    rows = []
    for number, problem in enumerate(benchmark.problems):
        prompt = make_prompt(form, problem).text
        truth = json.dumps(_truth(problem))
        rows.append(
            {"task_id": problem.task_id, "prompt": prompt, "text": _text(problem, number), "tests": truth}
        )
    return rows


def _text(problem: Problem, number: int) -> str:
    code = problem.solutions[0].strip("\n")
    shape = _SHAPES[number % len(_SHAPES)]
    match number % 9:
        case 2:
            return shape.format(code=code.replace("return ", "return not ").replace("print(", "print(0, "))
        case 5:
            return shape.format(code=code.replace("(", "((", 1))
        case 8:
            return "I do not know."
    return shape.format(code=code)


def _truth(problem: Problem) -> Any:
    tests = problem.suite.tests()
    if isinstance(tests[0], StdinTest):
        return {"inputs": [each.input for each in tests], "outputs": [each.output for each in tests]}
    return [each.source for each in tests if isinstance(each, AssertTest)]


@contextmanager
def served(rows: list[dict[str, str]]) -> Iterator[str]:
    """The address of a server of chat completions, as `--base-url` takes it."""
    texts = {row["prompt"].strip(): row["text"] for row in rows}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = texts.get(_content(body["messages"][-1]).strip())
            answer = {"error": {"message": "not recorded"}} if said is None else _completion(body, said)
            data = json.dumps(answer).encode()
            self.send_response(404 if said is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


def _content(message: Mapping[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _completion(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    choices = [
        {"index": n, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        for n in range(body.get("n") or 1)
    ]
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {
        "id": "recorded",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": choices,
        "usage": usage,
    }
