"""`rltf score` from end to end, with the real runner on the generated benchmark."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.registry import load_benchmark
from rltf.cli import main

ROOT = Path(__file__).parents[2]
SELECTION = ["--benchmark", "mini", "--split", "test", "--ids", "0-11"]


def _rltf(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rltf", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd or ROOT, env=environment, check=False, timeout=300
    )


@pytest.fixture
def score(capsys):
    """`rltf score` in this process; the tests that end it or look for its folder have one of its own."""

    def run(*arguments: str | Path) -> SimpleNamespace:
        status = main(["score", *map(str, arguments)])
        shown = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=shown.out, stderr=shown.err)

    return run


def _programs(path: Path, *, endless: bool = False) -> Path:
    """For each of 12 problems: its solution, one that answers nothing, one that does not compile."""
    third = "while True: pass" if endless else "def"
    with gzip.open(path, "wt") as stream:
        for problem in load_benchmark("mini", split="test", ids=["0-11"]).problems:
            for code in (problem.solutions[0], "pass", third):
                stream.write(json.dumps({"task_id": problem.task_id, "code": code}) + "\n")
    return path


@pytest.mark.slow
def test_gold_passes_and_leaves_a_complete_run_folder(tmp_path, score):
    done = score("gold", *SELECTION, "--no-cache", "--workers", 1, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for profile in ("strict", "apps"):
        assert metrics["profiles"][profile]["overall"]["pass@1"]["value"] == 1.0
        assert metrics["profiles"][profile]["overall"]["verdicts"] == {"passed": 12}
    assert "100.00 [" in done.stdout
    assert str(tmp_path / "run" / "report.md") in done.stdout
    assert "12 of 12 programs (100 %)" in done.stderr
    assert "Traceback" not in done.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["sessions"][0]["runner"]["isolation"]
    assert manifest["identity"]["grader"]["version"] == manifest["sessions"][0]["runner"]["grader_version"]


@pytest.mark.slow
def test_only_verdicts_are_asked_for_and_the_first_failure_ends_a_program(tmp_path, score):
    path = _programs(tmp_path / "programs.gz")
    score(path, *SELECTION, "--no-cache", "--out", tmp_path / "all")
    done = score(path, *SELECTION, "--no-cache", "--first-failure", "--out", tmp_path / "first")
    assert done.returncode == 0, done.stderr
    rows = {
        name: [json.loads(line) for line in (tmp_path / name / "outcomes.jsonl").read_text().splitlines()]
        for name in ("all", "first")
    }
    assert [row["verdicts"] for row in rows["first"]] == [row["verdicts"] for row in rows["all"]]
    wrong = [row for row in rows["first"] if row["verdicts"]["strict"] == "wrong_answer"]
    assert all(test["strict"] == "not_run" for row in wrong for test in row["tests"][1:])
    assert any(len(row["tests"]) > 1 for row in wrong)


def test_programs_of_every_kind_are_graded_and_shown(tmp_path, score):
    path = _programs(tmp_path / "programs.gz")
    done = score(path, *SELECTION, "--no-cache", "--k", 1, 3, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    overall = metrics["profiles"]["strict"]["overall"]
    assert overall["pass@1"]["value"] == pytest.approx(1 / 3)
    assert overall["pass@3"]["value"] == 1.0
    assert overall["verdicts"]["syntax_error"] == 12
    assert overall["verdicts"]["passed"] == 12
    for text in ("pass@3", "syntax error", "33.33 ["):
        assert text in done.stdout
        assert text in (tmp_path / "run" / "report.md").read_text()
    rows = [json.loads(line) for line in (tmp_path / "run" / "outcomes.jsonl").read_text().splitlines()]
    assert [(row["task_id"], row["sample_id"]) for row in rows] == [
        (problem.task_id, number)
        for problem in load_benchmark("mini", split="test", ids=["0-11"]).problems
        for number in range(3)
    ]


@pytest.mark.slow
def test_programs_that_are_no_python_text_can_be_graded_as_they_come(tmp_path, score):
    path = tmp_path / "programs"
    codes = ["print(1)\0", "x = '\ud800'", "#" * (1 << 20) + "\n#"]
    path.write_text("".join(json.dumps({"task_id": "mini/test/0", "code": code}) + "\n" for code in codes))
    selection = [
        "--benchmark",
        "mini",
        "--split",
        "test",
        "--ids",
        "0",
        "--no-cache",
        "--out",
        tmp_path / "run",
    ]
    refused = score(path, *selection)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "line 1: the program holds a NUL character" in refused.stderr
    done = score(path, *selection, "--bad-programs", "grade")
    assert done.returncode == 0, done.stderr
    verdicts = json.loads((tmp_path / "run" / "metrics.json").read_text())["profiles"]["strict"]["overall"][
        "verdicts"
    ]
    assert verdicts.get("syntax_error", 0) >= 2
    assert "passed" not in verdicts


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [3])
def test_a_killed_run_goes_on_with_the_same_command_and_ends_the_same(tmp_path, rounds):
    path = _programs(tmp_path / "programs.gz", endless=True)
    arguments = [path, *SELECTION, "--no-cache", "--workers", "2", "--limit-cpu", "0.2"]
    assert _rltf("score", *arguments, "--out", tmp_path / "straight").returncode == 0
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "rltf", "score", *map(str, arguments), "--out", str(folder)]
    journal = folder / "outcomes.journal.jsonl"
    for _ in range(rounds):
        before = journal.stat().st_size if journal.exists() else 0
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > before):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert journal.exists()  # still in the middle, or nothing was shown
    done = _rltf("score", *arguments, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert "were graded before" in done.stderr
    for name in ("samples.jsonl", "metrics.json"):
        assert (folder / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on(tmp_path, started):
    path = _programs(tmp_path / "programs.gz", endless=True)
    command = [
        sys.executable,
        "-m",
        "rltf",
        "score",
        str(path),
        *SELECTION,
        "--no-cache",
        "--out",
        str(tmp_path / "run"),
    ]
    process = started(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    journal = tmp_path / "run" / "outcomes.journal.jsonl"
    while process.poll() is None and not journal.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was graded is kept in" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_the_default_folder_is_found_again_by_the_same_command(tmp_path):
    arguments = ["score", "gold", "--benchmark", "mini", "--split", "test", "--ids", "0-2", "--no-cache"]
    first = _rltf(*arguments, cwd=tmp_path)
    second = _rltf(*arguments, cwd=tmp_path)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    assert folder.name.startswith("mini-test-gold-")
    assert "3 of 3 programs were graded before" in second.stderr
    assert first.stdout == second.stdout
    assert len(json.loads((folder / "manifest.json").read_text())["sessions"]) == 1


BAD_ARGUMENTS = {
    "an unknown benchmark": (["gold", "--benchmark", "mbbp"], "unknown benchmark 'mbbp'; available:"),
    "no benchmark": (["gold"], "--benchmark"),
    "a missing file": (["none.jsonl", *SELECTION], "none.jsonl does not exist"),
    "a directory": ([".", *SELECTION], "is a directory"),
    "k of zero": (["gold", *SELECTION, "--k", "0"], "'0' is not a whole number of at least 1"),
    "k beyond n": (["gold", *SELECTION, "--k", "2"], "pass@2 needs 2 samples"),
    "no time": (["gold", *SELECTION, "--limit-cpu", "0"], "'0' is not a number above 0"),
    "endless time": (["gold", *SELECTION, "--limit-cpu", "inf"], "'inf' is not a number above 0"),
    "no memory": (["gold", *SELECTION, "--memory", "-5"], "'-5' is not a whole number"),
    "no workers": (["gold", *SELECTION, "--workers", "x"], "'x' is not a whole number"),
    "an unknown id": (["gold", "--benchmark", "mini", "--ids", "x"], "'x'"),
    "an unknown difficulty": (["gold", "--benchmark", "mini", "--difficulty", "hard"], "available:"),
    "all solutions of a file": (
        ["x.jsonl", *SELECTION, "--gold", "all"],
        "write 'gold' in place of the file",
    ),
}


@pytest.mark.parametrize("mistake", BAD_ARGUMENTS)
def test_a_mistake_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, mistake):
    arguments, problem = BAD_ARGUMENTS[mistake]
    monkeypatch.chdir(tmp_path)
    assert main(["score", *arguments, "--no-cache", "--out", str(tmp_path / "run")]) == 2
    shown = capsys.readouterr()
    assert problem in shown.err
    assert len(shown.err.splitlines()) == 1, shown.err
    assert shown.out == ""


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "split", "ids", "programs"),
    [("rltf_apps_test0", "test", "0", 10), ("coderl_apps_train5", "train", "1,111,2287,2404,4184", 88)],
)
def test_published_programs_are_read_as_they_stand(data_dir, tmp_path, score, name, split, *, ids, programs):
    path = data_dir / "generations" / f"{name}.jsonl.gz"
    selection = ["--benchmark", "apps", "--data", data_dir, "--split", split, "--ids", ids]
    done = score(path, *selection, "--no-cache", "--limit-cpu", "0.5", "--k", 1, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "run" / "outcomes.jsonl").read_text().splitlines()) == programs
