"""`rltf grader-test`: programs with required verdicts against any grader, and its score sheet.

Covers: the arguments, what is shown, the exit status. The suite is `harness.conformance`.

Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.options import positive_float
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.conformance.targets import Target

_EPILOG = """\
TARGET is
  http://HOST:PORT[/ROUTE]   a server that speaks SandboxFusion's /run_code, open-instruct's /test_program
                             and /test_program_stdio, ScaleBox's /common_evaluate_batch, or our /v1/grade
  MODULE:FUNCTION            a function (code, tests) -> bool of Python; tests are {"inputs": [...],
                             "outputs": [...]}, with "fn_name" where a function is called; None says
                             that it has no way to be asked
  "COMMAND ARGUMENT..."      run for each program, {"code": ..., "tests": ...} on its standard input; its last
                             line of output is true, false, or null where it has no way to be asked
  local                      this project's own grader

The programs are hostile to graders without isolation: they fill memory and output, and replace built-ins.
Exit status: 0 every verdict is right; 1 some are not; 2 a mistake in the command.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `grader-test` to the sub-commands, and its other name."""
    parser = commands.add_parser(
        "grader-test",
        aliases=["judge-test"],
        help="find out what a grader's verdicts are worth",
        description="Play programs with required verdicts against a grader, and print its score sheet.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", metavar="TARGET", help="the grader")
    parser.add_argument(
        "--protocol", metavar="NAME", help="of a server: grade, run_code, common_evaluate_batch, test_program"
    )
    parser.add_argument(
        "--section", action="append", metavar="NAME", help="only this one; may be repeated (default: all)"
    )
    parser.add_argument(
        "--timeout",
        type=positive_float,
        default=120.0,
        metavar="SECONDS",
        help="without an answer for so long, there is none (default: 120)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the sheet there, too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, _command: Sequence[str]) -> int:
    """Play the suite; returns the exit status."""
    from harness.conformance.cases import CASES  # noqa: PLC0415 - nothing heavy before a command runs
    from harness.conformance.sheet import all_right, as_data, as_markdown, examine  # noqa: PLC0415

    sections = dict.fromkeys(case.section for case in CASES)
    for name in args.section or ():
        if name not in sections:
            raise InputError(f"unknown section {name!r}; available: {', '.join(sections)}")
    cases = [case for case in CASES if case.section in (args.section or sections)]
    target = _target(args)
    try:
        marks = examine(target, cases)
    finally:
        target.close()
    data = json.dumps(as_data(args.target, marks), indent=2) + "\n"
    text = data if args.json else as_markdown(args.target, marks)
    sys.stdout.write(text)
    if args.out is not None:
        args.out.write_text(text, encoding="utf-8")
    return 0 if all_right(marks) else 1


def _target(args: argparse.Namespace) -> Target:
    from harness.conformance.protocols import Server  # noqa: PLC0415
    from harness.conformance.targets import Command, Function  # noqa: PLC0415

    if args.target.startswith(("http://", "https://")):
        return Server(args.target, args.protocol, args.timeout)
    if args.protocol is not None:
        raise InputError("--protocol is for servers, http://HOST:PORT")
    if args.target == "local":
        return Function("harness.conformance.local:grade", args.timeout)
    words = shlex.split(args.target)
    if len(words) == 1 and ":" in words[0] and "/" not in words[0]:
        return Function(words[0], args.timeout)
    if not words:
        raise InputError("TARGET is empty; see rltf grader-test --help")
    return Command(words, args.timeout)
