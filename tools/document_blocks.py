"""The code blocks of the documents, and a page followed word for word.

    python tools/document_blocks.py docs/start.md --python python3.13 --wheels dist

makes a new folder and does there what the page says, its `pip install` too, with the wheels of a folder
beside the package index; prints the seconds of each block. `make wheel-check` does that with the wheel of
this checkout.
`tests/test_documents.py` says what must hold of every block.

What the blocks of a page may say to this file:

    ```json title="problems.jsonl"       the content of that file
    ```sh                                commands, in one shell for the whole page
    ```text                              behind commands: lines that they print, in this order; … is any text
    <!-- not run: REASON -->             in front of a block that nobody can run here
    <!-- installs -->                    in front of commands that fetch packages: left out by the tests
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*\Z", re.S)
_INSTALLS = re.compile(r"<!-- installs -->\s*\Z")
_ASSIGNMENT = re.compile(r"[A-Za-z_]+=")
_MARK = "@@ block"


class PageError(Exception):
    """A page that does not do what it says."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code in a document."""

    page: str
    line: int
    """Of its first line of code, from 1."""
    language: str
    """What follows the fence; empty for an indented block, too."""
    title: str
    text: str
    not_run: str
    """Why nobody runs it; empty where it is run or checked."""
    installs: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """All blocks of a page, given relative to the repository, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found, before = [], ""
    for token in MarkdownIt().enable("table").parse(text):
        if token.type in {"fence", "code_block"} and token.map:
            language, _, rest = token.info.strip().partition(" ")
            title = re.search(r'title="(.*?)"', rest)
            reason = _NOT_RUN.search(before)
            line = token.map[0] + (2 if token.type == "fence" else 1)
            found.append(
                Block(
                    page, line, language, title[1] if title else "", token.content,
                    reason[1] if reason else "", bool(_INSTALLS.search(before)),
                )
            )  # fmt: skip
        if token.type != "inline" or token.content:
            before = token.content
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell block, as words; assignments in front and comments behind are left out."""
    waiting = ""
    for line in text.replace("\\\n", "").splitlines():
        waiting += line
        try:
            words = shlex.split(waiting, comments=True)
        except ValueError:  # a quote that a later line closes
            waiting += "\n"
            continue
        waiting = ""
        while words and _ASSIGNMENT.match(words[0]):
            words.pop(0)
        if words:
            yield words


def follow(
    page: str, folder: Path, environment: Mapping[str, str], *, install: bool
) -> list[tuple[str, float]]:
    """Do in a folder what a page says; returns what was run, each with its seconds.

    Raises:
        PageError: If a command fails, or does not print what the page shows.
    """
    steps, shown, last = [], {}, None
    for block in blocks(page):
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "sh" and not block.not_run and (install or not block.installs):
            steps.append(f"echo; echo '{_MARK}' {block.line} $(date +%s.%N)\n{block.text}")
            last = block
        elif block.language == "text" and last is not None:
            shown[last.line] = block
        if block.language not in {"sh", "text"}:
            last = None
    script = "set -e\n" + "\n".join(steps) + f"\necho; echo '{_MARK}' end $(date +%s.%N)\n"
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PageError(f"{page}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return list(_timed(page, done.stdout, shown))


def _timed(page: str, output: str, shown: Mapping[int, Block]) -> Iterator[tuple[str, float]]:
    parts = re.split(rf"^{_MARK} (\w+) ([0-9.]+)\n", output, flags=re.M)[1:]
    for line, begin, printed, end in zip(parts[::3], parts[1::3], parts[2::3], parts[4::3], strict=False):
        expected = shown.get(int(line))
        if expected is not None:
            check_shown(expected, printed)
        yield f"{page}:{line}", float(end) - float(begin)


def check_shown(block: Block, printed: str) -> None:
    """Compare what a page shows with what is printed.

    Raises:
        PageError: If a line is not printed, or not in the page's order.
    """
    lines = iter(printed.splitlines())
    for line in filter(str.strip, block.text.splitlines()):
        pattern = ".*".join(map(re.escape, line.rstrip().split("…")))
        if not any(re.fullmatch(pattern, each.rstrip()) for each in lines):
            raise PageError(f"{block}: {line!r} is not printed at its place:\n{printed}")


def main() -> int:
    """Follow a page as somebody would who has only the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--wheels", type=Path, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, programs = Path(name, "work"), Path(name, "bin")
        folder.mkdir()
        programs.mkdir()
        # The page says python3, whichever that is.
        (programs / "python3").write_text(f'#!/bin/sh\nexec "{args.python}" "$@"\n')
        (programs / "python3").chmod(0o755)
        left_out = {"PYTHONPATH", "RLTF_DATA", "VIRTUAL_ENV"}
        environment = {key: value for key, value in os.environ.items() if key not in left_out} | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PIP_FIND_LINKS": f"{os.environ.get('PIP_FIND_LINKS', '')} {args.wheels.resolve()}".strip(),
            "XDG_CACHE_HOME": f"{name}/cache",
        }
        try:
            took = follow(args.page, folder, environment, install=True)
        except PageError as error:
            sys.exit(str(error))
    for where, seconds in took:
        sys.stdout.write(f"{where}  {seconds:.1f} s\n")
    sys.stdout.write(f"{args.page}: all of it in {sum(seconds for _, seconds in took):.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
