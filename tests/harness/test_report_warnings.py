"""Runs most of whose programs cannot be answers: counted from the programs, and said before any number."""

import io
import json
from contextlib import nullcontext
from dataclasses import replace

import pytest
from fakes import FakeGrader, outcome_of

from harness.evaluate.evaluation import Plan, evaluate
from harness.metrics.unusable import UnusableCounts
from harness.programs.source import ProgramFile
from harness.report.console import show
from harness.report.run_page import write_page
from harness.report.warnings import warnings
from harness.types import (
    AssertTest,
    Benchmark,
    Limits,
    Problem,
    Status,
    StdinTest,
    TestKind,
    TestSuite,
)
from rltf import cli

ADDS = TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert add(1, 2) == 3")])
READS = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "2\n")])
BENCHMARK = Benchmark(
    "b", "test", "1", [Problem("b/0", "", lambda: ADDS), Problem("b/1", "", lambda: READS)], "hash", "here"
)
GOOD = "def add(a, b):\n    return a + b\n"


def row(code: str, task: str = "b/0", **more: object) -> bytes:
    return json.dumps({"task_id": task, "sample_id": 0, "code": code, **more}).encode()


def test_programs_are_counted_by_what_keeps_them_from_being_answers():
    counts = UnusableCounts(BENCHMARK)
    for line in (
        row(GOOD),
        row("  " + GOOD),
        row("def mul(a, b):\n    return a * b\n"),
        row("from x import add\n"),
        row("I cannot add(1, 2)."),
        row(" \n"),
        row(GOOD, finish="length"),
        row("", finish="length"),
        row("print(2)\n", "b/1"),
    ):
        counts.add(json.loads(line))
    assert counts.metrics() == {"lacking": 3, "empty": 2, "cut": 2, "unusable": 6, "of": 9}


def metrics_of(**counts: int) -> dict[str, object]:
    return {"programs": {"lacking": 0, "empty": 0, "cut": 0, "unusable": 0, "of": 10, **counts}}


def test_more_than_half_is_said_with_what_to_look_at():
    (said,) = warnings(metrics_of(lacking=6, cut=1, unusable=6))
    assert said.startswith("MOST PROGRAMS ARE NO ANSWERS")
    assert "of 10, 6 define nothing that the tests call, 1 were cut" in said
    assert "--format chat" in said
    assert "--max-new-tokens" not in said  # one of ten is not why


def test_half_is_not_said():
    assert warnings(metrics_of(empty=5, unusable=5)) == []
    assert warnings({}) == []  # a run of an older version


@pytest.fixture
def prose(make_run):
    """A run whose programs are all words."""
    run = make_run("r", {"mbpp/11": ["wrong_answer"], "mbpp/12": ["wrong_answer"]})
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["programs"] |= {"lacking": 2, "unusable": 2, "of": 2}
    (run / "metrics.json").write_text(json.dumps(metrics))
    return run


def test_every_report_says_it_before_its_numbers(prose, capsys):
    metrics = json.loads((prose / "metrics.json").read_text())
    stream = io.StringIO()
    show(metrics, prose / "report.md", stream)
    assert 0 < stream.getvalue().index("MOST PROGRAMS") < stream.getvalue().index("Scores in %")
    page = write_page(prose).read_text(encoding="utf-8")
    assert 0 < page.index("MOST PROGRAMS") < page.index("Scores in %")
    assert cli.main(["report", str(prose)]) == 0
    assert "MOST PROGRAMS" in capsys.readouterr().out


def test_a_run_of_programs_without_the_function_says_so_on_top_of_its_report(tmp_path):
    file = tmp_path / "words.jsonl"
    codes = ["Sorry", "x = add\n", GOOD]
    file.write_bytes(
        b"".join(
            row(code).replace(b'"sample_id": 0', b'"sample_id": %d' % i) + b"\n"
            for i, code in enumerate(codes)
        )
    )
    plan = Plan(
        replace(BENCHMARK, problems=BENCHMARK.problems[:1]), ProgramFile(file), Limits(), {"strict": "1"}
    )
    grader = FakeGrader(lambda job: outcome_of(job, Status.RUNTIME_ERROR, profiles=["strict"]))
    metrics = evaluate(plan, tmp_path / "run", lambda: nullcontext(grader))
    assert metrics["programs"] == {"lacking": 2, "empty": 0, "cut": 0, "unusable": 2, "of": 3}
    text = (tmp_path / "run" / "report.md").read_text()
    assert 0 < text.index("MOST PROGRAMS ARE NO ANSWERS") < text.index("## Scores")
