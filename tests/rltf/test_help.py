"""docs/cli.md is what the commands say, and the files that the documents show do what they say.

`tests/test_documents.py` runs and checks each block by itself.
"""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERDICTS = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def _render() -> str:
    spec = importlib.util.spec_from_file_location("cli_help", ROOT / "tools" / "cli_help.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.render()


def _block(language: str, holding: str, document: str = README) -> str:
    blocks = [text for text in re.findall(rf"```{language}\n(.*?)```", document, re.S) if holding in text]
    assert len(blocks) == 1, f"one ```{language} block with {holding!r} is needed, found {len(blocks)}"
    return blocks[0]


def _run(command: list[str], cwd: Path) -> str:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{cwd}", "XDG_CACHE_HOME": str(cwd / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_of_commands_is_what_they_say():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    # Words and not lines: where argparse breaks lines depends on the version of Python.
    assert page.split() == _render().split(), "run `make docs` and commit docs/cli.md"


def test_the_readme_is_short():
    assert len(README.splitlines()) < 200


@pytest.mark.slow
def test_the_example_of_score_grades_the_programs_it_shows(tmp_path):
    block = _block("sh", "programs.jsonl")
    text = block.replace("\\\n", "")
    command = next(line for line in text.splitlines() if line.startswith("rltf score programs.jsonl"))
    rows = _block("json", '"sample_id"')
    (tmp_path / "programs.jsonl").write_text(rows)
    _run([sys.executable, "-m", *shlex.split(command), "--out", "run"], tmp_path)
    outcomes = [json.loads(line) for line in (tmp_path / "run" / "outcomes.jsonl").read_text().splitlines()]
    assert [row["verdicts"]["strict"] for row in outcomes] == ["passed", "syntax_error"]
    files = {path.name for path in (tmp_path / "run").iterdir()}
    named = re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", VERDICTS, re.M)
    assert named
    assert set(named) <= files


@pytest.mark.slow
def test_the_example_of_a_benchmark_can_be_graded(tmp_path):
    (tmp_path / "sums.py").write_text(_block("python", "def load(", CONTRIBUTING))
    (tmp_path / "programs.jsonl").write_text(
        json.dumps({"task_id": "sums/test/0", "code": "print(3)"}) + "\n"
    )
    command = "-m rltf score programs.jsonl --benchmark sums:load --out run"
    _run([sys.executable, *command.split()], tmp_path)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["profiles"]["strict"]["overall"]["pass@1"]["value"] == 1.0


def test_every_make_target_named_in_the_documents_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    named = set(re.findall(r"(?:^ *|`)make ([a-z-]+)", README + CONTRIBUTING, re.M))
    assert {"demo", "test", "env", "lint"} <= named <= targets
