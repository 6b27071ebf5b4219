"""The columns of score tables: one entry is seen in all five formats, and old folders show a dash."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.report import columns, sections, tables
from harness.report.columns import ALL, Column, Group, score_columns
from harness.report.console import show
from harness.report.run_page import write_page
from harness.run_store.finished_run import read_run
from rltf import cli

P, W = "passed", "wrong_answer"
LEVELS = {"mbpp/11": "introductory", "mbpp/12": "interview"}
EXTRA = Column(
    "twice", "twice the samples", lambda group: 2 * group.metrics["samples"], "{:,} samples".format
)


@pytest.fixture
def run(make_run) -> Path:
    """Two programs for each of two problems; every program takes 0.1 s of CPU, says the grader."""
    return make_run("r", {task: [P, W] for task in LEVELS}, levels=LEVELS)


def _formats(run: Path, capsys) -> Mapping[str, str]:
    """The run in every format, by its name."""
    finished, console = read_run(run), io.StringIO()
    show(finished.metrics, run / "report.md", console, finished.manifest.get("measured", {}))
    found = {
        "console": console.getvalue(),
        "report.md": (run / "report.md").read_text(),
        "page": write_page(run).read_text(encoding="utf-8"),
    }
    for name in ("md", "html", "csv", "latex"):
        assert cli.main(["report", str(run), "--format", name]) == 0
        found[name] = capsys.readouterr().out
    return found


def _csv(text: str, metric: str) -> list[dict[str, str]]:
    return [row for row in csv.DictReader(io.StringIO(text)) if row["metric"] == metric]


def test_median_cpu_seconds_stand_in_every_format(run, capsys):
    shown = _formats(run, capsys)
    for name, text in shown.items():
        if name != "csv":
            assert "median CPU seconds" in text, name
            assert "0.100" in text, name
    rows = _csv(shown["csv"], "median_cpu_seconds")
    assert {row["subset"] for row in rows} == {"introductory", "interview", "all"}
    assert {float(row["value"]) for row in rows} == {0.1}


def test_a_folder_of_an_older_version_shows_a_dash(run, capsys):
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest.pop("measured") == {
        name: {"median_cpu_seconds": 0.1} for name in ("all", "interview", "introductory")
    }
    (run / "manifest.json").write_text(json.dumps(manifest))
    shown = _formats(run, capsys)
    assert [row["value"] for row in _csv(shown["csv"], "median_cpu_seconds")] == [""] * 6
    for name in ("md", "latex"):
        (head,) = [line for line in shown[name].splitlines() if "median CPU seconds" in line]
        first = shown[name].splitlines()[shown[name].splitlines().index(head) + 2]
        assert first.rstrip(r"\| ").endswith("-"), name


def test_a_further_column_is_one_entry(run, capsys, monkeypatch):
    for module in (columns, sections, tables):
        monkeypatch.setattr(module, "score_columns", lambda metrics: [*score_columns(metrics), EXTRA])
    (run / "report.md").unlink()
    finished = read_run(run)
    assert tables.scores(finished.metrics).header[-1] == "twice the samples"
    (run / "report.md").write_text("")
    shown = _formats(run, capsys)
    for name in ("console", "page", "md", "html", "latex"):
        assert "8 samples" in shown[name], name
    assert {row["value"] for row in _csv(shown["csv"], "twice") if row["subset"] == ALL} == {"8"}


def test_counts_stay_whole_numbers_beside_seconds(run, capsys):
    assert cli.main(["report", str(run), "--format", "csv"]) == 0
    rows = _csv(capsys.readouterr().out, "samples")
    assert {row["subset"]: row["value"] for row in rows} == {
        "all": "4",
        "interview": "2",
        "introductory": "2",
    }


def test_an_undefined_share_is_no_number():
    (column,) = [each for each in score_columns([_metrics()]) if each.key == "pass@1"]
    nothing = Group(_metrics()["profiles"]["strict"]["overall"])
    assert column.cell(nothing) == "undefined"
    assert column.cell(None, "-") == "-"


def _metrics():
    group = {
        "problems": 0,
        "samples": 0,
        "pass@1": None,
        "strict_accuracy": None,
        "test_case_average": None,
        "verdicts": {},
        "runtime_errors": {},
    }
    return {
        "k": [1],
        "counts": {"samples": 0, "scored_problems": 0},
        "profiles": {"strict": {"overall": group, "difficulties": {}}},
    }


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("metrics.json", {"k": "1"}, "k"),
        ("metrics.json", {"counts": {"samples": 1}}, "counts.problems"),
        (
            "metrics.json",
            {"profiles": {"strict": {"overall": 3, "difficulties": {}}}},
            "profiles.strict.overall",
        ),
        ("metrics.json", {"profiles": {"strict": {"difficulties": {}}}}, "profiles.strict.overall"),
        ("manifest.json", {"identity": {"programs": None}}, "identity.programs"),
        ("manifest.json", {"sessions": [1]}, "sessions.0"),
        (
            "manifest.json",
            {"measured": {"all": {"median_cpu_seconds": "fast"}}},
            "measured.all.median_cpu_seconds",
        ),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_by_the_field_that_is_wrong(run, name, changes, field):
    content = json.loads((run / name).read_text())
    (run / name).write_text(json.dumps(content | changes))
    with pytest.raises(InputError, match=rf"{name} is no {name} of rltf: wrong or missing {field};"):
        read_run(run)


def test_another_kind_of_file_in_the_place_of_metrics_is_refused(run):
    for text, said in (("[]", "missing content"), ("{", "is no JSON"), ('{"a": 1}', "missing format")):
        (run / "metrics.json").write_text(text)
        with pytest.raises(InputError, match=said):
            read_run(run)


def test_fields_of_a_newer_version_are_let_through(run):
    content = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(content | {"new": 1}))
    assert read_run(run).metrics["k"] == [1]


def _paths(value: object, front: tuple[str | int, ...] = ()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield (*front, name)
        yield from _paths(item, (*front, name))


def _with(content: dict, path: tuple[str | int, ...], value: object) -> dict:
    copy = json.loads(json.dumps(content))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metrics.json", "manifest.json"])
def test_whatever_field_is_of_another_kind_the_report_is_made_or_refused_in_one_line(make_run, name, capsys):
    run = make_run("r", {"mbpp/11": [P]})
    content = json.loads((run / name).read_text())
    refused = 0
    for path in _paths(content):
        for value in ("x", None, {"a": {}}):
            (run / name).write_text(json.dumps(_with(content, path, value)))
            status = cli.main(["report", str(run)])
            error = capsys.readouterr().err
            assert (status, len(error.splitlines())) in ((0, 0), (2, 1)), (path, value, error)
            refused += status == 2
    assert refused > 50
