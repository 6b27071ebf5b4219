"""`rltf completion`: a script by which a shell completes `rltf`'s commands, options and values.

The script is complete in itself (shtab): pressing Tab starts no Python. Does not cover: ids of problems, hub
ids of models.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import InputError

_SHELLS = ("bash", "zsh", "tcsh")

_EPILOG = """\
  rltf completion bash > ~/.local/share/bash-completion/completions/rltf
  rltf completion zsh > ~/.zfunc/_rltf     with fpath+=~/.zfunc before compinit in ~/.zshrc
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `completion` to the sub-commands."""
    parser = commands.add_parser(
        "completion",
        help="a script by which your shell completes rltf",
        description="Print a script by which your shell completes rltf: commands, options, values, files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=_SHELLS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, _command: Sequence[str]) -> int:
    """Print the script; returns the exit status."""
    try:
        import shtab  # noqa: PLC0415 - no other command needs it
    except ImportError:
        raise InputError("shtab is missing: pip install 'rltf-harness[completion]'") from None
    from harness.registry import benchmark_names  # noqa: PLC0415 - only when a script is made
    from rltf.cli import build_parser  # noqa: PLC0415 - it imports this module

    parser = build_parser()
    for action in _actions(parser):
        if action.type is Path:
            folder = action.metavar in ("DIR", "FOLDER")
            action.complete = shtab.DIRECTORY if folder else shtab.FILE  # type: ignore[attr-defined]
        elif action.dest in ("benchmark", "eval") and not action.choices:
            action.choices = benchmark_names()
    sys.stdout.write(shtab.complete(parser, args.shell) + "\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = []
    for action in parser._actions:
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):
            found += [each for child in action.choices.values() for each in _actions(child)]
    return found
