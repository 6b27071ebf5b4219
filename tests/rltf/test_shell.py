"""The commands in a shell: completion, --quiet, --json, progress on any stream, a report for an issue."""

import io
import json
import shutil
import subprocess
import sys

import pytest

from harness.commands.bug_report import bug_report, without_names
from harness.errors import InputError, IsolationError
from harness.report.progress import BarProgress, LineProgress, progress_on
from harness.report.sampling_progress import SamplingBars, SamplingLines, sampling_progress_on
from rltf.cli import main

SELECTION = ["--benchmark", "mini", "--ids", "0-1", "--no-cache", "--workers", "1"]


def completed(words):
    """What bash offers after these words."""
    script = subprocess.run(
        [sys.executable, "-m", "rltf", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    last = len(words) - 1
    asked = f'COMP_WORDS=({" ".join(words)}); COMP_CWORD={last}; _shtab_rltf; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=False)
    return done.stdout.split()


@pytest.mark.slow
def test_bash_completes_commands_options_and_values():
    pytest.importorskip("shtab")
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    assert {"view", "push", "score"} <= set(completed(["rltf", "''"]))
    assert completed(["rltf", "view", "--po"]) == ["--port"]
    assert "humaneval" in completed(["rltf", "score", "gold", "--benchmark", "hu"])


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_a_script(capsys, shell):
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    assert "rltf" in capsys.readouterr().out


@pytest.mark.slow
def test_quiet_and_json_leave_the_result_alone(tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["score", "gold", *SELECTION, "--out", str(folder), "--quiet", "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert found["folder"] == str(folder)
    assert found["profiles"]["strict"]["overall"]["pass@1"]["value"] == 1.0
    assert shown.err == ""
    assert main(["report", str(folder), "--out", str(tmp_path / "r.md")]) == 0
    assert capsys.readouterr().err
    assert main(["report", str(folder), "--out", str(tmp_path / "r.md"), "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_quiet_keeps_errors(capsys):
    assert main(["score", "gold", "--benchmark", "nothing", "-q"]) == 2
    assert capsys.readouterr().err.startswith("rltf: error: unknown benchmark")


def test_a_prompt_comes_as_json_for_a_chat_model(capsys):
    assert main(["prompt", "--benchmark", "mini", "--id", "0", "--chat", "on", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["task_id"] == "mini/test/0"
    assert found["messages"][-1]["role"] == "user"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("term", "redrawn"), [("xterm-256color", True), ("dumb", False), (None, False)])
def test_bars_are_for_terminals_that_can_draw_a_line_anew(monkeypatch, term, redrawn):
    monkeypatch.delenv("TERM", raising=False)
    if term:
        monkeypatch.setenv("TERM", term)
    assert type(progress_on(Terminal())) is (BarProgress if redrawn else LineProgress)
    assert type(sampling_progress_on(Terminal())) is (SamplingBars if redrawn else SamplingLines)
    assert type(progress_on(io.StringIO())) is LineProgress


class Closed(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, _):
        raise BrokenPipeError


@pytest.mark.parametrize("kind", [LineProgress, SamplingLines])
def test_a_reader_of_the_progress_that_leaves_does_not_end_the_run(kind):
    progress = kind(Closed())
    progress.start_sampling(2, 1)
    progress.start(2, 1)
    progress.stop()


def test_a_report_for_an_issue_names_no_user_host_home_or_value(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home-of-ada"))
    monkeypatch.setenv("USER", "ada-lovelace")
    monkeypatch.setenv("LOGNAME", "ada-lovelace")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("socket.gethostname", lambda: "engine-1")
    monkeypatch.setitem(sys.modules, "torch", None)  # seconds to import
    said = f"cannot open {tmp_path / 'home-of-ada'}/x as ada-lovelace on engine-1"

    def examine():
        raise IsolationError(said)

    text = bug_report(examine)
    assert "cannot open ~/x as USER on HOST" in text
    for secret in ("ada-lovelace", "engine-1", "hf_secret", "home-of-ada"):
        assert secret not in text
    assert "| HF_TOKEN | set |" in text
    assert "| Python |" in text
    assert without_names("engine-10 stays") == "engine-10 stays"


def test_an_input_error_is_not_hidden_by_a_report(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)

    def examine():
        raise InputError("no workers")

    assert "no workers" in bug_report(examine)
