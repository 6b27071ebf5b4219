"""The wheel as users get it: what it holds; that it works in another folder, far from this checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"harness", "rltf", "benchmarks"}
SUFFIXES = {".py", ".md", ".toml", ".typed", ".csv", ".html", ".css", ".js", ".svg", ".yaml"}
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs")


def _run(*command: str | Path, cwd: Path) -> str:
    """Run a command as a stranger would: no PYTHONPATH that leads back here."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RLTF_DATA")
    }
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy: setuptools leaves folders behind, and what old builds left goes into new wheels."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    _run(*build, "--wheel-dir", folder, folder / "source", cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def files(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """Interpreter of a new environment: the wheel, and dependencies borrowed from this environment."""
    folder = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    _run(*pip, wheel, cwd=folder)
    # A path line makes packages importable without running the .pth files beside them: the editable
    # install of this checkout stays out of sight.
    site = Path(
        _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    )
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")
    return python


def test_the_wheel_holds_every_module_and_data_file_of_the_three_packages(files):
    expected = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.suffix in SUFFIXES or path.name == "py.typed"
    }
    assert expected <= files
    for name in (
        "harness/py.typed",
        "rltf/py.typed",
        "benchmarks/py.typed",
        "benchmarks/apps/README.md",
        "benchmarks/apps/ERRATA.toml",
        "benchmarks/humaneval/README.md",
        "benchmarks/humaneval/ERRATA.toml",
        "benchmarks/mbpp/README.md",
        "benchmarks/mbpp/ERRATA.toml",
        "benchmarks/mini/README.md",
        "harness/runner/sandbox/forkserver.py",
        "harness/report/published.csv",
        "harness/report/assets/page.html",
        "harness/view/assets/view.js",
        "harness/publish/hub_datasets.csv",
    ):
        assert name in files


def test_the_wheel_holds_nothing_else(files):
    others = {name for name in files if name.split("/")[0] not in PACKAGES}
    assert {name.split("/")[0].partition("-")[0] for name in others} == {"rltf_harness"}
    assert any(name.endswith("/licenses/LICENSE") for name in others)
    assert {Path(name).suffix for name in files - others} <= SUFFIXES | {""}


def test_our_three_names_belong_to_us_alone():
    owners = packages_distributions()
    for name in PACKAGES:
        assert set(owners[name]) == {"rltf-harness"}, name


def test_the_installed_packages_are_the_wheels_own(python, tmp_path):
    code = "import benchmarks, harness, rltf\nprint(benchmarks.__file__, harness.__file__, rltf.__file__)"
    for path in _run(python, "-c", code, cwd=tmp_path).split():
        assert Path(path).is_relative_to(python.parents[1])


def test_the_installed_command_says_what_it_is(python, tmp_path):
    rltf = python.parent / "rltf"
    assert _run(rltf, "--help", cwd=tmp_path).startswith("usage: rltf ")
    metadata = "from importlib.metadata import version; print('rltf', version('rltf-harness'))"
    own = _run(python, "-c", metadata, cwd=tmp_path).strip()
    assert _run(rltf, "--version", cwd=tmp_path).startswith(f"{own}, Python ")


def test_the_installed_command_grades_from_another_folder(python, tmp_path):
    selection = ["--benchmark", "mini", "--ids", "0-2", "--no-cache", "--workers", "1", "--out", "run"]
    shown = _run(python.parent / "rltf", "score", "gold", *selection, cwd=tmp_path)
    assert "100.00 [" in shown
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["profiles"]["strict"]["overall"]["verdicts"] == {"passed": 3}


def test_the_installed_command_finds_the_published_numbers(python, tmp_path):
    shown = _run(python.parent / "rltf", "report", "--table", "rltf-9", cwd=tmp_path)
    assert "| RLTF | CodeT5 | 770M | 30.40 |" in shown


def test_every_action_of_the_workflows_is_named_by_commit_with_its_version_behind_it():
    lines = [
        line.strip()
        for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert lines
    assert [line for line in lines if not re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []
