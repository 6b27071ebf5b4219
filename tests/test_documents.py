"""Every block of code in README, CONTRIBUTING, SECURITY, docs/ and the benchmarks' READMEs is run or checked.

Python is run; commands are read by the real parsers, so that each option exists and takes its value; data is
parsed. What nobody can run here says why in front of it (tools/document_blocks.py). `tests/rltf/test_help.py`
grades what README's and CONTRIBUTING's examples show.
"""

import ast
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml

from harness.errors import InputError
from rltf.cli import build_parser

ROOT = Path(__file__).parents[1]
FOLLOWED = ("docs/start.md",)
"""Pages whose commands are run in order, with their output compared."""
KNOWN_PROGRAMS = {"source", "make", "pip", "python", "python3", "accelerate", "rltf"}


def _tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


document_blocks = _tool("document_blocks")
site_pages = _tool("site_pages")
MADE = {"docs/cli.md", "CHANGELOG.md"}
PAGES = [
    page.as_posix()
    for page in site_pages.pages()
    if page.parts[0] != "results" and page.as_posix() not in MADE
]
BLOCKS = [block for page in PAGES for block in document_blocks.blocks(page)]
PYTHON = [block for block in BLOCKS if block.language == "python"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _run(command, cwd):
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{cwd}", "XDG_CACHE_HOME": str(cwd / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _commands():
    """Every command, without what starts it for several processes, and its block."""
    for block in BLOCKS:
        if block.language == "sh":
            for words in document_blocks.commands(block.text):
                started = words[words.index("rltf") :] if "-m" in words and "rltf" in words else words
                yield block, started


def test_every_block_is_fenced_and_says_its_language():
    assert len(BLOCKS) > 50
    for block in BLOCKS:
        assert block.language in {"python", "sh", "json", "yaml", "toml", "text"}, block


def test_blocks_of_data_can_be_read():
    for block in BLOCKS:
        if block.language == "json":
            for value in [block.text] if block.text.count("\n{") == 0 else block.text.splitlines():
                json.loads(value)
        elif block.language == "yaml":
            assert yaml.safe_load(block.text), block
        elif block.language == "toml":
            assert tomllib.loads(block.text), block


def test_every_command_is_ours_and_is_read_by_its_parser_or_says_why_not():
    parser, targets = build_parser(), set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    extras = PROJECT["optional-dependencies"]
    for block, words in _commands():
        name, rest = words[0], words[1:]
        assert name in KNOWN_PROGRAMS or block.not_run, (
            f"{block}: {name} is not run by a test: say why in front"
        )
        if name == "rltf" and not {"--version", "--help"} & set(rest):
            try:
                parser.parse_args(rest)
            except InputError as error:
                pytest.fail(f"{block}: {' '.join(words)}: {error}")
        elif name == "make":
            assert {word for word in rest if "=" not in word} <= targets, block
        elif name == "pip":
            named = re.findall(r"rltf-harness\[([a-z,-]+)\]", " ".join(rest))
            assert {extra for each in named for extra in each.split(",")} <= set(extras), block
        elif name == "python" and rest[0].endswith(".py") and "/" in rest[0]:
            assert (ROOT / rest[0]).exists(), block


@pytest.mark.slow
def test_every_training_and_evaluation_of_the_documents_has_settings_that_go_together(monkeypatch, tmp_path):
    from harness.models.presets import settings
    from harness.registry import benchmark_names
    from rltf.options.parse import make_config

    monkeypatch.chdir(tmp_path)
    for name in ("Reinforce", "Short"):
        (block,) = (block for block in PYTHON if f"class {name}" in block.text)
        (tmp_path / "my_module.py").open("a").write(block.text)
    monkeypatch.syspath_prepend(tmp_path)
    parser, seen = build_parser(), set()
    for block, words in _commands():
        if words[:2] == ["rltf", "train"]:
            args = parser.parse_args(words[1:])
            fixed = {
                name: value for name, value in (("method", args.method), ("max_steps", args.steps)) if value
            }
            # bf16=true is refused where there is no GPU; the rest of the settings is looked at all the same.
            make_config(args.preset, [*args.set, "use_cpu=true"], output_dir=str(args.out), **fixed)
        elif words[:2] == ["rltf", "eval"]:
            args = parser.parse_args(words[1:])
            settings(args.preset, {})
        else:
            continue
        seen.add(words[1])
        if args.benchmark is not None:
            assert args.benchmark in benchmark_names() or ":" in args.benchmark, block
    assert seen == {"train", "eval"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [block for block in PYTHON if not block.not_run and not block.title], ids=str
)
def test_a_python_block_runs_and_prints_what_it_says(block, tmp_path):
    script = tmp_path / "block.py"
    script.write_text(block.text)
    expected = [line.partition("# prints ")[2] for line in block.text.splitlines() if "# prints " in line]
    printed = _run([sys.executable, str(script)], tmp_path)
    if expected:
        assert printed.splitlines() == expected


@cache
def _names_of(module):
    return importlib.import_module(module)


@pytest.mark.slow
def test_python_that_is_not_run_imports_what_exists():
    for block in (block for block in PYTHON if block.not_run):
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in {
                "harness",
                "rltf",
                "benchmarks",
            }:
                for alias in node.names:
                    assert hasattr(_names_of(node.module), alias.name), f"{block}: {alias.name}"


@pytest.mark.slow
@pytest.mark.parametrize("page", FOLLOWED)
def test_a_page_does_what_it_says_when_it_is_followed_word_for_word(page, tmp_path):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "COLUMNS": "200",
    }
    took = document_blocks.follow(page, tmp_path, environment, install=False)
    assert len(took) >= 4


def test_each_measured_figure_of_the_readme_is_in_the_report_that_it_names():
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Measured\n")[2]
    rows = [
        line.split("|")[2:4]
        for line in table.partition("\n## ")[0].splitlines()
        if line.startswith("| ") and "](" in line
    ]
    assert len(rows) >= 9
    for figure, link in rows:
        report = (ROOT / link.partition("](")[2].rstrip(") ")).read_text(encoding="utf-8")
        for number in re.findall(r"\d[\d,.]*\d|\d", figure):
            assert re.search(rf"(?<![\d,.]){re.escape(number)}", report), f"{number} is not in {link}"


def test_what_a_page_shows_must_be_printed_in_its_order():
    block = document_blocks.Block("page", 1, "text", "", "one\n…two…\n", "", False)
    document_blocks.check_shown(block, "zero\none\nthe two of them\n")
    with pytest.raises(document_blocks.PageError, match="'one' is not printed"):
        document_blocks.check_shown(block, "the two of them\n")


def test_the_pages_of_the_site_are_the_documents_and_their_links_lead_to_pages(tmp_path):
    site_pages.lay_out(tmp_path)
    for page in tmp_path.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        for _, _, target in site_pages.links(text):
            assert (page.parent / target).exists(), f"{page.relative_to(tmp_path)}: {target}"
    assert "# rltf/objectives" in (tmp_path / "rltf/objectives/files.md").read_text(encoding="utf-8")


def test_built_pages_load_nothing_from_elsewhere(tmp_path):
    page = tmp_path / "docs" / "page.html"
    page.parent.mkdir()
    page.write_text(f'<script src="{site_pages.SHIM}"></script>')
    site_pages.keep_local(tmp_path)
    assert page.read_text() == '<script src="../docs/javascripts/iframe-worker.js"></script>'
    assert (ROOT / site_pages.OUR_SHIM).exists()


def test_every_page_of_docs_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    for page in PAGES:
        assert page in navigation, f"{page} is not in mkdocs.yml"
