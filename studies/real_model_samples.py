"""`make real-model-samples`: the same samples of a real model whatever batch, order of prompts or kill.

    RLTF_DATA=DIR python studies/real_model_samples.py [MODEL.gguf] [--ids 11-16] [--n 4] [--new-tokens 96]

`rltf eval` on a few MBPP problems at temperature 0.8, in float32 on a CPU: in one batch, in batches of 5,
with the problems in the other order, and killed with -9 once half of the samples are written, then resumed.
The rows of each `samples.jsonl` must be those of the first run, byte for byte; only their order may differ.
Without MODEL it is that of `make real-model`. Exit status 1 if a row differs.
Does not cover: other dtypes and devices, of which the manifest says that bytes may differ.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.registry import load_benchmark
from harness.run_store.sample_files import sample_rows
from harness.runner import Runner
from harness.types import Benchmark
from studies import machine
from studies.real_model_files import begun, fetched, model_parser

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "real-model-samples.md"
BACKWARDS = "studies.real_model_samples:backwards"


def main() -> int:
    """Sample in each way, compare, write the report."""
    parser = model_parser(__doc__, REPORT)
    parser.add_argument("--ids", default="11-16")
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--new-tokens", type=int, default=96)
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with the data")
    model = (args.model or fetched()).resolve()
    with tempfile.TemporaryDirectory() as name:
        body, same = measure(model, Path(name), args)
    args.out.write_text(page(model, args, body), encoding="utf-8")
    print("\n".join(body), f"{args.out} written", sep="\n")
    return 0 if same else 1


def backwards(**options: Any) -> Benchmark:
    """MBPP with its last problem first."""
    found = load_benchmark("mbpp", **options)
    return replace(found, problems=tuple(reversed(found.problems)))


def measure(model: Path, folder: Path, args: argparse.Namespace) -> tuple[list[str], bool]:
    """A row of the table for each way, and whether all samples were the same."""
    first = rows_of(finished(start(model, folder / "first", args, 64)))
    ways = {
        "one batch": first,
        "batches of 5": rows_of(finished(start(model, folder / "small", args, 5))),
        "other order of problems, batches of 7": rows_of(
            finished(start(model, folder / "backwards", args, 7, benchmark=BACKWARDS))
        ),
    }
    killed = start(model, folder / "killed", args, 6)
    written = kill_at(killed, len(first) // 2)
    resumed = rows_of(finished(start(model, folder / "killed", args, 6)))
    ways[f"batches of 6, killed with {written} of {len(first)} samples written, resumed"] = resumed
    table = [
        f"| {way} | {len(rows)} | {sum(first.get(key) == row for key, row in rows.items())} |"
        for way, rows in ways.items()
    ]
    return table, all(rows == first for rows in ways.values())


Started = tuple[subprocess.Popen[bytes], Path]


def start(
    model: Path, run: Path, args: argparse.Namespace, batch: int, *, benchmark: str = "mbpp"
) -> Started:
    """An evaluation whose run goes into `run`, or goes on there."""
    command = [*command_of(model, args, benchmark), "--batch-size", str(batch), "--out", str(run)]
    return begun(command, model.parent), run


def command_of(model: Path, args: argparse.Namespace, benchmark: str = "mbpp") -> Sequence[str]:
    """Without batch size and folder."""
    return [
        "rltf", "eval", model.name, "--benchmark", benchmark, "--ids", args.ids, "--n", str(args.n),
        "--temperature", "0.8", "--max-new-tokens", str(args.new_tokens), "--no-cache",
    ]  # fmt: skip


def finished(started: Started) -> Path:
    """The folder of a run that must end well."""
    process, run = started
    if process.wait():
        raise SystemExit(f"rltf eval ended with {process.returncode}")
    return run


def kill_at(started: Started, count: int) -> int:
    """Kill a run once it has written so many samples; returns how many it has."""
    process, run = started
    while len(sample_rows(run)) < count:  # in the run's journal, until it ends
        if process.poll() is not None:
            raise SystemExit("rltf eval ended before it was killed")
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        raise SystemExit("rltf eval ended before it was killed")
    return len(sample_rows(run))


def rows_of(run: Path) -> dict[tuple[str, int], bytes]:
    """The whole lines of `samples.jsonl`, by problem and number of the sample."""
    path = run / "samples.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    rows = [(json.loads(line), line) for line in lines if line.endswith(b"\n")]
    return {(row["task_id"], row["sample_id"]): line for row, line in rows}


def page(model: Path, args: argparse.Namespace, body: Sequence[str]) -> str:
    """The page that is committed."""
    with Runner(workers=1) as runner:
        about = dict(runner.describe())
    parts = [
        "# The same samples, on a real model",
        f"{model.stem}, unpacked to float32, MBPP {args.ids.replace('-', ' to ')}, {args.n} samples each at"
        f" temperature 0.8, up to {args.new_tokens} new tokens. A row of `samples.jsonl` counts as the same"
        " if all its bytes are.",
        "\n".join(["| how | samples | same as the first |", "|---|---:|---:|", *body]),
        f"```sh\n{' '.join(command_of(model, args))} --batch-size N\n```",
        machine.section("make real-model-samples", about, "mbpp, test").strip(),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
