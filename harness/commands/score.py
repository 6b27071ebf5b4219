"""`rltf score`: grade programs that were made elsewhere, or a benchmark's own solutions.

Covers: the arguments, the default folder, what is shown. The work is `harness.evaluate.evaluation.evaluate`.
Does not cover: making programs (`rltf eval`).

Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.options import (
    ENDINGS,
    INCOMPLETE,
    add_json,
    add_metrics,
    add_report_to,
    add_running,
    add_selection,
    check_report_to,
    default_folder,
    grading_options,
    limits_of,
    print_json,
    runner_start,
    selected,
)
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.programs.source import Programs

_EPILOG = (
    """\
FILE is recognised by content, gzip-compressed or not; --field names the program's field where it is not sure:
  our rows            {"task_id": "mbpp/11", "sample_id": 0, "code": "..."}   sample_id optional
  EvalPlus            {"task_id": "Mbpp/11", "solution": "..."}
  HumanEval           {"task_id": "HumanEval/0", "completion": "..."}         goes on from the problem's code
  dataset rows        {"problem_id": 65, "split": "test", "code": "..." or "codes": [...]}
  bigcode             [["...", ...], ...]                                     by place in the selection
  APPS                {"65": ["...", ...], ...}
  RLTF, CodeRL        a folder of N.json, {"65": {"code": ["...", ...], "prompt": "..."}}
  EvalPlus            a folder of programs, Mbpp_11/0.py
  LiveCodeBench       [{"question_id": 11, "code_list": ["...", ...]}, ...]
  lm-eval             samples_*.jsonl; inspect: .json and .eval logs; both hold answers: --extract
  MapCoder, Reflexion {"name": "mbpp_11_...", "source_codes": [...] or "solution": "..."}
  TRL                 completions_*.parquet with a column task_id (needs pyarrow)

The run folder holds manifest.json, samples.jsonl, outcomes.jsonl, metrics.json, report.md and report.html. A
run that was interrupted, or killed, goes on when the same command is given again.

"""
    + ENDINGS
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `score` to the sub-commands."""
    parser = commands.add_parser(
        "score",
        help="grade programs from a file, or a benchmark's own solutions",
        description="Grade programs on a benchmark: pass@k with intervals, under its comparison profiles.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_input(parser)
    add_running(parser)
    add_metrics(parser)
    add_report_to(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE|gold", help="programs, or 'gold' for the reference solutions")
    add_selection(parser)
    parser.add_argument(
        "--gold",
        choices=("first", "all"),
        default="first",
        help="which solutions 'gold' means (default: first)",
    )
    parser.add_argument(
        "--field", metavar="NAME", help="field of each row that holds the program (default: the sure one)"
    )
    parser.add_argument(
        "--extract",
        action="store_true",
        help="the file holds a model's answers: take the programs out, as rltf eval does in chat formats",
    )
    missing = parser.add_mutually_exclusive_group()
    missing.add_argument(
        "--allow-missing",
        action="store_true",
        help="count problems without a program as failed, not as an error",
    )
    missing.add_argument(
        "--covered-only", action="store_true", help="leave problems without a program out of every number"
    )
    parser.add_argument(
        "--bad-programs",
        choices=("refuse", "grade"),
        default="refuse",
        help="programs with NUL characters or lone surrogates (no Python source) or over 1 MiB: refuse the"
        " file, or grade them as they stand (default: refuse)",
    )


def run(args: argparse.Namespace, command: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    from harness.evaluate.evaluation import Plan, evaluate  # noqa: PLC0415 - nothing heavy before a command runs
    from harness.report.progress import progress_on  # noqa: PLC0415 - the same

    programs = _programs(args)
    check_report_to(args)
    benchmark = selected(args)
    plan = Plan(
        benchmark=benchmark,
        programs=programs,
        **grading_options(args, benchmark),
        allow_missing=args.allow_missing,
        ignore_missing=args.covered_only or args.file == "gold",
        command=shlex.join(["rltf", *command]),
    )
    inputs = (*plan.source.identity().values(), limits_of(args, benchmark))
    folder = args.out or default_folder(benchmark, programs.label, inputs)
    try:
        metrics = evaluate(plan, folder, runner_start(args, benchmark), progress_on(sys.stderr))
    except KeyboardInterrupt:
        sys.stderr.write(
            f"\ninterrupted; what was graded is kept in {folder}: run the same command to go on\n"
        )
        return 130
    return show_metrics(metrics, folder, args)


def show_metrics(metrics: dict[str, Any], folder: Path, args: argparse.Namespace) -> int:
    """Print the tables of a finished run, or its metrics as JSON, and log them; returns the exit status."""
    from harness.metrics.lost_samples import is_incomplete  # noqa: PLC0415
    from harness.report.console import show  # noqa: PLC0415
    from harness.run_store.finished_run import read_run  # noqa: PLC0415

    run = read_run(folder)
    if args.report_to:
        from harness.publish.trackers import track  # noqa: PLC0415 - only when asked for

        track(run, args.report_to)
    if args.json:
        print_json({"folder": str(folder), **metrics})
    else:
        show(run.metrics, folder / "report.md", sys.stdout, run.manifest.get("measured", {}))
    sys.stdout.flush()
    return INCOMPLETE if metrics["counts"]["infrastructure_errors"] or is_incomplete(metrics) else 0


def _programs(args: argparse.Namespace) -> Programs:
    from harness.programs.source import ProgramFile, ReferenceSolutions  # noqa: PLC0415

    if args.file == "gold":
        if args.extract or args.field is not None:
            raise InputError("--extract and --field are for files of programs; leave them out with 'gold'")
        return ReferenceSolutions(every=args.gold == "all")
    if args.gold != "first":
        raise InputError("--gold chooses among reference solutions; write 'gold' in place of the file")
    selected = args.ids is not None or args.difficulty is not None
    return ProgramFile(
        Path(args.file),
        refuse_bad=args.bad_programs == "refuse",
        skip_unselected=selected,
        program_field=args.field,
        extract=args.extract,
    )
