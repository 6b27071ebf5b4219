"""What samples record of a model's answers: counted where it is recorded, and said in every report."""

import csv
import io
import json

import pytest

from harness.metrics.completions import CompletionCounts
from harness.report.run_page import write_page
from rltf import cli

P, W = "passed", "wrong_answer"


def _counted(*rows):
    counts = CompletionCounts()
    for row in rows:
        counts.add(row)
    return counts.metrics()


def test_answers_are_counted_and_shares_are_of_those_that_record_them():
    found = _counted(
        {"changed": True, "finish": "length", "tokens": 7},
        {"changed": False, "finish": "stop", "tokens": 5},
        {"changed": True, "finish": "stop"},
        {"finish": "content_filter"},
        {"code": "made elsewhere"},
    )
    assert found == {
        "changed": {"count": 2, "of": 3},
        "finish": {"counts": {"content_filter": 1, "length": 1, "stop": 2}, "of": 4},
        "tokens": {"total": 12, "most": 7, "of": 2},
    }


def test_programs_made_elsewhere_get_no_counts(make_run):
    run = make_run("r", {"mbpp/11": [P]})
    assert _counted({"code": "x"}) == {}
    assert "answers" not in json.loads((run / "metrics.json").read_text())
    assert "From answers to programs" not in (run / "report.md").read_text()


@pytest.fixture
def run(make_run):
    """A run whose samples record their answers, as one of `rltf eval`."""
    run = make_run("r", {"mbpp/11": [P, W], "mbpp/12": [W, W]})
    metrics = json.loads((run / "metrics.json").read_text())
    row = {"finish": "stop", "changed": False}
    metrics["answers"] = _counted(row, row, row, {"finish": "length", "changed": True})
    metrics["prompts"] = {"shortened": 1, "of": 2}
    (run / "metrics.json").write_text(json.dumps(metrics))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["generation"] = {"model": {"name": "org/m", "revision": None}, "top_p": 0.95, "preset": None}
    (run / "manifest.json").write_text(json.dumps(manifest))
    return run


def test_every_report_says_what_became_of_the_answers(run, capsys):
    page = write_page(run).read_text(encoding="utf-8")
    assert "<dt>changed by extraction</dt><dd>25.0 %</dd>" in page
    assert "<dt>cut at the length limit</dt><dd>25.0 %</dd>" in page
    assert cli.main(["report", str(run)]) == 0
    text = capsys.readouterr().out
    assert "| changed by extraction | 1 of 4 (25.0 %) |" in text
    assert "| prompts shortened to fit | 1 of 2 (50.0 %) |" in text


def test_the_page_says_how_the_programs_were_sampled(run):
    page = write_page(run).read_text(encoding="utf-8")
    assert "How the programs were sampled" in page
    assert '<td class="text">model</td><td class="text long">name org/m</td>' in page
    assert '<td class="text">top p</td><td class="text long">0.95</td>' in page
    assert "preset" not in page.split("How the programs were sampled")[1].split("</table>")[0]


def test_the_numbers_of_a_run_stay_numbers_beside_them(run, capsys):
    assert cli.main(["report", str(run), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["metric"] for row in rows if row["value_percent"]} == {
        "pass@1",
        "strict_accuracy",
        "test_case_average",
    }
