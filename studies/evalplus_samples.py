"""`make evalplus-samples`: published EvalPlus verdicts on models' samples beside ours, task by task.

    RLTF_DATA=DIR python studies/evalplus_samples.py BENCHMARK:SPLIT:FILE … [--source TEXT] [--out FILE]

FILE is EvalPlus' `*_eval_results.json`: programs with `base_status` and `plus_status`. Its `hash` must be
that of the data (MD5 of the file without compression), else the verdicts are of other inputs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

from machine import section

from benchmarks.evalplus import LIMITS, PROFILES
from harness import Job, Runner, load_benchmark
from harness.errors import InputError
from harness.types import Status

REPORT = Path(__file__).parents[1] / "results" / "reports" / "evalplus-samples.md"


_RULES_OF_0_3 = {
    *("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum"),
    *("intersection_array", "find_dissimilar", "Diff"),  # compared as sets
    *("surface_Area", "digit_distance_nums"),  # a second right answer
}
"""Functions with a rule of their own in EvalPlus 0.3.0, and none in 0.2.1 (evalplus/eval/_special_oracle.py).
There, too, an input has 0.1 s at least, and since 0.3.0 more (evalplus/config.py)."""


@dataclass
class File:
    """What came of one file of verdicts."""

    benchmark: str
    split: str
    path: Path
    date: str
    digest: str
    count: int = 0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Programs by EvalPlus' verdict and by ours."""
    differences: list[str] = field(default_factory=list)
    timed_out: int = 0
    """Of those, programs that time out on one side."""
    newer_rule: int = 0
    """Of those, programs that pass here by a rule that EvalPlus has since 0.3.0."""
    runner: dict[str, Any] = field(default_factory=dict)


def main() -> int:
    """Grade each file's programs and write the report; exit status 1 on a difference without a cause."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="BENCHMARK:SPLIT:FILE")
    parser.add_argument("--source", default="not said", help="where the files come from, for the report")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    files = []
    for each in args.files:
        files.append(_compared(*each.split(":", 2), args.workers))
        args.out.write_text(_page(files, args.source), encoding="utf-8")
        print(f"{each}: {files[-1].count} programs, {len(files[-1].differences)} differ", flush=True)
    unexplained = [len(each.differences) - each.timed_out - each.newer_rule for each in files]
    return 1 if any(unexplained) else 0


def _compared(name: str, split: str, path: str, workers: int) -> File:
    raw = Path(path).read_bytes()
    found = json.loads(raw)
    benchmark = load_benchmark(name, split=split)
    data = Path(benchmark.source).read_bytes()
    known = md5(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).hexdigest()
    if found["hash"] != known:
        raise InputError(f"{path}: made with data of hash {found['hash']}; {benchmark.source} has {known}")
    rows = {f"{name}/{key.rpartition('/')[2]}": rows for key, rows in found["eval"].items()}
    problems = benchmark.by_id()
    jobs = [
        Job(task_id, number, row["solution"], problems[task_id])
        for task_id, of_task in rows.items()
        for number, row in enumerate(of_task)
    ]
    file = File(name, split, Path(path), found["date"], sha256(raw).hexdigest(), len(jobs))
    with Runner(workers, LIMITS, profiles=PROFILES) as runner:
        file.runner = runner.describe()
        for outcome in sorted(runner.run(jobs), key=lambda each: (each.task_id, each.sample_id)):
            if outcome.infrastructure_error:
                raise RuntimeError(f"{outcome.task_id}: {outcome.infrastructure_error}")
            row = rows[outcome.task_id][int(outcome.sample_id)]
            base = row["base_status"] == "pass"
            theirs = _said(base, base and row["plus_status"] == "pass")
            ours = _said(outcome.passed("evalplus-base"), outcome.passed("evalplus"))
            file.pairs[theirs, ours] += 1
            if theirs != ours:
                statuses = [outcome.verdicts["evalplus-base"], outcome.verdicts["evalplus"]]
                late = Status.TIMED_OUT in statuses or "timeout" in (row["base_status"], row["plus_status"])
                file.timed_out += late
                more = _VERDICTS.index(ours) > _VERDICTS.index(theirs)
                newer = more and not late and problems[outcome.task_id].suite.entry_point in _RULES_OF_0_3
                file.newer_rule += newer
                error = f"; {outcome.error.type}: {outcome.error.message}" if outcome.error else ""
                file.differences.append(
                    f"{outcome.task_id}: published {row['base_status']}, {row['plus_status']};"
                    f" here {', '.join(map(str, statuses))}{error}"
                    f"{'; EvalPlus compares it otherwise since 0.3.0' if newer else ''}"
                )
    return file


_VERDICTS = ("fails", "passes base only", "passes both")


def _said(base: bool, plus: bool) -> str:
    return _VERDICTS[base + plus]


def _page(files: Sequence[File], source: str) -> str:
    lines = [
        "# Published EvalPlus verdicts on models' samples",
        "",
        f"Source: {source}. Each program is graded under `evalplus-base` and `evalplus`. The files' hash is"
        " that of the data used here.",
        "",
        "| benchmark | file (SHA-256), date | programs | equal, base and plus | differ | of them time-outs |"
        " of them by a rule since EvalPlus 0.3.0 | base, plus: published | here |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in files:
        lines.append(
            f"| {each.benchmark} {each.split} | {each.path.name} ({each.digest[:16]}), {each.date} |"
            f" {each.count} | {each.count - len(each.differences)} | {len(each.differences)} |"
            f" {each.timed_out} | {each.newer_rule} | {_rates(each, 0)} | {_rates(each, 1)} |"
        )
    lines += ["", "## Every difference", ""]
    lines += [f"- {each.path.name}, {said}" for each in files for said in each.differences] or ["None."]
    lines.append("")
    data = ", ".join(f"{each.benchmark} {each.split}" for each in files)
    command = "RLTF_DATA=DIR make evalplus-samples ARGS=BENCHMARK:SPLIT:FILE"
    return "\n".join([*lines, section(command, files[0].runner, data)])


def _rates(file: File, side: int) -> str:
    passed: Counter[str] = Counter()
    for pair, count in file.pairs.items():
        passed[pair[side]] += count
    both, base = passed["passes both"], passed["passes both"] + passed["passes base only"]
    return f"{100 * base / file.count:.1f}, {100 * both / file.count:.1f}"


if __name__ == "__main__":
    sys.exit(main())
