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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

from harness.errors import HarnessError, InputError
from harness.text import one_line

COMMANDS = {
    "eval": "harness.commands.eval",
    "score": "harness.commands.score",
    "train": "rltf.commands.train",
    "critic": "rltf.commands.critic",
    "prompt": "harness.commands.prompt",
    "report": "harness.commands.report",
    "push": "harness.commands.push",
    "doctor": "harness.commands.doctor",
    "serve": "harness.commands.serve",
    "view": "harness.commands.view",
    "grader-test": "harness.commands.grader_test",
    "completion": "rltf.commands.completion",
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
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the versions that a bug report needs, and exit"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in names or COMMANDS:
        import_module(COMMANDS[name]).register(commands)
    for command in dict.fromkeys(commands.choices.values()):  # some have two names
        command.add_argument(
            "-q",
            "--quiet",
            action="store_true",
            help="results, warnings and errors only, no progress, no notes",
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rltf`; returns the exit status.

    A user's mistake is one line on stderr and status 2. A traceback always means a bug of ours.
    """
    command = list(sys.argv[1:] if argv is None else argv)
    with warnings.catch_warnings():
        # Bound to this stream: with --quiet, sys.stderr is another while a command runs.
        warnings.showwarning = partial(_show_warning, sys.stderr)
        # PEFT looks for a config beside an adapter's base, and a GGUF file has it inside.
        warnings.filterwarnings("ignore", r"Could not find a config file in .*\.gguf")
        return _run(command)


@contextmanager
def _notes_kept_back() -> Iterator[None]:
    """Progress and notes are what commands write to stderr; warnings and errors go past this."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        yield


def _run(command: list[str]) -> int:
    try:
        # A command does not wait for the modules of the others: those of training are the larger part.
        named = [name for name in command[:1] if name in COMMANDS]
        args = build_parser(*named).parse_args(command)
        with _notes_kept_back() if args.quiet else nullcontext():
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


def _show_warning(
    stream: IO[str], message: Warning | str, category: type[Warning], *_: object, **__: object
) -> None:
    stream.write(f"rltf: warning: {one_line(str(message))}\n")


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
    """Looks the versions up when asked: importlib.metadata is slow to import for every `--help`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from harness.run_store.environment import commit, versions  # noqa: PLC0415

        found = versions("torch", "transformers")
        own, python, kernel = (found.pop(name) for name in ("rltf-harness", "python", "kernel"))
        at = commit()
        others = ", ".join(f"{name} {version}" for name, version in found.items())
        sys.stdout.write(
            f"rltf {own}{f' (commit {at})' if at else ''}, Python {python}, Linux {kernel}, {others}\n"
        )
        parser.exit()
