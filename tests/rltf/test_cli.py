"""The `rltf` command: light to start, one line for a mistake, a quiet end when nobody reads."""

import importlib
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from harness.commands import score
from harness.errors import IsolationError
from rltf import cli

ROOT = Path(__file__).parents[2]
HEAVY = {"pandas", "torch", "numpy", "rich", "datasets", "evaluate", "transformers", "multiprocess"}
HEAVY |= {"asyncio", "jinja2", "sqlite3"}


def _python(code: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )


@pytest.mark.parametrize("arguments", [["--help"], ["score", "--help"], ["--version"], []])
def test_help_and_mistakes_import_nothing_heavy(arguments):
    done = _python(
        "import sys\nfrom rltf.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"sys.stderr.write(repr({HEAVY!r} & set(sys.modules)))"
    )
    assert done.stderr.splitlines()[-1].endswith("set()"), done.stderr


def test_a_command_imports_the_modules_of_no_other():
    done = _python("import sys\nfrom rltf.cli import main\nmain(['report'])\nprint(sorted(sys.modules))")
    assert "'harness.commands.report'" in done.stdout
    for other in ("harness.commands.eval", "rltf.commands.train", "harness.runner", "asyncio"):
        assert f"'{other}'" not in done.stdout


def test_every_command_goes_by_the_name_that_it_is_found_by():
    for name, module in cli.COMMANDS.items():
        assert importlib.import_module(module).__name__ == module
        (commands,) = (each for each in cli.build_parser(name)._actions if each.choices)
        assert next(iter(commands.choices)) == name


def test_help_lists_every_command_with_what_it_does(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    assert "grade programs from a file" in capsys.readouterr().out


def test_help_of_score_shows_the_shapes_that_it_reads(capsys):
    with pytest.raises(SystemExit):
        cli.main(["score", "--help"])
    shown = capsys.readouterr().out
    for shape in ('"solution"', '"completion"', '"problem_id"', '{"65": [', "--allow-missing", "Exit status"):
        assert shape in shown


def test_the_version_is_one_line(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("rltf ")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "COMMAND"),
        (["scor"], "'scor'"),
        (["score"], "--benchmark"),
        (["score", "x", "--nope"], "see rltf score --help"),
        (["score", "x", "--benchmark", "mini", "--out", ""], "argument --out: an empty name"),
        (["score", "x" * 300, "--benchmark", "mini"], "name a path that can be used"),
        (["report", "x" * 300], "name a path that can be used"),
        (["report", "--table", "rltf-9", "--out", "."], ". is a folder; name a file"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(capsys, arguments, problem):
    assert cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert problem in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


def _ends_with(monkeypatch, error: BaseException) -> int:
    def run(args, command):
        raise error

    monkeypatch.setattr(score, "run", run)
    return cli.main(["score", "gold", "--benchmark", "mini"])


def test_an_error_of_the_users_is_one_line_whatever_its_text(monkeypatch, capsys):
    assert _ends_with(monkeypatch, IsolationError("the sandbox\ndoes not hold")) == 2
    assert capsys.readouterr().err == "rltf: error: the sandbox does not hold\n"


@pytest.mark.slow
def test_an_interrupt_is_one_line_and_status_130(monkeypatch, capsys):
    assert _ends_with(monkeypatch, KeyboardInterrupt()) == 130
    assert (
        capsys.readouterr().err.strip()
        == "rltf: interrupted; run the same command again to go on where it stood"
    )


def test_a_bug_of_ours_keeps_its_traceback(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        _ends_with(monkeypatch, ZeroDivisionError())


def test_a_warning_is_one_line_without_source_code(monkeypatch, capsys):
    def run(args, command):
        warnings.warn("less isolation", stacklevel=1)
        return 0

    monkeypatch.setattr(score, "run", run)
    assert cli.main(["score", "gold", "--benchmark", "mini"]) == 0
    assert capsys.readouterr().err == "rltf: warning: less isolation\n"


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m rltf score --help | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode in (0, 141)
    assert done.stderr == ""


def test_a_closed_pipe_ends_quietly_in_the_middle_of_a_command():
    code = (
        "import sys\nfrom harness.commands import score\nfrom rltf.cli import main\n"
        "def run(args, command):\n"
        "    for _ in range(1000):\n        sys.stdout.write('x' * 1_000_000)\n"
        "score.run = run\n"
        "sys.exit(main(['score', 'gold', '--benchmark', 'mini']))"
    )
    command = f'{sys.executable} -c "$CODE" | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env=os.environ | {"CODE": code},
    )
    assert (done.returncode, done.stderr) == (141, "")


def test_python_dash_m_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "rltf", "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith("usage: rltf ")
