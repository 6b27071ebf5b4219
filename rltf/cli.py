"""The `rltf` command: one parser, one module per sub-command, one way to end.

Covers: exit status and the single line that a user's mistake gets, for every sub-command.
Does not cover: what the sub-commands do. Their modules are imported for `--help`, so they must be cheap to
import: no pandas, torch, numpy or rich before a command runs.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import HarnessError, InputError
from harness.text import one_line

COMMANDS = {
    "eval": "harness.commands.eval",
    "score": "harness.commands.score",
    "train": "rltf.commands.train",
    "critic": "rltf.commands.critic",
    "prompt": "harness.commands.prompt",
    "report": "harness.commands.report",
    "doctor": "harness.commands.doctor",
    "serve": "harness.commands.serve",
    "grader-test": "harness.commands.grader_test",
}
"""Modules with `register(commands)`; it sets the parser's `run(args, command) -> exit status`."""

BAD_INPUT = 2
INTERRUPTED = 130
PIPE_CLOSED = 141
"""As a shell reports a death by SIGPIPE: whoever read our output has stopped reading."""


def build_parser(*names: str) -> argparse.ArgumentParser:
    """The parser of `rltf` with the sub-commands of these names; without any, with all."""
    parser = _Parser(
        prog="rltf", description="Say how good a code model is, and make it better, on one sandboxed runner."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in names or COMMANDS:
        import_module(COMMANDS[name]).register(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rltf`; returns the exit status.

    A user's mistake is one line on stderr and status 2. A traceback always means a bug of ours.
    """
    command = list(sys.argv[1:] if argv is None else argv)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]  # takes what it is given
        return _run(command)


def _run(command: list[str]) -> int:
    try:
        # A command does not wait for the modules of the others: those of training are the larger part.
        named = [name for name in command[:1] if name in COMMANDS]
        args = build_parser(*named).parse_args(command)
        status: int = args.run(args, command)
        sys.stdout.flush()
    except HarnessError as error:
        return _bad_input(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("\nrltf: interrupted; run the same command again to go on where it stood\n")
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if not _names(error.filename, command):
            raise
        return _bad_input(f"{error.filename}: {error.strerror or error}; name a path that can be used")
    return status


def _bad_input(message: str) -> int:
    sys.stderr.write(f"rltf: error: {one_line(message)}\n")
    return BAD_INPUT


def _names(path: object, command: Sequence[str]) -> bool:
    """Whether a path is one that an argument names, or lies in it: what is wrong with it is the user's."""
    given = [part for each in command for part in (each, each.partition("=")[2]) if part]
    whole = [os.path.abspath(part) for part in given if "\0" not in part]
    return isinstance(path, str | os.PathLike) and str(path).startswith((*given, *whole))


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    sys.stderr.write(f"rltf: warning: {one_line(str(message))}\n")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like every other error, instead of repeating the whole usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register("type", Path, _path)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def _path(text: str) -> Path:
    """Of a shell's variable that is not set nothing is left, which `Path` takes for the present folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name; write . for the present folder")
    return Path(text)


class _Version(argparse.Action):
    """Looks the version up when asked: importlib.metadata is slow to import for every `--help`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        try:
            found = version("rltf-harness")
        except PackageNotFoundError:
            found = "from a source tree that is not installed"
        sys.stdout.write(f"rltf {found}\n")
        parser.exit()
