"""Progress and provenance: what a person sees while grading, and what a report says about its origin."""

import io
import subprocess
from pathlib import Path

import pytest

from harness.metrics.summary import Summary
from harness.report.console import show
from harness.report.markdown import Notable, markdown
from harness.report.progress import BarProgress, LineProgress, progress_on
from harness.run_store import environment
from harness.types import Benchmark, ErrorInfo, Outcome, Problem, Status, TestKind, TestOutcome, TestSuite

SUITE = TestSuite.pack(TestKind.STDIN, [])
BENCHMARK = Benchmark("made", "test", "7", [Problem("made/1", "", lambda: SUITE)], "hash", "made here")
MANIFEST = {
    "programs": "samples",
    "identity": {
        "programs": "file sha256 12ab",
        "benchmark": {"dataset_hash": "hash"},
        "profiles": {"strict": "1"},
        "limits": {"cpu_seconds": 4.0},
    },
    "data_source": "made here",
    "sessions": [
        {"commit": "abc123", "versions": {"python": "3"}, "hardware": {"processors": 2}, "runner": {}}
    ],
    "seed": 0,
    "command": "rltf score x --benchmark made",
}


def _outcome(status: Status = Status.PASSED, error: ErrorInfo | None = None, **changes) -> Outcome:
    return Outcome(
        "made/1", 0, {"strict": status}, (TestOutcome({"strict": status}, error),), error, **changes
    )


def _progress() -> tuple[LineProgress, io.StringIO, list[float]]:
    stream, now = io.StringIO(), [0.0]
    return LineProgress(stream, clock=lambda: now[0]), stream, now


def test_a_log_gets_a_line_every_ten_seconds_with_rate_time_left_and_counts():
    progress, stream, now = _progress()
    progress.start(total=100, graded=0)
    for second in range(1, 21):
        now[0] = float(second)
        progress.update(_outcome(Status.PASSED if second % 2 else Status.TIMED_OUT))
    first, second_line = stream.getvalue().splitlines()
    assert first == "10 of 100 programs (10 %), 1.0/s, 90 s left: passed 5, timed_out 5"
    assert second_line.startswith("20 of 100 programs (20 %), 1.0/s, 80 s left: ")


def test_what_was_graded_before_is_said_and_does_not_make_the_rate():
    progress, stream, now = _progress()
    progress.start(total=1000, graded=900)
    now[0] = 10.0
    progress.update(_outcome())
    assert stream.getvalue().splitlines() == [
        "900 of 1,000 programs were graded before",
        "901 of 1,000 programs (90 %), 0.1/s, 16 min left: passed 1",
    ]


def test_failures_of_the_grader_stand_out():
    progress, stream, _ = _progress()
    progress.start(total=1, graded=0)
    progress.update(_outcome(Status.NOT_RUN, infrastructure_error="worker lost"))
    progress.stop()
    assert "GRADER FAILED 1" in stream.getvalue()


def test_a_terminal_gets_a_bar_and_a_file_gets_lines():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(progress_on(Terminal()), BarProgress)
    assert isinstance(progress_on(io.StringIO()), LineProgress)
    stream = Terminal()
    bar = progress_on(stream)
    bar.start(total=2, graded=1)
    bar.update(_outcome())
    bar.stop()
    assert "2/2" in stream.getvalue()
    assert "passed 1" in stream.getvalue()


def _report(*outcomes: Outcome) -> str:
    summary, notable = Summary(BENCHMARK, ["strict"]), Notable(BENCHMARK, ["strict"])
    for outcome in outcomes:
        summary.add(outcome)
        notable.add(outcome)
    return markdown(summary.metrics([1]), MANIFEST, notable)


def test_a_report_holds_numbers_origin_and_command():
    text = _report(_outcome())
    for part in (
        "| all | strict | 1 | 1 | 100.00 [",
        "version 7",
        "sha256 12ab",
        "abc123",
        "rltf score x --benchmark",
    ):
        assert part in text


def test_an_exception_cannot_break_the_table_it_stands_in():
    text = _report(_outcome(Status.RUNTIME_ERROR, ErrorInfo("A|B\n# heading", "", None)))
    assert "| A\\|B # heading | 1 | 100.0 % |" in text
    assert "\n# heading" not in text


def test_slow_programs_are_listed_slowest_first():
    text = _report(*(_outcome(cpu_seconds=float(seconds)) for seconds in range(15)))
    listed = [line.split(" | ")[2] for line in text.splitlines() if line.startswith("| made/1 | 0 |")]
    assert listed == [f"{seconds}.0" for seconds in range(14, 4, -1)]


def test_the_console_shows_exception_names_as_they_are(tmp_path):
    summary = Summary(BENCHMARK, ["strict"])
    summary.add(_outcome(Status.RUNTIME_ERROR, ErrorInfo("[bold]X[/nope]", "", None)))
    stream = io.StringIO()
    show(summary.metrics([1]), tmp_path / "report.md", stream)
    assert "[bold]X[/nope]" in stream.getvalue()
    assert str(tmp_path / "report.md") in stream.getvalue()


def test_the_environment_names_versions_hardware_and_no_place():
    found = environment.describe()
    assert found["versions"]["python"]
    assert found["versions"]["numpy"] != "not installed"
    assert found["hardware"]["processors"] >= 1
    assert found["hardware"]["memory_mib"] > 100


@pytest.mark.parametrize("changed", [False, True])
def test_the_commit_of_a_checkout_says_whether_files_were_changed(tmp_path, monkeypatch, changed):
    package = tmp_path / "harness" / "run_store"
    package.mkdir(parents=True)
    module = package / "environment.py"
    module.write_text("one")
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)
    module.write_text("two" if changed else "one")
    monkeypatch.setattr(environment, "__file__", str(module))
    assert environment.commit().endswith("+changes") is changed
    assert len(environment.commit().removesuffix("+changes")) == 40


def test_the_module_is_where_it_looks_for_the_checkout_from():
    root = Path(__file__).parents[2]
    assert (environment.commit() is None) is not (root / ".git").exists()


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "harness" / "run_store" / "environment.py"))
    assert environment.commit() is None
