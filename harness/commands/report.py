"""`rltf report`: tables of finished runs, beside each other and beside published numbers.

Covers: the arguments, which sections there are, where the text goes. The work is `harness.report`.

Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.files import check_file, replace_file

if TYPE_CHECKING:
    from harness.report.sections import Report
    from harness.run_store.finished_run import Run

_TABLES = ("rltf-3", "rltf-4", "rltf-5", "rltf-7", "rltf-8", "rltf-9")

_EPILOG = """\
A RUN is the folder of a finished run. NAME=RUN gives it a name; a name that is a published system, as in
RLTF/CodeT5=RUN, says whose numbers the run repeats, and only then is it called reproduced or differing.

  rltf report RUN                                    one run
  rltf report RUN RUN --paired                       what changed between two, problem by problem
  rltf report RLTF/CodeT5=RUN --against published    beside every published number on its benchmark
  rltf report --table rltf-9                         a table of the RLTF paper, and how to fill it
  rltf report RUN --emit lm-eval                     another tool's result file
  rltf report RUN --examples RUN                     n@k; score the same programs on apps and on
                                                     benchmarks.apps.examples:load for it
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `report` to the sub-commands."""
    parser = commands.add_parser(
        "report",
        help="tables of finished runs, beside each other and beside published numbers",
        description="Tables of finished runs, beside each other and beside published numbers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", metavar="RUN", nargs="*", help="run folders, or NAME=FOLDER")
    parser.add_argument("--against", choices=("published",), help="numbers to set beside the runs")
    parser.add_argument("--table", choices=_TABLES, metavar="NAME", help=f"one of {', '.join(_TABLES)}")
    parser.add_argument(
        "--paired", action="store_true", help="compare exactly two runs, on the same problems"
    )
    parser.add_argument(
        "--examples", metavar="RUN", help="the same programs graded on the example tests: adds n@k"
    )
    parser.add_argument(
        "--submit", nargs="+", type=int, metavar="N", default=[1, 5], help="n of n@k (default: 1 5)"
    )
    parser.add_argument(
        "--few-survivors",
        choices=("submit-fewer", "fill-up"),
        default="submit-fewer",
        help="where fewer than n programs pass the examples: submit those, or fill up with others in the"
        " order of sampling (default: submit-fewer)",
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="comparison profile for published numbers and plots (default: apps, which compares as the"
        " graders of the papers do; where the runs lack it, the first that they have)",
    )
    parser.add_argument(
        "--format", choices=("md", "csv", "json", "latex", "html"), help="default: by --out, else md"
    )
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="the same as --format json"
    )
    parser.add_argument(
        "--emit",
        choices=("evalplus", "lm-eval", "hub-yaml"),
        help="instead of a report, one run as another tool's result file",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to the terminal")
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="also write the plots there, as PNG and SVG"
    )
    parser.add_argument(
        "--programs",
        type=float,
        default=16.0,
        metavar="MIB",
        help="html: how much of the runs' programs to put on the page, 0 for none (default: 16)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, command: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    from harness.report.formats import FORMATS  # noqa: PLC0415 - nothing heavy before the arguments are good
    from harness.run_store.finished_run import load_run  # noqa: PLC0415

    _check(args)
    if args.emit:
        return _emit(args)
    runs = _unique([load_run(text) for text in args.runs])
    args.profile = args.profile or _default_profile(runs)
    for each in runs:
        if args.profile not in each.profiles:
            raise InputError(
                f"{each.path} has no profile {args.profile!r}; it has {', '.join(each.profiles)}"
            )
    _write(FORMATS[_format(args)](_report(args, runs)), args.out)
    if args.plots is not None:
        _plot(runs, args)
    return 0


def _emit(args: argparse.Namespace) -> int:
    try:
        from harness.publish.emit import emitted  # noqa: PLC0415 - only when asked for
        from harness.run_store.finished_run import load_run  # noqa: PLC0415 - the same

        _write(emitted(load_run(args.runs[0]), args.emit), args.out)
    except ImportError as error:
        raise InputError(f"{error.name} is missing: pip install 'rltf-harness[hub]'") from None
    return 0


def _write(text: str, path: Path | None) -> None:
    if path is None:
        sys.stdout.write(text)
        return
    encoded = text.encode(errors="backslashreplace")
    replace_file(path, lambda stream: stream.write(encoded))
    sys.stderr.write(f"wrote {path}\n")


def _default_profile(runs: Sequence[Run]) -> str:
    shared = [
        name for name in (runs[0].profiles if runs else ()) if all(name in run.profiles for run in runs)
    ]
    return shared[0] if shared and "apps" not in shared else "apps"


def _check(args: argparse.Namespace) -> None:
    if not args.runs and not args.table:
        raise InputError("nothing to report; name run folders, or a table of the RLTF paper with --table")
    if args.paired and len(args.runs) != 2:
        raise InputError(f"--paired compares two runs, got {len(args.runs)}")
    if args.emit and (len(args.runs) != 1 or args.table or args.against or args.paired or args.examples):
        raise InputError("--emit writes one run as another tool's file; name one RUN, and leave the rest out")
    if args.examples and len(args.runs) != 1:
        raise InputError("--examples belongs to one run; name one RUN")
    if args.table and (args.against or args.paired or args.examples):
        raise InputError("--table is a report of its own; leave --against, --paired and --examples out")
    if not 0 <= args.programs < math.inf:
        raise InputError("--programs takes a size of at least 0 MiB")
    if any(n < 1 for n in args.submit):
        raise InputError("--submit takes numbers of at least 1")
    if args.out is not None:
        check_file(args.out)
    if args.plots is not None:
        _check_plots()


def _check_plots() -> None:
    from harness.report import plots  # noqa: PLC0415

    if not plots.available():
        raise InputError("plots need matplotlib: pip install 'rltf-harness[plots]', or leave --plots out")


def _report(args: argparse.Namespace, runs: list[Run]) -> Report:
    from harness.report.paper import paper_report  # noqa: PLC0415
    from harness.report.published import TABLES  # noqa: PLC0415
    from harness.report.sections import Report, answers, data_rows, outcomes, scores  # noqa: PLC0415
    from harness.report.tables import shares  # noqa: PLC0415

    if args.table:
        return paper_report(TABLES[args.table], runs, args.profile)
    title = " and ".join(run.name for run in runs) if len(runs) < 3 else f"{len(runs)} runs"
    facts = "strict is the measure for new numbers; apps compares as the released APPS grader does."
    report = Report(title, [facts], runs=runs, profile=args.profile, browse=int(args.programs * 2**20))
    report.sections.append(scores(runs))
    report.data = data_rows(runs)
    if args.paired:
        _add_pair(report, runs)
    if args.examples:
        _add_filtered(report, runs[0], args)
    if args.against:
        _add_published(report, runs, args.profile)
    report.sections.append(outcomes(runs, args.profile))
    if any(shares(run.metrics) for run in runs):
        report.sections.append(answers(runs))
    return report


def _add_pair(report: Report, runs: list[Run]) -> None:
    from harness.metrics.paired import compare_runs  # noqa: PLC0415
    from harness.report.pairs import data_pair, paired  # noqa: PLC0415

    result = compare_runs(*runs)
    report.sections += paired(result, *runs)
    report.data += data_pair(result, *runs)


def _add_filtered(report: Report, run: Run, args: argparse.Namespace) -> None:
    from harness.metrics.n_at_k import FewSurvivors  # noqa: PLC0415
    from harness.metrics.paired import filtered_scores  # noqa: PLC0415
    from harness.report.pairs import data_filtered, filtered  # noqa: PLC0415
    from harness.run_store.finished_run import load_run  # noqa: PLC0415

    examples = load_run(args.examples)
    found = filtered_scores(run, examples, args.submit, few=FewSurvivors(args.few_survivors))
    if not found:
        fewest = min(args.submit)
        raise InputError(
            f"n@k needs n <= k, but {run.path} has pass@k up to {run.metrics['k'][-1]}; n is {fewest}"
        )
    report.sections.append(filtered(found, run, examples, args.few_survivors))
    report.data += data_filtered(found, run)


def _add_published(report: Report, runs: list[Run], profile: str) -> None:
    from harness.report.against import PROBLEMS, compare_with_published, concerns  # noqa: PLC0415
    from harness.report.published import published  # noqa: PLC0415
    from harness.report.sections import against, board, data_cells  # noqa: PLC0415

    names = [name for name in PROBLEMS if any(concerns(name, run) for run in runs)]
    if not names:
        benchmarks = ", ".join(sorted({run.benchmark for run in runs}))
        raise InputError(f"there are published numbers for {', '.join(PROBLEMS)}, none for {benchmarks}")
    for name in names:
        rows = [row for row in published() if row.benchmark == name]
        own = [run for run in runs if concerns(name, run)]
        cells = compare_with_published(rows, own, profile)
        report.sections += [board(rows, own, profile), against(cells, f"Number by number: {name}")]
        report.data += data_cells(cells, profile)


def _unique(runs: list[Run]) -> list[Run]:
    """Runs with the same name get their folder added to it, so that no column hides another."""
    from dataclasses import replace  # noqa: PLC0415

    names = [run.name for run in runs]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise InputError("a run folder is named twice; name each once")
    return [replace(r, name=f"{r.name} ({r.path})") if names.count(r.name) > 1 else r for r in runs]


def _format(args: argparse.Namespace) -> str:
    by_suffix = {".md": "md", ".csv": "csv", ".json": "json", ".tex": "latex", ".html": "html"}
    return args.format or by_suffix.get(args.out.suffix if args.out else ".md", "md")


def _plot(runs: list[Run], args: argparse.Namespace) -> None:
    from harness.report import plots  # noqa: PLC0415

    for path in plots.save_plots(runs, args.profile, args.plots):
        sys.stderr.write(f"wrote {path}\n")
