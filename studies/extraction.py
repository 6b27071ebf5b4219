"""Real answers through the rules of extraction: how many right programs are kept, lost and won.

    RLTF_DATA=DIR python studies/extraction.py FILE... [--before CHECKOUT] [--out FILE]

FILE is a result file of MapCoder (Islam et al. 2024) on MBPP: `responses` are a chat model's answers,
`source_codes` the programs that its publisher read out of them, `name` holds MBPP's number. Every program is
graded here on MBPP's own tests. `--before` names another checkout of this project, whose rule reads the same
answers in a process of its own. Writes `results/reports/extraction.md`, and prints CPU seconds for answers of
two sizes, by shape. Does not cover: other models' answers, or scripts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import section

from harness import Runner, load_benchmark
from harness.extraction import RULES, Wanted, extract
from harness.types import Benchmark, Job
from rltf.rewards.alignment import place

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "extraction.md"
PUBLISHER, OURS, BLIND, BEFORE = (
    "publisher's",
    "chat, problem known",
    "chat, problem unknown",
    "chat, other checkout",
)
_ELSEWHERE = """
import json, sys
from harness.extraction import RULES, extract
answers = json.load(sys.stdin)
json.dump([RULES["chat"].version, [extract(each, "chat").code for each in answers]], sys.stdout)
"""

Programs = Mapping[str, Sequence[str]]
"""By extraction; in the order of the file's rows."""


