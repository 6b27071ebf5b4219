"""Options that several commands share: which problems, how programs are run, what is computed.

Covers: adding them to a parser, and what they mean. Importing this costs nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.files import user_cache
from harness.types import Benchmark, Limits

if TYPE_CHECKING:
    from harness.runner import Runner

BENCHMARK_HELP = (
    "name of a benchmark (an unknown one lists all), jsonl:PATH for a file of rows with tests, or"
    " module:function of your own"
)

INCOMPLETE = 3
"""Exit status: the run ended, but the grader or a server failed on some samples, which are in no number."""

ENDINGS = """\
Exit status: 0 done; 2 bad input, nothing graded is lost; 3 done, but the grader itself, or a server, failed
on some samples (run the same command again to retry them); 130 interrupted.
"""


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Which problems."""
    parser.add_argument("--benchmark", required=True, metavar="NAME", help=BENCHMARK_HELP)
    parser.add_argument("--split", help="split of the benchmark (default: its own default)")
    parser.add_argument("--ids", nargs="+", metavar="ID", help="only these: 65, apps/test/65, 0-99, 1,2,7")
    parser.add_argument("--difficulty", nargs="+", metavar="NAME", help="only these difficulties")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="benchmark data (default: $RLTF_DATA, or the hub)"
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Where the run goes, and what programs may use."""
    limits = Limits()
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="run folder (default: results/runs/<by the inputs>)"
    )
    parser.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="programs at a time, with --ray on each node (default: processors)",
    )
    add_ray(parser)
    parser.add_argument(
        "--limit-cpu",
        type=positive_float,
        metavar="SECONDS",
        help="CPU time for each test, and for loading the program (default: the benchmark's, mostly"
        f" {limits.cpu_seconds:g})",
    )
    parser.add_argument(
        "--limit-program",
        type=positive_float,
        metavar="SECONDS",
        help="CPU time for all tests of a program together (default: none)",
    )
    parser.add_argument(
        "--first-failure",
        action="store_true",
        help="end a program at its first failing test: the same verdicts and pass@k, sooner; no pass ratios",
    )
    parser.add_argument(
        "--all-tests",
        action="store_true",
        help="run every test of slow programs that have failed: the same verdicts, later; exact pass ratios",
    )
    parser.add_argument(
        "--memory",
        type=positive_int,
        metavar="MIB",
        help="memory beyond what a program starts with (default: the benchmark's, mostly"
        f" {limits.memory_mib})",
    )
    add_cache(parser)


def add_report_to(parser: argparse.ArgumentParser) -> None:
    """Where the numbers are logged, too; see `harness.publish.trackers`."""
    parser.add_argument(
        "--report-to", nargs="+", default=[], choices=("wandb", "trackio"), help="also log the numbers there"
    )


def check_report_to(args: argparse.Namespace) -> None:
    """Refuse a tracker that is not installed, before any work."""
    if args.report_to:
        from harness.publish.trackers import check_trackers  # noqa: PLC0415 - only when asked for

        check_trackers(args.report_to)


def add_json(parser: argparse.ArgumentParser) -> None:
    """The result for programs; see `print_json`."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def print_json(content: object) -> None:
    """Write a command's result to stdout as JSON; what is shown otherwise goes to stderr or nowhere."""
    sys.stdout.write(json.dumps(content, indent=1) + "\n")


def add_ray(parser: argparse.ArgumentParser) -> None:
    """Where programs are graded, or a machine is examined."""
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="on every node of a Ray cluster instead of here: HOST:PORT of its head, or auto (docs/ray.md)",
    )


def add_cache(parser: argparse.ArgumentParser) -> None:
    """What earlier runs found out; see `cache_of`."""
    cache = parser.add_mutually_exclusive_group()
    cache.add_argument("--cache", type=Path, metavar="DIR", help="verdicts of earlier runs (~/.cache/rltf)")
    cache.add_argument("--no-cache", action="store_true", help="grade everything anew")


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """What is computed from the outcomes."""
    parser.add_argument(
        "--k",
        nargs="+",
        type=positive_int,
        metavar="K",
        help="k values of pass@k (default: those of 1, 5, 10 and 100 that every problem has samples for)",
    )
    parser.add_argument(
        "--bootstrap-seed", type=int, metavar="N", default=0, help="of the intervals (default: 0)"
    )


def selected(args: argparse.Namespace) -> Benchmark:
    """The problems that were asked for."""
    from harness.registry import load_benchmark  # noqa: PLC0415 - nothing heavy before a command runs

    return load_benchmark(
        args.benchmark, split=args.split, data_dir=args.data, ids=args.ids, difficulty=args.difficulty
    )


def limits_of(args: argparse.Namespace, benchmark: Benchmark) -> Limits:
    """What programs may use: the user's word, else the benchmark's, else the defaults."""
    asked: dict[str, Any] = {"program_cpu_seconds": args.limit_program, "memory_mib": args.memory}
    asked |= dict.fromkeys(("cpu_seconds", "load_cpu_seconds"), args.limit_cpu)
    asked["stop_at_first_failure"] = args.first_failure or None
    said = {name: value for name, value in asked.items() if value is not None}
    if args.all_tests:
        said["costly_tests_after_failure"] = None
    return replace(benchmark.limits or Limits(), **said)


def grading_options(args: argparse.Namespace, benchmark: Benchmark) -> dict[str, Any]:
    """The part of a `Plan` that says how programs are graded."""
    from harness.runner.cache_key import grading_versions  # noqa: PLC0415 - nothing heavy before a command runs

    return {
        "limits": limits_of(args, benchmark),
        **grading_versions(benchmark.profiles),
        "ks": args.k,
        "seed": args.bootstrap_seed,
    }


def runner_start(
    args: argparse.Namespace, benchmark: Benchmark
) -> Callable[[], AbstractContextManager[Runner]]:
    """What starts the runner that was asked for."""
    from functools import partial  # noqa: PLC0415 - nothing heavy before a command runs

    from harness.cluster import RayNodes  # noqa: PLC0415 - the same
    from harness.runner import Runner  # noqa: PLC0415 - the same

    return partial(
        Runner,
        workers=args.workers if args.ray is None else RayNodes(args.ray, args.workers),
        limits=limits_of(args, benchmark),
        profiles=benchmark.profiles,
        cache=cache_of(args),
    )


def default_folder(benchmark: Benchmark, label: str, inputs: Sequence[object]) -> Path:
    """A folder named by what is graded, not by the time: the same command finds its own run again."""
    from hashlib import sha256  # noqa: PLC0415 - nothing heavy before a command runs

    selection = [problem.task_id for problem in benchmark.problems]
    text = repr((inputs[0], benchmark.dataset_hash, benchmark.version, selection, *inputs[1:]))
    name = re.sub(r"[^\w.-]+", "_", f"{benchmark.name}-{benchmark.split}-{label}")[:80]
    return Path("results", "runs", f"{name}-{sha256(text.encode()).hexdigest()[:8]}")


def cache_of(args: argparse.Namespace) -> Path | None:
    """Folder of what earlier runs found out; `None` if it is not to be used."""
    if args.no_cache:
        return None
    return args.cache or user_cache()


def positive_int(text: str) -> int:
    """For `type`: a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def positive_float(text: str) -> float:
    """For `type`: a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value
