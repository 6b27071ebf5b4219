"""The studies are run by hand and seldom: what they import from here must exist.

Not covered: what they measure; `mypy` does not read them, since their peers' packages conflict with ours.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "studies").glob("*.py"))
OURS = ("harness", "rltf", "benchmarks", "studies", "tests")


def _source(module: str) -> Path | None:
    """The file of a module of this checkout, also as a study names one beside it."""
    for stem in (ROOT / module.replace(".", "/"), ROOT / "studies" / module, ROOT / "tests" / module):
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return path
    return None


def _names(path: Path) -> set[str]:
    """What `from MODULE import …` can take: names bound at its top, and modules of a package."""
    bound = {each.stem for each in path.parent.iterdir()} if path.name == "__init__.py" else set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return bound


def _missing(study: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(study.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        source = _source(node.module)
        if source is not None:
            yield from (
                f"{node.module}.{alias.name}" for alias in node.names if alias.name not in _names(source)
            )
        elif node.module == "studies":  # a folder without __init__.py
            yield from (alias.name for alias in node.names if _source(f"studies.{alias.name}") is None)
        elif node.module.split(".")[0] in OURS:
            yield node.module


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_a_study_imports_only_what_exists(study):
    assert not list(_missing(study))
