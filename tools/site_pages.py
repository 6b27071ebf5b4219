"""Build the site: lay its pages out in build/site-pages, run Zensical over them. `make site` runs it.

Every page is a Markdown file of this repository, at its own path, so that a link between two of them is the
same on the site as in the repository. A link to any other file leads to a page made here that shows it: the
site can be read without network, and without a host for the sources.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "site-pages"
SITE = ROOT / "build" / "site"
"""`docs_dir` and `site_dir` of mkdocs.yml."""
PAGES = ("*.md", "docs/**/*.md", "benchmarks/*/README.md", "results/*.md", "results/*/*.md")
ASSETS = ("docs/images/*", "docs/*.css", "docs/javascripts/*")
SHIM, OUR_SHIM = "https://unpkg.com/iframe-worker/shim", "docs/javascripts/iframe-worker.js"
"""Zensical has the first one loaded for the search of a site that is read from a folder."""
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
FENCE = re.compile(r"^ *(```+).*?^ *\1$", re.M | re.S)
UNLISTED = "---\nsearch:\n  exclude: true\n---\n\n"
"""Sources are reached by links. In the search they would hide the pages that explain them."""


def pages() -> list[Path]:
    """The Markdown files of the site, relative to the repository."""
    return sorted(path.relative_to(ROOT) for pattern in PAGES for path in ROOT.glob(pattern))


def links(text: str) -> list[tuple[int, int, str]]:
    """Start, end and target of each link to a file, outside of fenced blocks."""
    fences = [found.span() for found in FENCE.finditer(text)]
    return [
        (*found.span(1), found[1])
        for found in LINK.finditer(text)
        if ":" not in found[1] and not any(start < found.start() < end for start, end in fences)
    ]


def lay_out(out: Path = OUT) -> None:
    """Write all pages, those of linked sources among them, into an empty folder.

    Raises:
        FileNotFoundError: If a page links to a file that does not exist; its message names both.
    """
    shutil.rmtree(out, ignore_errors=True)
    ours = pages()
    sources: set[Path] = set()
    for page in ours:
        text = (ROOT / page).read_text(encoding="utf-8")
        for start, end, target in reversed(links(text)):
            linked = _relative(page, target)
            if linked not in ours and linked.suffix not in {".svg", ".png", ".js"}:
                sources |= {linked, *_members(linked)}
                text = f"{text[:start]}{target.rstrip('/')}{_suffix(linked)}{text[end:]}"
        _write(out / page, text)
    for source in sources:
        _write(out / f"{source}{_suffix(source)}", UNLISTED + _shown(source))
    for asset in (path for pattern in ASSETS for path in ROOT.glob(pattern)):
        copy = out / asset.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(asset, copy)


def _relative(page: Path, target: str) -> Path:
    path = (ROOT / page.parent / target).resolve()
    if not path.exists():
        raise FileNotFoundError(f"{page}: links to {target}, which does not exist")
    return path.relative_to(ROOT)


def _suffix(source: Path) -> str:
    return "/files.md" if (ROOT / source).is_dir() else ".md"


def _members(source: Path) -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in (ROOT / source).glob("*.py"))


def _shown(source: Path) -> str:
    """A file in a fenced block, or a folder as a table of its modules with what each says it is."""
    path = ROOT / source
    if path.is_dir():
        rows = [
            f"| [{each.name}]({each.name}.md) | {_first_line(ROOT / each)} |\n" for each in _members(source)
        ]
        return "".join([f"# {source}\n\n| module | what it is |\n|---|---|\n", *rows])
    language = {".py": "python", ".json": "json", ".toml": "toml"}.get(path.suffix, "text")
    return f"# {source}\n\n````{language}\n{path.read_text(encoding='utf-8')}````\n"


def _first_line(module: Path) -> str:
    said = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return said.partition("\n")[0].replace("|", "\\|")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def keep_local(site: Path = SITE) -> None:
    """Have the built pages load nothing from elsewhere."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        up = "../" * (len(page.relative_to(site).parts) - 1)
        page.write_text(text.replace(SHIM, up + OUR_SHIM), encoding="utf-8")


def main() -> int:
    """Build all; returns the exit status, that of Zensical where it refuses a page."""
    try:
        lay_out()
    except FileNotFoundError as error:
        sys.exit(str(error))
    shutil.rmtree(SITE, ignore_errors=True)
    zensical = Path(sys.executable).with_name("zensical")
    build = [zensical, "build", "--config-file", ROOT / "mkdocs.yml", "--strict"]
    status = subprocess.run(build, cwd=ROOT, check=False).returncode
    keep_local()
    return status


if __name__ == "__main__":
    sys.exit(main())
