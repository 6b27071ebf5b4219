"""`rltf score`: grade programs that were made elsewhere, or a benchmark's own solutions.

Covers: the arguments, the default folder, what is shown. The work is `harness.evaluation.evaluate`.
Does not cover: making programs (`rltf eval`).

Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.types import Benchmark, Limits

if TYPE_CHECKING:
    from harness.samples import Programs

INCOMPLETE = 3
"""Exit status: the run ended, but the grader failed on some programs and they are in no number."""

_EPILOG = """\
FILE is recognised by content, gzip-compressed or not:
  our rows            {"task_id": "mbpp/11", "sample_id": 0, "code": "..."}   sample_id optional
  EvalPlus            {"task_id": "Mbpp/11", "solution": "..."}
  HumanEval           {"task_id": "mbpp/11", "completion": "..."}             the whole program
  dataset rows        {"problem_id": 65, "split": "test", "code": "..." or "codes": [...]}
  bigcode             [["...", ...], ...]                                     by place in the selection
  APPS                {"65": ["...", ...], ...}

The run folder holds manifest.json, samples.jsonl, outcomes.jsonl, metrics.json, report.md and report.html. A
run that was interrupted, or killed, goes on when the same command is given again.

Exit status: 0 done; 2 bad input, nothing graded is lost; 3 done, but the grader itself failed on some
programs (run the same command again to retry them); 130 interrupted.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `score` to the sub-commands."""
    parser = commands.add_parser(
        "score",
        help="grade programs from a file, or a benchmark's own solutions",
        description="Grade programs on a benchmark: pass@k with intervals, under both comparison profiles.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_input(parser)
    _add_running(parser)
    _add_scoring(parser)
    parser.set_defaults(run=run)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE|gold", help="programs, or 'gold' for the reference solutions")
    parser.add_argument("--benchmark", required=True, metavar="NAME", help="apps, mbpp, mini, …")
    parser.add_argument("--split", help="split of the benchmark (default: its own default)")
    parser.add_argument("--ids", nargs="+", metavar="ID", help="only these: 65, apps/test/65, 0-99, 1,2,7")
    parser.add_argument("--difficulty", nargs="+", metavar="NAME", help="only these difficulties")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="benchmark data (default: $RLTF_DATA, or the hub)"
    )
    parser.add_argument(
        "--gold",
        choices=("first", "all"),
        default="first",
        help="which solutions 'gold' means (default: first)",
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


def _add_running(parser: argparse.ArgumentParser) -> None:
    limits = Limits()
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="run folder (default: results/runs/<by the inputs>)"
    )
    parser.add_argument(
        "--workers", type=_positive_int, metavar="N", help="programs at a time (default: processors)"
    )
    parser.add_argument(
        "--limit-cpu",
        type=_positive_float,
        default=limits.cpu_seconds,
        metavar="SECONDS",
        help=f"CPU time for each test, and for loading the program (default: {limits.cpu_seconds:g})",
    )
    parser.add_argument(
        "--limit-program",
        type=_positive_float,
        metavar="SECONDS",
        help="CPU time for all tests of a program together (default: none)",
    )
    parser.add_argument(
        "--memory",
        type=_positive_int,
        default=limits.memory_mib,
        metavar="MIB",
        help=f"memory beyond what a program starts with (default: {limits.memory_mib})",
    )
    cache = parser.add_mutually_exclusive_group()
    cache.add_argument("--cache", type=Path, metavar="DIR", help="verdicts of earlier runs (~/.cache/rltf)")
    cache.add_argument("--no-cache", action="store_true", help="grade everything anew")


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--k",
        nargs="+",
        type=_positive_int,
        metavar="K",
        help="budgets for pass@k (default: those of 1, 5, 10 and 100 that every problem has samples for)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap intervals (default: 0)")


def run(args: argparse.Namespace, command: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    from harness.compare import PROFILES  # noqa: PLC0415 - nothing heavy before the arguments are good
    from harness.evaluation import Plan, evaluate  # noqa: PLC0415
    from harness.registry import load_benchmark  # noqa: PLC0415
    from harness.report.progress import progress_on  # noqa: PLC0415
    from harness.runner import Runner  # noqa: PLC0415
    from harness.runner.keys import GRADER_VERSION, package_versions  # noqa: PLC0415

    programs = _programs(args)
    benchmark = load_benchmark(
        args.benchmark, split=args.split, data_dir=args.data, ids=args.ids, difficulty=args.difficulty
    )
    limits = Limits(
        cpu_seconds=args.limit_cpu,
        load_cpu_seconds=args.limit_cpu,
        program_cpu_seconds=args.limit_program,
        memory_mib=args.memory,
    )
    folder = args.out or _default_folder(benchmark, programs, limits)
    plan = Plan(
        benchmark=benchmark,
        programs=programs,
        limits=limits,
        profiles={name: profile.version for name, profile in PROFILES.items()},
        grader={"version": GRADER_VERSION, **package_versions()},
        ks=args.k,
        seed=args.seed,
        allow_missing=args.allow_missing,
        ignore_missing=args.covered_only or args.file == "gold",
        command=shlex.join(["rltf", *command]),
    )
    start = partial(Runner, workers=args.workers, limits=limits, profiles=tuple(PROFILES), cache=_cache(args))
    try:
        metrics = evaluate(plan, folder, start, progress_on(sys.stderr))
    except KeyboardInterrupt:
        sys.stderr.write(
            f"\ninterrupted; what was graded is kept in {folder}: run the same command to go on\n"
        )
        return 130
    return _show(metrics, folder)


def _show(metrics: dict[str, Any], folder: Path) -> int:
    from harness.report.console import show  # noqa: PLC0415

    show(metrics, folder / "report.md", sys.stdout)
    sys.stdout.flush()
    return INCOMPLETE if metrics["counts"]["infrastructure_errors"] else 0


def _programs(args: argparse.Namespace) -> Programs:
    from harness.samples import ProgramFile, ReferenceSolutions  # noqa: PLC0415

    if args.file == "gold":
        return ReferenceSolutions(every=args.gold == "all")
    if args.gold != "first":
        raise InputError("--gold chooses among reference solutions; write 'gold' in place of the file")
    selected = args.ids is not None or args.difficulty is not None
    return ProgramFile(Path(args.file), refuse_bad=args.bad_programs == "refuse", skip_unselected=selected)


def _default_folder(benchmark: Benchmark, programs: Programs, limits: Limits) -> Path:
    """A folder named by what is graded, not by the time: the same command finds its own run again."""
    from hashlib import sha256  # noqa: PLC0415

    selection = [problem.task_id for problem in benchmark.problems]
    inputs = repr((programs.fingerprint(), benchmark.dataset_hash, benchmark.version, selection, limits))
    label = re.sub(r"[^\w.-]+", "_", f"{benchmark.name}-{benchmark.split}-{programs.label}")[:80]
    return Path("results", "runs", f"{label}-{sha256(inputs.encode()).hexdigest()[:8]}")


def _cache(args: argparse.Namespace) -> Path | None:
    if args.no_cache:
        return None
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return args.cache or Path(base, "rltf")


def _positive_int(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def _positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value