def main() -> int:
    """Extract, grade, compare, write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--before", type=Path, help="another checkout of this project")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=REPORT)
    parser.add_argument("--verbose", action="store_true", help="name every program that was lost or won")
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with MBPP")
    benchmark = load_benchmark("mbpp", split="all")
    parts = []
    with Runner(args.workers) as runner:
        about = runner.describe()
        for file in args.files:
            rows = _rows(file)
            right = {
                name: _right(runner, benchmark, [task for task, *_ in rows], codes)
                for name, codes in programs(rows, benchmark, args.before).items()
            }
            parts.append(_table(file, rows, right))
            if args.verbose:
                _differences(rows, right)
    names = " ".join(file.name for file in args.files)
    command = f"python studies/extraction.py {names}" + (" --before CHECKOUT" if args.before else "")
    text = _page(parts) + section(command, about, f"mbpp, hash {benchmark.dataset_hash}")
    args.out.write_text(text, encoding="utf-8")
    print(f"{text}\n{args.out}")
    return 0


def programs(
    rows: Sequence[tuple[str, str, str]], benchmark: Benchmark, before: Path | None
) -> dict[str, list[str]]:
    """The programs in the answers of `rows` (task, answer, the publisher's program), by extraction."""
    problems = benchmark.by_id()
    wanted = {task: Wanted.of(problems[task]) for task, *_ in rows}
    found = {
        PUBLISHER: [code for *_, code in rows],
        OURS: [extract(answer, "chat", wanted=wanted[task]).code for task, answer, _ in rows],
        BLIND: [extract(answer, "chat").code for _, answer, _ in rows],
    }
    if before is not None:
        version, codes = _elsewhere(before, [answer for _, answer, _ in rows])
        found[f"{BEFORE} (chat@{version})"] = codes
    return found


def _rows(file: Path) -> list[tuple[str, str, str]]:
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        number = re.fullmatch(r"mbpp_(\d+)_.*", row["name"])
        if number is None:
            sys.exit(f"{file}: {row['name']!r} is no task of MBPP")
        found.append((f"mbpp/{number[1]}", row["responses"][-1], row["source_codes"][-1]))
    return found


def _elsewhere(checkout: Path, answers: Sequence[str]) -> tuple[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        input=json.dumps(answers),
        capture_output=True,
        text=True,
        check=True,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
    )
    version, codes = json.loads(done.stdout)
    return version, codes


def _right(runner: Runner, benchmark: Benchmark, tasks: Sequence[str], codes: Sequence[str]) -> set[int]:
    """Places of the programs that pass every test under `strict`."""
    problems = benchmark.by_id()
    jobs = [
        Job(task, i, code, problems[task]) for i, (task, code) in enumerate(zip(tasks, codes, strict=True))
    ]
    return {int(outcome.sample_id) for outcome in runner.run(jobs) if outcome.passed("strict")}


def _table(file: Path, rows: Sequence[Any], right: Mapping[str, set[int]]) -> str:
    publisher = right[PUBLISHER]
    lines = [
        f"## {file.stem}\n\n{len(rows)} answers.\n",
        "| extraction | right | of the publisher's right: kept | lost | won |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, places in right.items():
        kept, won = len(places & publisher), len(places - publisher)
        lines.append(f"| {name} | {len(places)} | {kept} | {len(publisher) - kept} | {won} |")
    return "\n".join(lines) + "\n"


def _differences(rows: Sequence[tuple[str, str, str]], right: Mapping[str, set[int]]) -> None:
    for place_ in sorted(right[PUBLISHER] ^ right[OURS]):
        print(("lost" if place_ in right[PUBLISHER] else "won"), place_, rows[place_][0])


SHAPES = {
    "a long line, then a fence": lambda n: "a" * n + "\n```python\nprint(1)\n```\n",
    "blanks and words, then marks": lambda n: "a " * (n // 2) + "```",
    "tildes": lambda n: "~" * n + "`",
    "blanks behind marks": lambda n: "```" + " " * n + "`",
    "fences with a word": lambda n: "```a\n" * (n // 5) + "x",
    "fences": lambda n: "```\n" * (n // 4),
    "three quotes in fences": lambda n: "```python\n'''\n```\n" * (n // 18),
    "carriage returns": lambda n: "x = (\n" + "\r" * n + "x",
    "decorators": lambda n: "@a\n" * (n // 3) + "x y z\n",
    "open brackets": lambda n: "(\n" * (n // 2),
    "three quotes": lambda n: "x = '''\n" * (n // 8),
    "prose": lambda n: "This is a line of prose\n" * (n // 24),
    "definitions": lambda n: "def add(a, b):\n    return a\n" * (n // 28) + "and so on",
    "broken definitions": lambda n: "def add(:\n  x\n" * (n // 14),
    "thoughts": lambda n: "</think>" * (n // 8),
    "thoughts, opened": lambda n: "<think>" * (n // 7) + "x y",
    "channels": lambda n: "<|channel|>final<|message|>" * (n // 27) + "x y",
}


def _seconds(text: str, rule: str) -> float:
    started = time.process_time()
    extract(text, rule, wanted="add")
    return time.process_time() - started


def _page(parts: Iterable[str]) -> str:
    """The report without its last section."""
    small, large = 1 << 16, 1 << 19
    lines = [
        "# From answers to programs",
        "",
        "Answers of chat models on MBPP, published with MapCoder (Islam et al. 2024), graded on its tests:",
        "the publisher's programs that are right, and what each extraction makes of the same answers.",
        "The files are those of the repository Md-Ashraful-Pramanik/MapCoder, `final-results/*/MBPP`, at",
        "commit 0027da7; the other checkout is this project before the rules knew the problem.",
        f"Rules: {', '.join(f'{rule.name}@{rule.version}' for rule in RULES.values())}.",
        "",
        *parts,
        "## Time",
        "",
        f"CPU seconds for an answer of {small:,} and of {large:,} characters, by shape; the slowest of chat,"
        f" program and answer. In proportion to the length would be {large // small} times as much.",
        "",
        "| shape | small | large | times |",
        "|---|---:|---:|---:|",
    ]
    for name, shape in SHAPES.items():
        took = [
            max(_seconds(shape(n), rule) for rule in ("chat", "program", "answer")) for n in (small, large)
        ]
        lines.append(f"| {name} | {took[0]:.3f} | {took[1]:.3f} | {took[1] / max(took[0], 1e-3):.0f} |")
    took = []
    for n in (small, large):
        answer, code = "\n" * n + "x", "\n" * (n // 2) + "y"
        started = time.process_time()
        place(answer, code)
        took.append(time.process_time() - started)
    lines.append(
        f"| `place` on blank lines | {took[0]:.3f} | {took[1]:.3f} | {took[1] / max(took[0], 1e-3):.0f} |"
    )
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    sys.exit(main())
