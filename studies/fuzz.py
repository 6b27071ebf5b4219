"""`make fuzz`: the tests of random inputs with many more examples than the suite has, and how each ended.

    python studies/fuzz.py [--times 8] [--beside 2] [--out FILE]

Runs the tests named `*fuzz*`, which hold what must be so: a result or one line, never a traceback, nothing
graded lost. A new seed each time; the examples that fail are printed with what makes them again. Not covered:
inputs of programs and of the runner, whose tests are in `tests/runner`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.run_store import environment

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "fuzz.md"


def main() -> int:
    """Run every file of fuzz tests, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=8, help="the suite's number of examples (default: 8)")
    parser.add_argument("--beside", type=int, default=2, help="files at the same time (default: 2)")
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    files = sorted(each.relative_to(ROOT) for each in (ROOT / "tests").rglob("test_*fuzz*.py"))
    began, commit = time.monotonic(), environment.commit()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.beside) as pool:
        runs = list(pool.map(lambda file: attempt(file, args.times, Path(folder)), files))
    failed = [str(file) for file, (status, _) in zip(files, runs, strict=True) if status]
    counts = sum((ends for _, ends in runs), Counter[str]())
    args.out.write_text(
        page(counts, failed, f"--times {args.times}", time.monotonic() - began, commit), encoding="utf-8"
    )
    print(f"{args.out} written")
    return 1 if failed else 0


def attempt(file: Path, times: int, folder: Path) -> tuple[int, Counter[str]]:
    """Exit status of a file's random tests, and its examples by kind and end."""
    counts = folder / f"{file.stem}.json"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not each_option", str(file)],
        cwd=ROOT,
        env=os.environ | {"RLTF_FUZZ": str(times), "RLTF_FUZZ_COUNTS": str(counts)},
        check=False,
    )
    return done.returncode, Counter(json.loads(counts.read_text()) if counts.exists() else {})


def page(counts: Counter[str], failed: list[str], options: str, seconds: float, commit: str | None) -> str:
    """The report; `commit` is that at the start."""
    kinds = sorted({each.rpartition(": ")[0] for each in counts})
    rows = [(kind, counts[f"{kind}: result"], counts[f"{kind}: one line"]) for kind in kinds]
    total = sum(counts.values())
    return "\n".join(
        [
            "# Random inputs",
            "",
            f"{total:,} random inputs, put together by hypothesis, each with an end that the tests hold to:",
            "a result, or one line that says what is wrong. Where programs were graded, every program of the",
            "input has its verdict. Anything else, a traceback above all, fails the test.",
            "",
            "| kind of input | inputs | a result | one line |",
            "|---|---:|---:|---:|",
            *(f"| {kind} | {good + bad:,} | {good:,} | {bad:,} |" for kind, good, bad in rows),
            f"| all | {total:,} | {sum(row[1] for row in rows):,} | {sum(row[2] for row in rows):,} |",
            "",
            f"Failed: {', '.join(failed) or 'none'}.",
            "",
            f"`python studies/fuzz.py {options}` in {seconds / 60:.0f} minutes, commit"
            f" `{commit}`, Python {sys.version.split()[0]}. Not seeded: each run tries others.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
