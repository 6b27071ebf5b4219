"""Control characters reach no terminal and no report, whatever wrote them."""

import io
import os
import sys
import warnings

import pytest
from cases import cases

from harness.errors import InputError
from harness.files import replace_file
from harness.models.api.errors import one_line as server_line
from harness.report.browser import _json
from harness.report.console import show
from harness.report.formats import _inert, _latex
from harness.report.markdown import cell, fenced
from harness.run_store.journal import OutcomeFile
from harness.runner.child_report import error_of
from harness.text import one_line, printable, printable_values, shown
from rltf import cli

EVIL = "a\x1b[2Jb\x07c\rd\x85e\x9bf\u202eg\u2066h\u200fi\u2028j\x7fk\x00l"
HIDDEN = sorted(c for c in set(EVIL) if not c.isprintable())


def _clean(text: str) -> bool:
    return not any(c in text for c in HIDDEN)


SINKS = {
    "a line": one_line,
    "text": printable,
    "a page": shown,
    "a program's error": lambda text: error_of({"error": [text, text, 1]}).message,
    "a program's exception": lambda text: error_of({"error": [text, text, 1]}).type,
    "a server's error": server_line,
    "markdown": cell,
    "a block of markdown": fenced,
    "latex": _latex,
    "csv": _inert,
    "the page's data": lambda text: printable_values({text: [text]}).__str__().encode().decode(),
}


@cases("sink", SINKS)
def test_no_control_character_gets_through(sink):
    assert len(HIDDEN) == 11
    found = SINKS[sink](EVIL)
    assert _clean(found)
    assert "a" in found
    assert "l" in found  # nothing that can be read is lost


def test_the_pages_data_holds_none_once_it_is_read_back():
    import json

    assert _clean(json.loads(_json({"code": EVIL}))["code"])


def test_text_without_controls_is_left_as_it_is():
    text = "naïve 日本語 👩‍👩‍👧 \u00a0x"
    assert printable(text) == one_line("naïve 日本語 👩‍👩‍👧").join(("", " \u00a0x"))
    assert shown("a\n\tb\r\nc") == "a\n\tb\nc"


def test_errors_and_warnings_on_the_console_hold_none(monkeypatch, tmp_path, capsys):
    status = cli.main(
        ["score", str(tmp_path / f"x{EVIL}".replace("\0", "")), "--benchmark", "mini", "--no-cache"]
    )
    written = capsys.readouterr().err
    assert status == 2
    assert _clean(written.replace("\n", ""))
    assert len(written.splitlines()) == 1
    cli._show_warning(sys.stderr, EVIL, UserWarning)
    assert _clean(capsys.readouterr().err)


def test_the_console_tables_hold_none(make_run, tmp_path):
    import json

    folder = make_run("run", {"mbpp/11": ["passed"]})
    metrics = json.loads((folder / "metrics.json").read_text()) | {"notices": [EVIL]}
    metrics["benchmark"]["name"] = EVIL
    stream = io.StringIO()
    show(metrics, folder / "report.md", stream)
    assert _clean(stream.getvalue())
    assert "\\x1b[2J" in stream.getvalue()


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "metrics.json"
    victim.write_text("keep me")
    (tmp_path / "metrics.json.tmp").symlink_to(victim)
    replace_file(path, lambda stream: stream.write(b"new"))
    assert (victim.read_text(), path.read_text()) == ("keep me", "new")
    assert not path.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["metrics.json", "victim"]


def test_a_folder_in_the_place_of_the_temporary_file_is_one_line(tmp_path):
    (tmp_path / "metrics.json.tmp").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        replace_file(tmp_path / "metrics.json", lambda stream: stream.write(b"new"))


def test_damaged_rows_are_said_and_rows_torn_by_a_kill_are_not(tmp_path):
    journal = tmp_path / "outcomes.journal.jsonl"
    journal.write_bytes(b'{"task_id": torn by a kill\n')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OutcomeFile(tmp_path / "outcomes.jsonl")
    journal.write_bytes(b"\0\0\0\n{}\n")
    with pytest.warns(UserWarning, match="damaged on disk: 2"):
        OutcomeFile(tmp_path / "outcomes.jsonl")
