"""One ChatGPT program for each of the 5,000 APPS test problems, graded by `rltf score` from end to end.

    RLTF_DATA=DIR python studies/generations.py [--workers N] [--out FILE] [--reuse]

Writes `results/reports/chatgpt-apps-test.md`: time, peak memory of the host process, the tables of the run's
own report, and the verdicts beside those that the publisher of the programs gives. Not covered: how the
programs were made; they come with the data.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from machine import peak_mib, section, share

from harness.metrics.pass_at_k import mean_interval
from harness.run_store.records import read_outcomes
from harness.types import Outcome
from rltf.cli import main as rltf

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "chatgpt-apps-test.md"
FOLDER = ROOT / "results" / "runs" / "chatgpt-apps-test"
DATA = Path("generations", "haowenguan_chatgpt_error_feedback_apps_test.jsonl.gz")

OPTIONS = ["--benchmark", "apps", "--split", "test", "--limit-program", "11", "--no-cache"]
"""11 s for all tests of a program is the reference grader's limit; without it a few dozen slow programs
take more time than all the others."""


def main() -> int:
    """Run the command, write the report; returns the command's exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=REPORT)
    parser.add_argument("--reuse", action="store_true", help="write the report of the last run once more")
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with the data; these programs are not on the hub")
    file = Path(os.environ["RLTF_DATA"]) / DATA
    notes = FOLDER / "notes.json"
    status = 0
    if not args.reuse:
        # Anew each time: the time of a run that was interrupted would be that of its last part.
        shutil.rmtree(FOLDER, ignore_errors=True)
        options = [*OPTIONS, "--workers", str(args.workers)]
        started = time.perf_counter()
        status = rltf(["score", str(file), *options, "--out", str(FOLDER)])
        noted = {"seconds": time.perf_counter() - started, "peak_mib": peak_mib()}
        notes.write_text(json.dumps(noted), encoding="utf-8")
    args.out.write_text(_page(FOLDER, json.loads(notes.read_text()), _publisher(file)), encoding="utf-8")
    print(f"{args.out} written")
    return status


def _publisher(file: Path) -> dict[str, bool]:
    """Whether the publisher calls the program right, by task id."""
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    return {f"apps/test/{row['problem_id']}": _all_true(row["results"]) for row in rows}


def _all_true(results: list[list[Any]]) -> bool:
    """`[[True, …]]`: one inner list for each program, and the file has one program a problem."""
    (verdicts,) = results
    return bool(verdicts) and all(each is True for each in verdicts)


def _page(folder: Path, noted: dict[str, float], publisher: dict[str, bool]) -> str:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    outcomes = list(read_outcomes(folder / "outcomes.jsonl"))
    session = manifest["sessions"][-1]
    own = (folder / "report.md").read_text(encoding="utf-8")
    tables = own[own.index("## Scores") : own.index("## How to get these numbers again")].strip()
    data = f"{DATA.name}, apps test hash {manifest['identity']['benchmark']['dataset_hash'][:16]}"
    command = " ".join(["rltf score", DATA.name, *OPTIONS])
    parts = [
        "# One ChatGPT program for each APPS test problem",
        "Made by `studies/generations.py`. The programs are those of HaowenGuan/LeetCode-ChatGPT, one for"
        " each of the 5,000 problems; what they say of ChatGPT depends on how they were made, which is not"
        " known here.",
        _cost(noted, outcomes, metrics),
        tables,
        _beside(outcomes, publisher),
        section(command, session["runner"], data, session),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _cost(noted: dict[str, float], outcomes: list[Outcome], metrics: dict[str, Any]) -> str:
    tests = sum(len(outcome.tests) for outcome in outcomes)
    cpu = sum(outcome.cpu_seconds for outcome in outcomes)
    counts = metrics["counts"]
    return "\n".join(
        [
            "## Time and memory",
            "",
            f"- Wall time, loading and reports included: {noted['seconds']:.0f} s for {len(outcomes):,}"
            f" programs and {tests:,} tests; {tests / noted['seconds']:.0f} tests per second. The programs'"
            f" own CPU time: {cpu:.0f} s.",
            f"- Peak memory of the host process (VmHWM): {noted['peak_mib']:.0f} MiB.",
            f"- Infrastructure errors: {counts['infrastructure_errors']}. Unscorable problems (no tests):"
            f" {sum(outcome.unscorable for outcome in outcomes)}.",
        ]
    )


def _beside(outcomes: list[Outcome], publisher: dict[str, bool]) -> str:
    scored = [outcome for outcome in outcomes if outcome.tests]
    lines = [
        "## Beside the publisher's verdicts",
        "",
        "The publisher ran an unknown selection of the tests by unknown rules, so these are noisy.",
        "",
        "| profile | agreement | both pass | we alone pass | publisher alone passes | both fail |",
        "|---|---|---|---|---|---|",
    ]
    for profile in scored[0].verdicts:
        pairs = [(outcome.passed(profile), publisher[outcome.task_id]) for outcome in scored]
        counts = Counter(pairs)
        interval = mean_interval([float(ours == theirs) for ours, theirs in pairs])
        agreement = share(sum(a == b for a, b in pairs), len(pairs), interval.low, interval.high)
        cells = [counts[True, True], counts[True, False], counts[False, True], counts[False, False]]
        lines.append(f"| {profile} | {agreement} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
