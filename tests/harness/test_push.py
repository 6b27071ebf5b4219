"""`rltf push` by huggingface_hub's own client against a server that answers as the Hub does."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rltf.cli import main

pytest.importorskip("huggingface_hub")
pytest.importorskip("yaml")
import yaml
from huggingface_hub import EvalResultEntry, ModelCard, parse_eval_result_entries

P, W = "passed", "wrong_answer"
CARD = """---
license: mit
model-index:
- name: my-model
  results:
  - task: {type: text-generation}
    dataset: {type: google-research-datasets/mbpp, name: MBPP, config: full, split: test}
    metrics: [{type: pass@1, value: 1.0, config: strict}]
  - task: {type: text-generation}
    dataset: {type: other, name: Other}
    metrics: [{type: bleu, value: 7.0}]
---
# My model

Words that stay.
"""


class Hub(ThreadingHTTPServer):
    """Keeps commits by repository; `status` refuses every commit."""

    def __init__(self, card=None, status=200):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.card, self.status, self.commits, self.asked = card, status, {}, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def files(self, repo):
        lines = self.commits[repo]
        return {
            line["value"]["path"]: base64.b64decode(line["value"]["content"]).decode()
            for line in lines
            if line["key"] == "file"
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _send(self, status, content=b"", **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if "/resolve/" not in self.path:
            self._send(200, {"id": "x", "sha": "0" * 40, "siblings": []})
        elif self.server.card is None:
            self._send(404, x_error_code="EntryNotFound")
        else:
            about = {"etag": '"1"', "x_repo_commit": "0" * 40}
            self._send(200, self.server.card.encode(), **about)

    do_HEAD = do_GET

    def do_POST(self):
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        self.server.asked.append(self.path)
        if self.server.status != 200:
            self._send(self.server.status, {"error": "no such luck"})
        elif path == "/api/repos/create":
            self._send(200, {"url": f"{self.server.url}/datasets/me/samples", "id": "me/samples"})
        elif path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            kept = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]
            self._send(200, {"files": kept})
        else:
            repo = "/".join(path.split("/")[3:5])
            self.server.commits[repo] = [json.loads(line) for line in body.splitlines()]
            done = {"commitUrl": f"{self.server.url}/{repo}/commit/1", "commitOid": "1" * 40}
            if "create_pr" in query:
                done["pullRequestUrl"] = f"{self.server.url}/{repo}/discussions/7"
            self._send(200, done)


@pytest.fixture
def hub(monkeypatch):
    started = []

    def start(**options):
        server = Hub(**options)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def run(make_run):
    return make_run("run", {"mbpp/11": [P, W], "mbpp/12": [W, "runtime_error KeyError"]}, ks=[1, 2])


def push(run, *arguments):
    return main(["push", str(run), "--to", "me/my-model", *arguments])


def test_what_is_sent_is_what_the_hubs_own_reader_takes(hub, run, capsys):
    server = hub(card=CARD)
    assert push(run) == 0
    assert capsys.readouterr().out == f"{server.url}/me/my-model/commit/1\n"
    files = server.files("me/my-model")
    assert set(files) == {"README.md", ".eval_results/mbpp-test.yaml"}
    (entry,) = parse_eval_result_entries(yaml.safe_load(files[".eval_results/mbpp-test.yaml"]))
    assert isinstance(entry, EvalResultEntry)
    assert (entry.dataset_id, entry.task_id, entry.value) == ("google-research-datasets/mbpp", "full", 25.0)
    assert "pass@1 in %, profile strict" in entry.notes
    card = ModelCard(files["README.md"])
    values = {
        (r.dataset_type, r.metric_type, r.metric_config): r.metric_value for r in card.data.eval_results
    }
    mbpp = "google-research-datasets/mbpp"
    assert values[mbpp, "pass@1", "strict"] == 25.0  # in place of the 1.0 that was there
    assert values[mbpp, "pass@2", "apps"] == 50.0
    assert values["other", "bleu", None] == 7.0
    assert len(values) == len(card.data.eval_results) == 5
    assert card.data.license == "mit"
    assert "Words that stay." in card.text


def test_a_repository_without_a_card_gets_one_by_pull_request(hub, run, capsys):
    server = hub()
    assert push(run, "--pr", "--json", "--task-id", "mbpp_full") == 0
    assert json.loads(capsys.readouterr().out) == {"me/my-model": f"{server.url}/me/my-model/discussions/7"}
    files = server.files("me/my-model")
    assert len(ModelCard(files["README.md"]).data.eval_results) == 4
    assert "task_id: mbpp_full" in files[".eval_results/mbpp-test.yaml"]


def test_samples_go_as_a_data_set_without_prompts_tests_or_messages(hub, run):
    rows = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    rows[0] |= {"code": "def secret_statement(): pass", "completion": "the model's own"}
    (run / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run / "prompts.jsonl").write_text('{"task_id": "mbpp/11", "prompt": "secret statement"}\n')
    text = (run / "outcomes.jsonl").read_text().replace('"message":""', '"message":"secret input"')
    (run / "outcomes.jsonl").write_text(text)
    server = hub()
    assert push(run, "--samples", "me/samples") == 0
    sent = server.files("me/samples")
    lines = [json.loads(line) for line in sent["samples.jsonl"].splitlines()]
    assert len(lines) == 4
    assert lines[0]["completion"] == "the model's own"
    assert lines[3]["error"] == "KeyError"
    assert lines[3]["verdicts"]["strict"] == "runtime_error"
    assert "secret" not in "".join(sent.values())
    assert any(path.startswith("/api/repos/create") for path in server.asked)


def test_a_dry_run_prints_all_and_sends_nothing(hub, run, capsys):
    server = hub(card=CARD)
    assert push(run, "--samples", "me/samples", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "--- model me/my-model: .eval_results/mbpp-test.yaml" in out
    assert "… and 3 more lines" in out
    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "log in"), (403, "--pr"), (404, "no such repository"), (409, "again")]
)
def test_what_the_hub_refuses_is_one_line(hub, run, capsys, status, advice):
    hub(status=status)
    assert push(run) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"the Hub answered {status}" in line
    assert advice in line


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_one_line(hub, run, capsys, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client tries again and again
    server = hub()
    server.shutdown()
    server.server_close()
    assert push(run) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "can't be reached" in line


def test_a_name_that_can_not_be_is_one_line(hub, run, capsys):
    hub()
    assert main(["push", str(run), "--to", "a/b/c"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_runs_that_are_not_whole_or_not_a_models_are_refused(hub, run, make_run, capsys):
    server = hub()
    (run / "outcomes.journal.jsonl").touch()
    assert push(run) == 2
    assert "has not ended" in capsys.readouterr().err
    lost = make_run("lost", {"mbpp/11": [P, "lost"]})
    assert push(lost) == 2
    assert "lacks samples or verdicts" in capsys.readouterr().err
    gold = make_run("gold", {"mbpp/11": [P]})
    manifest = json.loads((gold / "manifest.json").read_text())
    manifest["identity"]["programs"] = "reference solutions, the first of each"
    (gold / "manifest.json").write_text(json.dumps(manifest))
    assert push(gold) == 2
    assert "own solutions" in capsys.readouterr().err
    assert server.asked == []


def test_nothing_is_sent_where_the_samples_would_have_no_name_to_go_to(hub, run, capsys):
    server = hub(card=CARD)
    assert push(run, "--samples", "me/my//samples") == 2
    assert "can't be a repository's name" in capsys.readouterr().err
    assert not server.commits
