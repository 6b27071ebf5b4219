"""An OpenAI-compatible server that answers as a test tells it to, and the sampler's way to it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.errors import InputError
from harness.models import Decoding, Request
from harness.prompts import Prompt
from harness.types import Piece, PromptFormat

BASE = PromptFormat("base", "1", lambda _: [], "test", stop=("\nclass",))
CHAT = PromptFormat("chat", "1", lambda _: [], "test", chat=True)
DECODING = Decoding(temperature=0.5, max_new_tokens=8)


class FakeServer(ThreadingHTTPServer):
    """Records what it is asked; `answer(body, how many before)` gives a status and a JSON value or text.

    The sampler's first question, for a single token, is answered well and not recorded unless `first_counts`.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.models = ["tiny"]
        self.window = 64
        self.answer = self.echo
        self.first_counts = False
        self.bodies, self.paths, self.keys = [], [], set()
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        """Callers that hang up are part of the tests."""

    @staticmethod
    def completion(text, *, finish="stop", chat=False):
        choice = {"message": {"content": text}} if chat else {"text": text}
        return {
            "choices": [{**choice, "finish_reason": finish}],
            "usage": {"completion_tokens": 3},
            "model": "tiny@main",
            "system_fingerprint": "fp_1",
        }

    def echo(self, body, _before):
        """The answer names task and seed, so that it is known to which request it belongs."""
        text = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
        return 200, self.completion(f"{text}:{body['seed']}", chat="messages" in body)

    @staticmethod
    def requests(tasks, samples=1, *, chat=False):
        form = CHAT if chat else BASE
        prompts = [Prompt(f"t/{task}", (Piece(f"task {task}", cut=True),), form) for task in range(tasks)]
        return [Request(prompt, tuple(range(samples))) for prompt in prompts]

    def sampler(self, **options):
        from harness.models.api.sampler import ServerSampler

        return ServerSampler(self.url, "tiny", **options)

    def complete(self, asked, decoding=DECODING, **options):
        found = list(self.sampler(**options).complete(asked, decoding))
        return {(each.task_id, each.sample_id): each for each in found}

    def failure(self, **options):
        """The one line that a request for one sample ends with."""
        with pytest.raises(InputError) as raised:
            self.complete(self.requests(1), **options)
        assert "\n" not in str(raised.value)
        return str(raised.value)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        window = self.server.window
        listed = [
            {"id": name, "root": f"models/{name}", "max_model_len": window} for name in self.server.models
        ]
        self.reply(200, {"data": listed})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        if body.get("max_tokens") == 1 and not server.first_counts:
            self.reply(*server.echo(body, 0))
            return
        with server.lock:
            before = len(server.bodies)
            server.bodies.append(body)
            server.paths.append(self.path)
            server.keys.add(self.headers["Authorization"])
        self.reply(*server.answer(body, before))

    def reply(self, status, value):
        content = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Nothing on stderr."""


@pytest.fixture
def server(monkeypatch):
    """A `FakeServer` that echoes until told otherwise; pauses before retries are too short to notice."""
    pytest.importorskip("openai", reason="a server is asked through the package openai")
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr("harness.models.api.client.FIRST_PAUSE", 0.001)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with FakeServer() as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield listening
        listening.shutdown()
