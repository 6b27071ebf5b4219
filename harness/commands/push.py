"""`rltf push`: a run's numbers into a model's repository on the Hub, and its samples as a data set.

Covers: the arguments, what is shown. The work is `harness.publish`.

Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.options import add_json, print_json
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.publish.hub import Parcel

_EPILOG = """\
  rltf push results/runs/… --to me/my-model --dry-run                what would be sent
  rltf push results/runs/… --to me/my-model --pr                     as a pull request
  rltf push results/runs/… --to me/my-model --samples me/my-samples  with the samples, as a private data set

The model card gets every pass@k in model-index, .eval_results/ the first in the Hub's present format; what
the card holds otherwise stays. Runs that have not ended, or lack verdicts, and runs of a benchmark's own
solutions are refused. Rows of a benchmark, its tests and its prompts are never sent.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `push` to the sub-commands."""
    parser = commands.add_parser(
        "push",
        help="publish a run's numbers on the Hugging Face hub, and its samples",
        description="Publish a finished run: its numbers in a model's repository on the Hugging Face hub,"
        " and, if asked for, its samples as a data set.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_folder", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--to", required=True, metavar="REPO", help="the model's repository: USER/NAME")
    parser.add_argument("--pr", action="store_true", help="open a pull request instead of committing")
    parser.add_argument("--samples", metavar="REPO", help="also send the samples, as this data set")
    parser.add_argument(
        "--task-id",
        metavar="NAME",
        help="the task's, in the eval.yaml of the benchmark's data set (default: the configuration's name)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be sent, and send nothing")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, _command: Sequence[str]) -> int:
    """Send it, or say what would be sent; returns the exit status."""
    try:
        from huggingface_hub import HfApi  # noqa: PLC0415 - only to publish
    except ImportError:
        raise InputError("huggingface_hub is missing: pip install 'rltf-harness[hub]'") from None
    from harness.publish.hub import parcels, send  # noqa: PLC0415 - the same
    from harness.run_store.finished_run import load_run  # noqa: PLC0415 - the same

    found = load_run(args.run_folder)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    with parcels(api, found, args.to, args.samples, args.task_id) as ready:
        if args.dry_run:
            _show(ready, as_json=args.json)
            return 0
        sent = {parcel.repo: send(api, parcel, pull_request=args.pr) for parcel in ready}
    if args.json:
        print_json(sent)
    else:
        sys.stdout.writelines(f"{address}\n" for address in sent.values())
    return 0


def _show(ready: Sequence[Parcel], *, as_json: bool) -> None:
    """Every file whole, but for samples, of which there may be very many."""
    if as_json:
        print_json(
            {
                parcel.repo: {path: _text(content) for path, content in parcel.files.items()}
                for parcel in ready
            }
        )
        return
    for parcel in ready:
        for path, content in parcel.files.items():
            sys.stdout.write(f"--- {parcel.kind} {parcel.repo}: {path}\n{_text(content)}\n")


def _text(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return content.decode(errors="replace")
    with content.open("rb") as stream:
        first = stream.readline().decode(errors="replace")
        more = sum(1 for _ in stream)
    return first + (f"… and {more:,} more lines\n" if more else "")
