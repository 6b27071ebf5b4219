"""`rltf view`: a local page over all run folders below a folder.

Covers: the arguments, listening, ending. What is shown is `harness.view`.

Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from harness.errors import InputError

_ADDRESS = "127.0.0.1"
_PORT = 8765

_EPILOG = """\
Runs that have ended, are at work, or were killed, and trainings, by rltf train or by any Trainer of
transformers; the page of a training at work refreshes itself. Statements and tests of problems are shown
where the benchmark's data is on this machine.

The page is served on this machine only and nothing can be changed through it. From elsewhere:
  ssh -L 8765:localhost:8765 HOST
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `view` to the sub-commands."""
    parser = commands.add_parser(
        "view",
        help="a local page over all run folders: leaderboard, comparisons, programs, trainings",
        description="Show all run folders below a folder on a local page: leaderboard, two runs compared,"
        " programs with their tests, curves of trainings.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("results", "runs"),
        metavar="FOLDER",
        help="with run folders in it, at any depth (default: results/runs)",
    )
    parser.add_argument(
        "--port", type=int, default=_PORT, metavar="N", help=f"0 takes a free one (default: {_PORT})"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="benchmark data (default: $RLTF_DATA)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, _command: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit status."""
    from harness.commands.places import listening  # noqa: PLC0415 - nothing heavy before a command runs

    try:
        import uvicorn  # noqa: PLC0415 - the parser is built without

        from harness.view.app import create_app  # noqa: PLC0415 - the same
    except ImportError as error:
        raise InputError(f"{error.name} is missing: pip install 'rltf-harness[serve]'") from None
    # A page must not fetch a data set because someone looked at a program.
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    app = create_app(args.folder, args.data)
    with listening(_ADDRESS, args.port) as listener:
        port = listener.getsockname()[1]
        sys.stderr.write(f"rltf: {args.folder} is shown on http://{_ADDRESS}:{port}/ until Ctrl-C\n")
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        # Once it has stopped, uvicorn sends itself the signal that it was stopped by; this is an orderly end.
        signal.signal(signal.SIGTERM, _end)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            return 0
    return 0


def _end(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)
