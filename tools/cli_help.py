"""Write the `--help` of `rltf` and of its commands into docs/cli.md. `make docs` runs it.

A test compares the file with `render`, so that it cannot describe options that are gone.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, _SubParsersAction
from pathlib import Path

CLI = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
COLUMNS = "100"


def render() -> str:
    """The page: all help texts as Markdown, at a fixed width."""
    from rltf.cli import build_parser  # noqa: PLC0415 - argparse reads the width when it formats

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    try:
        texts = [(each.prog, each.format_help().rstrip()) for each in _all(build_parser())]
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    sections = (f"## `{name}`\n\n```text\n{text}\n```\n" for name, text in texts)
    return "\n".join(["# Commands\n\nMade by `make docs` from the commands' own help.\n", *sections])


def _all(parser: ArgumentParser) -> list[ArgumentParser]:
    """The parser and those of its commands; one that has two names once."""
    commands = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    children = {id(child): child for action in commands for child in action.choices.values()}
    return [parser, *children.values()]


def main() -> int:
    """Rewrite the page."""
    CLI.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
