"""`make gold`: do the benchmarks' own solutions pass, and if not, whose fault is it?

    RLTF_DATA=DIR python studies/gold.py [--sets NAME …] [--errata] [--workers N] [--out FILE]

Grades the first reference solution of every problem of MBPP (full and sanitized) and of the test split of
APPS under both profiles; then, of every problem whose first solution fails, further solutions, so that a bad
solution is told from a bad problem; then asks the failing ones what they give. Every failure gets a class by
the rules of `gold_classes.py` and `gold_rulings.py`. Writes `results/reports/gold.md` and, with `--errata`,
what it found into `benchmarks/*/ERRATA.toml`. Resumable: delete `results/runs/gold-*` to start anew. Exit
status 1 if a failure has no class. Not covered: statements, which nobody reads here.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from gold_classes import classify
from gold_grading import Examined, Graded, examine, first_solutions
from gold_report import cause, page
from gold_rulings import BAD_PROBLEM, judge_problem

from harness import load_benchmark

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "gold.md"
SETS = {
    "mbpp": partial(load_benchmark, "mbpp", split="all"),
    "mbpp-sanitized": partial(load_benchmark, "mbpp-sanitized", split="all"),
    "apps-test": partial(load_benchmark, "apps", split="test"),
    "apps-train": partial(load_benchmark, "apps", split="train"),
}
_MARK = "# Below: found by `make gold ARGS=--errata`; what stands above is kept as it is."


def main() -> int:
    """Grade, write, and say whether everything has a class."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["mbpp", "mbpp-sanitized", "apps-test"])
    parser.add_argument("--errata", action="store_true", help="write the bad problems into ERRATA.toml")
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with the data")
    runs: list[tuple[str, Graded, list[Examined]]] = []
    for name in args.sets:
        first = first_solutions(SETS[name](), name, args.workers)
        runs.append((name, first, examine(first, name, args.workers)))
    args.out.write_text(page(runs), encoding="utf-8")
    print(f"{args.out} written")
    if args.errata:
        for folder in ("apps", "mbpp"):
            found = [each for name, _, examined in runs if name.startswith(folder) for each in examined]
            write_errata(ROOT / "benchmarks" / folder / "ERRATA.toml", found)
    without = [each.first for _, _, examined in runs for each in examined if classify(each.first) is None]
    for failure in without:
        print(f"UNCLASSIFIED {failure.task_id}: {failure.outcome.verdicts}, {failure.outcome.error}")
    return 1 if without else 0


def write_errata(path: Path, examined: list[Examined]) -> None:
    """Replace what stands below the mark by the bad problems found, but for those named above it."""
    above = path.read_text(encoding="utf-8").partition(_MARK)[0].rstrip("\n")
    bad = [
        each for each in examined if judge_problem(each.failures, each.passed, each.repaired) in BAD_PROBLEM
    ]
    rows = {
        each.first.task_id: cause(each) for each in bad if f'"{each.first.task_id}"' not in above
    }  # fmt: skip
    ordered = sorted(rows, key=lambda task_id: (task_id.rpartition("/")[0], int(task_id.rpartition("/")[2])))
    lines = [f'"{task_id}" = "{rows[task_id]}"' for task_id in ordered]
    text = "\n".join([above, "", _MARK, *lines]) if lines else above
    path.write_text(text + "\n", encoding="utf-8")
    print(f"{path}: {len(lines)} problems below the mark")


if __name__ == "__main__":
    sys.exit(main())
