"""`rltf report` end to end: what it says in each format but HTML, and hostile names."""

import csv
import io
import re
from pathlib import Path

import pytest

from harness.models.presets import PRESETS
from harness.report import plots
from rltf import cli

ROOT = Path(__file__).parents[2]
P, W = "passed", "wrong_answer"
HOSTILE = "<script>alert(1)</script>|`[x](javascript:1)`\\input{/etc/passwd}$\\frac&%#_^~"
"""As an exception's name and as a run's name."""


def _words(passes):
    return {f"apps/test/{n}": [P if n < passes else W, "runtime_error KeyError"] for n in range(9)}


LEVELS = {f"apps/test/{n}": ("introductory", "interview", "competition")[n % 3] for n in range(9)}


@pytest.fixture
def runs(make_run):
    one = make_run("one", _words(3), benchmark="apps", levels=LEVELS, ks=[1, 2])
    two = make_run("two", _words(6), benchmark="apps", levels=LEVELS, ks=[1, 2])
    return [str(one), str(two)]


def _shown(capsys, *arguments):
    assert cli.main(["report", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def _rows(markdown, title):
    """Cells of the table under a heading."""
    text = markdown.split(f"## {title}", 1)[1].split("\n## ")[0]
    rows = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def test_runs_stand_beside_each_other_with_scores_and_outcomes(runs, capsys):
    shown = _shown(capsys, *runs)
    first, *_ = _rows(shown, "Scores")
    assert (first["system"], first["profile"], first["samples each"]) == ("one", "strict", "2")
    assert first["pass@1"].startswith("16.67 [")
    assert first["pass@2"].startswith("33.33 [")
    assert first["pass@1 introductory"].startswith("16.67 [")
    outcomes = {row["outcome"]: row for row in _rows(shown, "Outcomes")}
    assert outcomes["passed"] == {"outcome": "passed", "one": "3 (16.7 %)", "two": "6 (33.3 %)"}
    assert outcomes["runtime error: KeyError"]["two"] == "9 (50.0 %)"
    assert list(outcomes) == ["passed", "wrong answer", "runtime error", "runtime error: KeyError"]


def test_a_pair_says_what_was_gained(runs, capsys):
    shown = _shown(capsys, *runs, "--paired")
    difference = {(r["profile"], r["metric"]): r for r in _rows(shown, "Paired difference")}
    assert difference["strict", "pass@2"]["B - A (points) [95 %]"].startswith("33.33 [")
    gained, lost, *_ = _rows(shown, "Problems gained and lost")
    assert (gained["problems"], gained["which"]) == ("3", "apps/test/3, apps/test/4, apps/test/5")
    assert lost["problems"] == "0"


def test_published_numbers_stand_beside_a_run_with_difference_and_reason(make_run, capsys):
    words = {f"mbpp/{n + 11}": [P if n % 10 < 3 else W] for n in range(500)}
    shown = _shown(capsys, f"RLTF={make_run('r', words)}", "--against", "published")
    board = {(r["system"], r["critic sampling"], r["source"]): r for r in _rows(shown, "Published systems")}
    assert board["RLTF", "no", "RLTF arXiv:2307.04349"]["pass@80"] == "71.30"
    assert board["RLTF", "no", "this run, profile apps"]["pass@1"].startswith("30.00 [")
    cells = {(r["system"], r["metric"]): r for r in _rows(shown, "Number by number: mbpp")}
    assert cells["RLTF", "pass@1"]["status"] == "reproduced"
    assert cells["RLTF", "pass@1"]["difference (points)"] == "-0.40"
    assert cells["RLTF", "pass@80"]["why, or what to know"].startswith("other sample count: pass@80 needs 80")
    assert cells["PPOCoder", "pass@1"]["status"] == "not run"


def test_a_table_of_the_paper_takes_runs_and_asks_no_command_for_what_it_has(make_run, capsys):
    words = {f"mbpp/{n + 11}": [P if n % 10 < 3 else W] for n in range(500)}
    shown = _shown(capsys, "--table", "rltf-9", f"RLTF/CodeT5={make_run('r', words)}")
    layout = {row["system"]: row for row in _rows(shown, "Table 9 as printed")}
    assert layout["RLTF"]["pass@1"] == "30.40"
    assert layout["RLTF"]["ours: pass@1"].startswith("RLTF/CodeT5: 30.00 [")
    assert layout["CodeRL"]["ours: pass@1"] == ""
    assert "# RLTF with CodeT5: pass@80\n" in shown
    assert "# CodeRL with CodeT5: pass@1, pass@80\n" in shown


@pytest.mark.parametrize("name", ["rltf-3", "rltf-9"])
def test_the_committed_examples_are_what_the_command_writes(name, capsys):
    committed = (ROOT / "results" / "reports" / f"rltf-table-{name[5:]}.md").read_text(encoding="utf-8")
    assert _shown(capsys, "--table", name) == committed, (
        f"rltf report --table {name} --out {committed!r:.40}…"
    )


@pytest.mark.parametrize("name", ["rltf-3", "rltf-4", "rltf-5", "rltf-7", "rltf-8", "rltf-9"])
def test_every_command_that_a_table_names_exists(name, capsys):
    shown = _shown(capsys, "--table", name)
    commands = [line for line in shown.splitlines() if line.startswith("rltf ")]
    assert commands
    for line in commands:
        words = line.partition("   #")[0].replace("'", "").split()
        args = cli.build_parser().parse_args(words[1:])
        if words[1] == "eval":
            assert args.preset in PRESETS


def test_n_at_k_comes_from_a_run_on_the_example_tests(make_run, capsys):
    programs = {"mbpp/11": ["a", "b"], "mbpp/12": ["b", "b"]}
    run = make_run("run", programs, verdicts={"a": W, "b": P}, ks=[1, 2])
    examples = make_run("other", programs, verdicts={"a": W, "b": P}, benchmark="mbpp-examples")
    rows = _rows(_shown(capsys, run, "--examples", examples, "--submit", "1"), "n@k")
    assert {(r["n"], r["k"]): r["n@k [95 %]"][:6] for r in rows} == {
        ("1", "1"): "75.00 ",
        ("1", "2"): "100.00",
    }


def test_csv_holds_the_numbers_unrounded(runs, capsys):
    text = _shown(capsys, runs[0], "--format", "csv", "--against", "published")
    rows = list(csv.DictReader(io.StringIO(text)))
    (score,) = [
        r
        for r in rows
        if (r["kind"], r["profile"], r["subset"], r["metric"]) == ("run", "strict", "all", "pass@1")
    ]
    assert float(score["value_percent"]) == 100 * (3 / 18)
    assert len([r for r in rows if r["kind"] == "against"]) == 73 + 165
    assert {r["status"] for r in rows if r["kind"] == "against"} == {"not comparable"}
    assert "+ coarse" in {r["system"] for r in rows}


# --- Hostile names -----------------------------------------------------------------------------------------


@pytest.fixture
def hostile(make_run):
    return make_run("bad", {"mbpp/11": [f"runtime_error {HOSTILE}", P]})


def test_hostile_names_are_text_in_markdown(hostile, capsys):
    shown = _shown(capsys, f"{HOSTILE}={hostile}")
    assert "<script" not in shown
    assert "`[x]" not in shown.replace("\\`", "")
    assert not re.search(r"(?<!\\)\]\(", shown)
    tables = [line for line in shown.splitlines() if line.startswith("| ")]
    # Every pipe of the names is escaped, so the rows of a table have as many cells as its head.
    cells = [len(re.split(r"(?<!\\)\|", line.replace("\\\\", ""))) for line in tables]
    assert len(set(cells[:3])) == 1
    assert len(set(cells[3:])) == 1


def test_hostile_names_are_text_in_latex(hostile, capsys):
    shown = _shown(capsys, f"{HOSTILE}={hostile}", "--format", "latex")
    ours = [r"\begin", r"\end", r"\toprule", r"\midrule", r"\bottomrule", r"\caption"]
    escapes = [
        r"\textbackslash",
        r"\textless",
        r"\textgreater",
        r"\textbar",
        r"\textasciicircum",
        r"\textasciitilde",
    ]
    assert set(re.findall(r"\\[a-z]+", shown)) <= {*ours, *escapes}
    assert r"\input" not in shown
    assert not re.search(r"(?<!\\)[$#]", shown)


def test_names_that_spreadsheets_would_run_are_text_in_csv(hostile, capsys):
    shown = _shown(capsys, f"@SUM(A1)={hostile}", "--format", "csv")
    systems = {row["system"] for row in csv.DictReader(io.StringIO(shown))}
    assert systems == {"'@SUM(A1)"}


@pytest.mark.slow
@pytest.mark.skipif(not plots.available(), reason="matplotlib is not installed")
def test_plots_are_written_as_png_and_svg_the_same_each_time(runs, tmp_path, capsys):
    for folder in ("a", "b"):
        _shown(capsys, *runs, "--plots", tmp_path / folder)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 6
    for name in files:
        content = (tmp_path / "a" / name).read_bytes()
        assert content.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
        assert content == (tmp_path / "b" / name).read_bytes()


# --- Mistakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "nothing to report"),
        (["{0}", "--paired"], "--paired compares two runs, got 1"),
        (["{0}", "{0}"], "named twice"),
        (["{0}", "{1}", "--examples", "{1}"], "belongs to one run"),
        (["{0}", "--table", "rltf-3", "--against", "published"], "leave --against"),
        (["{0}", "--profile", "loose"], "no profile 'loose'; it has strict, apps"),
        (["{0}", "--examples", "{1}", "--submit", "7"], "did not grade the programs"),
        (["{0}", "--examples", "{0}", "--submit", "7"], "pass@k up to 2; n is 7"),
        (["{0}", "--submit", "0"], "at least 1"),
        (["{0}", "--programs", "-1"], "at least 0 MiB"),
        (["nowhere"], "nowhere is no run folder"),
    ],
)
def test_a_mistake_is_one_line(runs, capsys, arguments, problem):
    assert cli.main(["report", *(text.format(*runs) for text in arguments)]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert len(error.splitlines()) == 1


def test_what_can_not_be_written_is_said_before_the_runs_are_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("harness.report.plots.available", lambda: False)
    for arguments, problem in (
        (["--out", str(tmp_path / "none" / "report.html")], "report.html cannot be written"),
        (["--out", str(tmp_path)], "is a folder; name a file"),
        (["--plots", str(tmp_path)], "plots need matplotlib"),
    ):
        assert cli.main(["report", "/no/such/run", *arguments]) == 2
        assert problem in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_benchmark_without_published_numbers_is_named(make_run, capsys):
    run = make_run("r", {"mini/test/1": [P]}, benchmark="mini")
    assert cli.main(["report", str(run), "--against", "published"]) == 2
    assert "for apps, humaneval-plus, mbpp, mbpp-plus, none for mini" in capsys.readouterr().err


def test_runs_of_one_name_are_told_apart(make_run, capsys):
    one, two = (make_run(f"{part}/same", {"mbpp/11": [P]}) for part in ("a", "b"))
    systems = {row["system"] for row in _rows(_shown(capsys, one, two), "Scores")}
    assert systems == {f"same ({one})", f"same ({two})"}
